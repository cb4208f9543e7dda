--- The logs of Pods, as a person asks for them: of one or of a workload, at once or as they come.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"
local events = support.events

local DEPLOYMENT = [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME }
spec:
  replicas: 2
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec:
      containers:
      - { name: web, image: "example/web:1" }
      - { name: side, image: "example/side:1" }
]]

describe("the flow logs", function()
  local host, ns

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)

  teardown(function() host:stop() end)

  local function apply(name, manifest)
    local result = cluster.cli({ "apply", "-f", "-", "-n", ns, "--wait" }, { stdin = ((manifest or DEPLOYMENT):gsub("NAME", name)) })
    assert.equal(0, result.code, result.stderr)
  end

  local function pod(name, fields, notes)
    local spec = { containers = { { name = "web", image = "example/web:1" } } }
    for key, value in pairs(fields or {}) do spec[key] = value end
    cluster.create("pod", ns, { metadata = { name = name, annotations = notes }, spec = spec })
  end

  local function running(name)
    support.eventually(name .. " runs", function()
      return cluster.get("pod", name, ns).status.phase == "Running"
    end, support.seconds(20))
  end

  local function start(resource, name, input)
    return host:start { intent = "logs", kubernetesEquivalent = true, namespace = ns, resource = resource,
      name = name, input = input }
  end

  local function shown(resource, name, input)
    local all = start(resource, name, input):to_end()
    return events.lines(all, "stdout"), events.lines(all, "stderr"), events.complete(all)
  end

  -- Reads until a line of this text has come; the events before it are forgotten.
  local function line_of(ws, pattern)
    local found
    ws:read_until(function(event)
      found = event.type == "line" and event.text:match(pattern)
      return found
    end, support.seconds(30))
    return found
  end

  it("shows what one container has written, without a prefix", function()
    pod "one"
    running "one"
    support.eventually("it has written", function() return #shown("pods", "one") >= 3 end)
    local out, err, complete = shown("pods", "one")
    assert.equal("web starts, image example/web:1", out[1])
    assert.same({}, err)
    assert.equal("succeeded", complete.status)
    assert.same({ out[1], out[2] }, { table.unpack(shown("pods", "one", { since = 3600 }), 1, 2) })
    assert.equal(1, #shown("pods", "one", { tail = 1 }))
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:[%d.]+Z web starts", shown("pods", "one", { timestamps = true })[1])
  end)

  it("shows every container of a workload's Pods, each line with whose it is", function()
    apply "shop"
    local out, err = shown("deployments", "shop")
    local from = {}
    for _, line in ipairs(out) do from[line:match "^%[shop%-[^/]+/(%w+)%] " or "nobody"] = true end
    assert.same({ web = true, side = true }, from)
    assert.same({}, err)
    for _, line in ipairs(shown("deployments", "shop", { container = "side" })) do assert.matches("/side%] ", line) end
    local _, _, complete = shown("deployments", "shop", { container = "sied" })
    assert.equal("deployment.apps/shop has no container sied; it has: web, side", complete.error)
  end)

  it("takes secrets out of what a container writes", function()
    apply("masked", (DEPLOYMENT:gsub("example/web:1", "example/password=hunter2hunter2:1")))
    for _, line in ipairs(shown("deployments", "masked", { container = "web" })) do
      assert.not_matches("hunter2", line, 1, true)
    end
  end)

  it("tells what cannot be read and why, and fails where nothing can", function()
    pod("pulls", nil, { ["demo/fail"] = "image-pull" })
    support.eventually("it waits", function()
      local status = cluster.get("pod", "pulls", ns).status.containerStatuses
      return status and status[1].state.waiting and status[1].state.waiting.reason == "ImagePullBackOff"
    end, support.seconds(20))
    local _, err, complete = shown("pods", "pulls")
    assert.matches("pulls/web: container \"web\" in pod \"pulls\" is waiting to start", err[1], 1, true)
    assert.equal("no log could be read", complete.error)
    local _, _, both = shown("pods", "pulls", { follow = true, previous = true })
    assert.matches("leave out follow or previous", both.error, 1, true)
  end)

  it("follows a container from before it starts, tells how it ends, and ends with its Pod", function()
    pod("work", { restartPolicy = "Never" }, { ["demo/start-seconds"] = "3" })
    local all = start("pods", "work", { follow = true }):to_end(support.seconds(60))
    local out, err = events.lines(all, "stdout"), events.lines(all, "stderr")
    assert.equal("web starts, image example/web:1", out[1])
    assert.equal("done", out[#out])
    assert.matches("work/web: it ended with exit code 0", err[#err], 1, true)
    assert.equal("succeeded", events.complete(all).status)
    local seen = {}
    for _, line in ipairs(out) do
      assert.is_nil(line:find("starts, image") and seen[line])
      seen[line] = true
    end
  end)

  it("picks up the Pods of a roll-out, and tells that the old ones are gone", function()
    apply "rolled"
    local old = {}
    for _, one in ipairs(cluster.list("pod", ns)) do old[one.metadata.name] = true end
    local ws = start("deployments", "rolled", { follow = true, tail = 1, container = "web" })
    assert.is_true(old[line_of(ws, "^%[(rolled%-[^/]+)/web%]")])
    cluster.patch("deployment", "rolled", ns, { spec = { template = { metadata = { annotations = { turn = "2" } } } } })
    local new, wrote, gone = {}, nil, nil
    ws:read_until(function(event)
      local text = event.type == "line" and event.text or ""
      local come, ended = text:match("^pod (rolled%-%S+) has come$"), text:match("^(rolled%-[^/]+)/web: it")
      if come then new[come] = true end
      wrote = wrote or new[text:match("^%[(rolled%-[^/]+)/web%] ") or ""]
      gone = gone or ended and old[ended]
      return wrote and gone
    end, support.seconds(30))
    for name in pairs(new) do assert.is_nil(old[name]) end
    ws:cancel()
    local complete = events.complete(ws:to_end())
    assert.equal("cancelled", complete.outcome)
  end)

  it("goes on where it was when a container is started again", function()
    pod("again", nil, { ["demo/fail"] = "crash" })
    local ws = start("pods", "again", { follow = true, timestamps = true })
    line_of(ws, "(again/web: it ended with exit code %d+ and is started again)")
    local times = {}
    ws:read_until(function(event)
      if event.type == "line" and event.stream == "stdout" then times[#times + 1] = event.text:match "^%S+" end
      return #times >= 3
    end, support.seconds(60))
    for i = 2, #times do assert.is_true(times[i - 1] <= times[i], times[i - 1] .. " before " .. times[i]) end
    ws:cancel()
    ws:to_end()
  end)
end)
