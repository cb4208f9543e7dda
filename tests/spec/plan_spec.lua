-- Plans are made while somebody types: many, and most of them for nobody in the end.

local cqueues = require "cqueues"
local support = require "tests.spec.support"

-- A handler that takes its time, or all memory, by the object's name.
local SLOW = [[
return resource {
  name = "configmaps", kind = "ConfigMap", versions = { "v1" }, help = "Waits.",
  apply = function(ctx, obj)
    if obj.metadata.name == "slow" then ctx:sleep(3600) end
    local eaten = {}
    while obj.metadata.name == "hungry" do eaten[#eaten + 1] = ("x"):rep(100000) .. #eaten end
    return ctx:apply(obj)
  end,
}
]]

local AT_ONCE = 16

local function configmap(name, more)
  return ("---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\n%s"):format(name, more or "")
end

local function request(yaml)
  return support.json.encode { intent = "apply-yaml", namespace = "default", yaml = yaml }
end

local function body(name) return request(configmap(name)) end

describe("plans", function()
  local host

  local function serve()
    return support.serve { demo = true, args = { "--scripts", support.tree { ["resources/configmaps.lua"] = SLOW } } }
  end

  lazy_setup(function() host = serve() end)
  lazy_teardown(function() host:stop() end)

  -- Asks and does not wait for the answer.
  local function ask(name, of)
    local peer, text = of:connect(), body(name)
    peer:setmode("b", "bf")
    peer:write(("POST /api/plan HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s")
      :format(of:authority(), #text, text))
    peer:flush()
    return peer
  end

  it("are sixteen at once; what comes beyond is told so, and comes in when somebody has left", function()
    local peers = {}
    for i = 1, AT_ONCE do peers[i] = ask("slow", host) end
    local function status() return host:post("/api/plan", body "quick").status end
    support.eventually("no more plans are taken", function() return status() == 503 end)
    assert.matches('"code":"busy"', host:post("/api/plan", body "quick").text, 1, true)
    peers[1]:close()
    support.eventually("the place of the one who left is free", function() return status() == 200 end)
    for i = 2, AT_ONCE do peers[i]:close() end
    local again = {}
    support.eventually("all the places are free", function()
      for i = #again + 1, AT_ONCE do again[i] = ask("slow", host) end
      return status() == 503
    end)
    for _, peer in ipairs(again) do peer:close() end
  end)

  it("that still wait keep no host from ending", function()
    local other = serve()
    local peer = ask("slow", other)
    assert.equal(200, other:get("/api/me").status)
    local began = cqueues.monotime()
    other:stop()
    assert.is_true(cqueues.monotime() - began < support.seconds(10))
    peer:close()
  end)

  it("whose script has to be ended tell that, and nothing that came after", function()
    local answer = host:post("/api/plan", request(configmap "slow" .. configmap "hungry" .. configmap "quick"))
    assert.equal(200, answer.status)
    local made = answer.json()
    assert.equal("failed", made.documents[2].outcome)
    assert.matches("memory", made.documents[2].message, 1, true)
    assert.matches("memory", made.error, 1, true)
    assert.equal("not-started", made.documents[1].outcome)
    assert.equal(200, host:post("/api/plan", body "quick").status)
  end)

  it("show a change of a large object, as much of it as somebody may read", function()
    local lines = {}
    for i = 1, 9000 do lines[i] = ("  key-%d: '%s'\n"):format(i, ("v"):rep(30)) end
    local row = host:post("/api/plan", request(configmap("large", "data:\n" .. table.concat(lines)))).json().documents[1]
    assert.equal("created", row.outcome, row.message)
    assert.matches("\n+  key-1: v", row.diff, 1, true)
    assert.matches("\n\\ The rest is left out: the diff is over 262144 bytes\n$", row.diff)
    assert.is_true(#row.diff < 262144 + 100)
  end)

  it("of two thousand documents are answered, while others are served", function()
    local documents = {}
    for i = 1, 2000 do
      documents[i] = configmap("many-" .. i, ("data: { a: %q }\n"):format(("x"):rep(100)))
    end
    local made, slowest = nil, 0
    support.together(
      function()
        made = host:post("/api/plan", request(table.concat(documents))).json()
      end,
      function()
        while not made do
          local began = cqueues.monotime()
          assert.equal(200, host:get("/api/me").status)
          slowest = math.max(slowest, cqueues.monotime() - began)
        end
      end)
    assert.equal(2000, #made.documents)
    assert.equal("created", made.documents[2000].outcome)
    assert.is_true(slowest < support.seconds(1), slowest)
    assert.same({}, host:get("/api/executions").json())
  end)
end)
