-- GET /api/watch against a demo cluster: executions, scripts, the cluster, and many who look.

local support = require "tests.spec.support"
local watched = require "tests.spec.support.watched"
local client = require "tests.both.support.client"
local demo = require "tests.both.support.demo"

describe("GET /api/watch", function()
  local host, api, cluster, scripts

  setup(function()
    cluster = demo.start()
    api = client.new(cluster.kubeconfig)
    scripts = support.tree { ["resources/.keep"] = "", ["flows/.keep"] = "" }
    host = support.serve { args = { "--scripts", scripts }, env = { KUBECONFIG = cluster.kubeconfig } }
  end)

  teardown(function() host:stop() end)

  local function look(request, socket)
    socket = socket or assert(host:socket("/api/watch"))
    return watched.subscribe(socket, request), socket
  end

  local function run(id, command, ...)
    return host:start { executionId = id, command = command, args = { ... } }
  end

  local function configmap(name)
    local answer = api:request("POST", "/api/v1/namespaces/default/configmaps", { metadata = { name = name } })
    assert.equal(201, answer.status, answer.text)
  end

  it("shows a new execution in two windows, and how it ends", function()
    local one, first = look { subscribe = "executions" }
    local two, second = look({ subscribe = "executions", id = "b", status = "running" })
    one:wait()
    two:wait()
    local live = run("live", "sh", "-c", "echo begun; exec tail -f /dev/null")
    live:read_until(function(event) return event.type == "line" end)
    for _, view in ipairs { one, two } do
      view:wait(function() return view:named "live" and view:named("live").status == "running" end)
    end
    live:cancel()
    one:wait(function() return one:named("live").status == "failed" end)
    assert.equal("cancelled", one:named("live").outcome)
    assert.equal(130, one:named("live").summary.exitCode)
    two:wait(function() return not two:named "live" end)
    local list = host:get("/api/executions").json()
    for _, record in ipairs(list) do assert.same(record, one:named(record.executionId)) end
    first:close()
    second:close()
  end)

  it("tells a record no more often than its lines are worth", function()
    local view, socket = look { subscribe = "executions" }
    view:wait()
    local before = view.messages
    run("chatty", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"):to_end()
    view:wait(function() return view:named "chatty" and view:named("chatty").status == "succeeded" end)
    local record = view:named "chatty"
    assert(record.lastLineAt >= record.startedAt)
    assert(view.messages - before < 40, view.messages - before)
    socket:close()
  end)

  it("begins with the newest, as many as are asked for", function()
    for i = 1, 5 do run("old-" .. i, "true"):to_end() end
    local view, socket = look { subscribe = "executions", limit = 2 }
    view:wait()
    assert.same({ "old-5", "old-4" }, { view.head.executions[1].executionId, view.head.executions[2].executionId })
    assert.equal(2, #view.head.executions)
    socket:close()
  end)

  it("tells what scripts have registered, and again when they change", function()
    local view, socket = look { subscribe = "scripts" }
    view:wait()
    for _, what in ipairs { "resources", "flows", "guardrails" } do
      local answer = host:get("/api/" .. what).json()
      assert.same(answer[what], view.head[what])
      assert.same({ answer.generation, answer.faults }, { view.head.generation, view.head.faults })
    end
    local file = assert(io.open(scripts .. "/flows/greet.lua", "w"))
    file:write('return flow { name = "greet" }\n')
    file:close()
    view:wait(function() return #view.head.faults == 1 end)
    assert.matches("flows/greet.lua:1: ", view.head.faults[1].text)
    socket:close()
  end)

  it("tells how the cluster is", function()
    local view, socket = look { subscribe = "cluster" }
    view:wait()
    local answer = host:get("/api/cluster/status").json()
    for name, value in pairs(answer) do assert.same(value, view.head[name]) end
    assert.is_true(view.head.connected)
    local unknown = look({ subscribe = "cluster", id = "b", context = "nowhere" }, socket)
    unknown:wait(function() return unknown.error end)
    assert.same({ "b", "not_found" }, { unknown.error.id, unknown.error.code })
    socket:close()
  end)

  -- Connections of the host to the cluster that are open.
  local function connections()
    local port, found = ("%04X"):format(cluster.url:match(":(%d+)$")), 0
    for line in io.lines("/proc/net/tcp") do
      local to, state = line:match("^%s*%d+: %x+:%x+ %x+:(%x+) (%x%x)")
      if to == port and state == "01" then found = found + 1 end
    end
    return found
  end

  it("makes one watch at the API server for 200 who look at one list, and all of them see a change", function()
    local views = {}
    views[1] = look { subscribe = "objects", resource = "configmaps", namespace = "default" }
    views[1]:wait()
    local alone = connections()
    for i = 2, 200 do
      views[i] = look { subscribe = "objects", resource = i % 2 == 0 and "cm" or "configmaps", namespace = "default" }
    end
    for i = 2, 200 do views[i]:wait() end
    -- Short calls (a health check) may have one of their own at the moment.
    assert(connections() < alone + 10, "connections for those who look too")
    configmap "seen-by-all"
    for _, view in ipairs(views) do
      view:wait(function() return view:named "seen-by-all" end)
      view.socket:drop()
    end
  end)

  it("is not held up by one who never reads, who later gets what is, not what was", function()
    local idle, busy = look { subscribe = "objects", resource = "configmaps", namespace = "default" }
    local view, socket = look { subscribe = "objects", resource = "configmaps", namespace = "default" }
    view:wait()
    for i = 1, 30 do configmap("many-" .. i) end
    view:wait(function() return view:named "many-30" end)
    idle:wait(function() return idle:named "many-30" end)
    assert.equal(view:names(), idle:names())
    busy:close()
    socket:close()
  end)

  it("carries 64 subscriptions, and says so to the 65th", function()
    local socket = assert(host:socket("/api/watch"))
    for i = 1, 65 do socket:send { subscribe = "executions", id = "s" .. i } end
    local refused = socket:read_until(function(message) return message.type == "error" end)
    local last = refused[#refused]
    assert.same({ "s65", "busy", "a socket carries at most 64 subscriptions" }, { last.id, last.code, last.error })
    socket:send { unsubscribe = "s1" }
    socket:send { subscribe = "executions", id = "s65" }
    socket:read_until(function(message) return message.id == "s65" and message.type == "snapshot" end)
    socket:close()
  end)

  it("says what is wrong with a subscription, and goes on", function()
    local socket = assert(host:socket("/api/watch"))
    local function refused(request)
      socket:send(request)
      local all = socket:read_until(function(message) return message.type == "error" end)
      return all[#all].error
    end
    assert.equal("subscribe must be one of executions, objects, scripts, cluster", refused { id = "x" })
    assert.equal("limit must be a number from 1 to 200", refused { subscribe = "executions", id = "x", limit = 0 })
    assert.equal("status must be one of planned, running, succeeded, failed",
      refused { subscribe = "executions", id = "x", status = "odd" })
    assert.equal("since must be a time as 2026-11-24T02:35:24Z",
      refused { subscribe = "executions", id = "x", since = "yesterday" })
    assert.equal("namespace must be a string", refused { subscribe = "objects", id = "x", resource = "pods", namespace = 1 })
    watched.subscribe(socket, { subscribe = "executions", id = "x" }):wait()
    socket:close()
  end)

  it("closes on what is no subscription", function()
    for text, code in pairs { ["{"] = 1008, ['{"subscribe":"executions"}'] = 1008, ["[]"] = 1008,
      [('{"id":"%s"}'):format(("x"):rep(70000))] = 1009 } do
      local socket = assert(host:socket("/api/watch"))
      socket:send(text)
      local all = socket:to_end()
      assert.same({ "error", "" }, { all[1].type, all[1].id })
      assert.equal(code, socket.close_code)
    end
  end)

  it("is for pages of this host only, and only as a WebSocket", function()
    local socket, status = host:socket("/api/watch", { headers = { origin = "https://evil.example" } })
    assert.same({ nil, 403 }, { socket, status })
    assert.equal(426, host:get("/api/watch").status)
  end)

  it("speaks in batches to who offers them", function()
    local socket = assert(host:socket("/api/watch", { protocols = { "moonsail.batch.v1" } }))
    socket:send { subscribe = "cluster", id = "a" }
    local batch = support.json.decode(socket:text())
    assert.equal("snapshot", batch[1].type)
    socket:close()
  end)

  it("says goodbye with 1001 when the host ends", function()
    local other = support.serve {}
    local socket = assert(other:socket("/api/watch"))
    socket:send { subscribe = "cluster", id = "a" }
    socket:next()
    other:stop()
    socket:to_end()
    assert.equal(1001, socket.close_code)
  end)
end)
