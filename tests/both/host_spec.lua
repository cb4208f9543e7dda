-- A host with a cluster behind it: what viewers of its executions see.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

-- What only a real cluster can show.
local only_real = cluster.real and it or function() end

local function configmap(name, value)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: { value: '%s' }\n"):format(name, value or "1")
end

local function request(ns, manifest, more)
  local r = { command = "__k8s-apply-yaml", intent = "apply-yaml", mode = "apply", kubernetesEquivalent = true,
    namespace = ns, yaml = manifest, label = "Apply ConfigMap YAML" }
  for k, v in pairs(more or {}) do r[k] = v end
  return r
end

local function texts(events, stream)
  local found = {}
  for _, e in ipairs(events) do
    if e.type == "line" and (not stream or e.stream == stream) then found[#found + 1] = e.text end
  end
  return found
end

describe("a host", function()
  local host, ns

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)

  teardown(function() host:stop() end)

  it("says which cluster it reaches", function()
    local status = host:get("/api/cluster/status").json()
    assert.is_true(status.connected)
    assert.matches(cluster.old and "^v1%.24" or "^v1%.34", status.version)
    assert.equal(cluster.context, status.context)
    assert.is_false(status.demo)
  end)

  it("applies what a WebSocket client sends and shows each step", function()
    local run = host:start(request(ns, configmap "ws"))
    local events = run:to_end()
    local order = {}
    for _, e in ipairs(events) do
      order[#order + 1] = e.type .. (e.status and " " .. e.status or e.name and " " .. e.name or "")
    end
    assert.same({
      "state planned", "phase Validating manifest…", "state running", "phase Applying resources…", "line",
      "state succeeded", "complete succeeded",
    }, order)
    assert.same({ "configmap/ws created" }, texts(events))
    assert.equal("kubectl-equivalent", events[1].sourceLabel)
    assert.equal("configmap/ws", events[4].detail)
    assert.same({ 1, 1 }, { events[4].progress, events[4].total })
    assert.equal(1000, run.close_code)
  end)

  it("applies a document of the kind that the request names and refuses any other", function()
    local right = host:start(request(ns, configmap "named", { resource = "cm", action = "update" })):to_end()
    assert.equal("succeeded", right[#right].status)
    local wrong = host:start(request(ns, configmap "named", { resource = "deployments", action = "update" })):to_end()
    assert.equal("failed", wrong[#wrong].status)
    assert.matches("the request is for deployments, and this document is a ConfigMap", wrong[#wrong].error, 1, true)
  end)

  it("finds a kind that was added a moment ago", function()
    local crd = [[
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: boats.host.moonsail.dev }
spec:
  group: host.moonsail.dev
  scope: Namespaced
  names: { kind: Boat, plural: boats }
  versions:
  - name: v1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
]]
    host:start(request(ns, configmap "warm")):to_end()
    cluster.create("crd", nil, crd)
    cluster.established "boats.host.moonsail.dev"
    local events = host:start(request(ns, "apiVersion: host.moonsail.dev/v1\nkind: Boat\nmetadata: { name: argo }\n")):to_end()
    assert.equal("", events[#events].error)
    assert.same({ "boat.host.moonsail.dev/argo created" }, texts(events))
  end)

  it("runs 200 applies at once, each with all of its events", function()
    local runs = {}
    for i = 1, 200 do runs[i] = host:start(request(ns, configmap("many-" .. i))) end
    for i = 1, 200 do
      local events = runs[i]:to_end(support.seconds(60))
      for n, e in ipairs(events) do assert.equal(n, e.seq) end
      assert.equal("", events[#events].error)
      assert.same({ "configmap/many-" .. i .. " created" }, texts(events, "stdout"))
    end
  end)

  it("takes in a resource file while it runs, and shows where a broken one is wrong", function()
    local dir = support.tree { ["resources/.keep"] = "" }
    local own = cluster.serve { args = { "--scripts", dir } }
    local function write(text)
      local file = assert(io.open(dir .. "/resources/leases.lua", "w"))
      file:write(text)
      file:close()
    end
    local function resource()
      for _, r in ipairs(own:get("/api/resources").json().resources) do
        if r.name == "leases" then return r end
      end
    end
    write [[
return resource {
  name = "leases", kind = "Lease", versions = { "coordination.k8s.io/v1" }, help = "Whose turn it is.",
  defaults = function(obj)
    obj.spec = obj.spec or {}
    obj.spec.holderIdentity = obj.spec.holderIdentity or "nobody"
  end,
  validate = function(obj)
    if obj.spec.holderIdentity == "root" then return "root may not hold a lease" end
  end,
}
]]
    support.eventually("the file is taken in", resource)
    local lease = "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: { name: turn }\n"
    local events = own:start(request(ns, lease)):to_end()
    assert.same({ "lease.coordination.k8s.io/turn created" }, texts(events))
    assert.equal("nobody", cluster.get("lease", "turn", ns).spec.holderIdentity)
    events = own:start(request(ns, lease .. "spec: { holderIdentity: root }\n")):to_end()
    assert.equal("root may not hold a lease", events[#events].error)
    write "return resource {\n  name = 'leases',\n  kind = 'Lease',\n  help = 'x',\n  verison = 1,\n}\n"
    local fault = support.eventually("the fault is shown", function()
      return own:get("/api/resources").json().faults[1]
    end)
    assert.matches("resources/leases.lua:%d+: ", support.json.encode(fault))
    assert.matches("verison", support.json.encode(fault), 1, true)
    assert.equal("Whose turn it is.", resource().help)
    own:stop()
  end)

  -- Takes half a minute, and no part of it is the cluster's.
  it("ends a resource file that loops with its file and line, and stalls nobody else meanwhile #newest", function()
    local dir = support.tree { ["resources/leases.lua"] = [[
return resource {
  name = "leases", kind = "Lease", versions = { "coordination.k8s.io/v1" }, help = "Loops.",
  apply = function(ctx, obj)
    while true do pcall(function() while true do end end) end
  end,
}
]] }
    local own = cluster.serve { args = { "--scripts", dir } }
    local loop = own:start(request(ns, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: { name: loop }\n"))
    loop:read_until(function(e) return e.type == "phase" and e.name == "Applying resources…" end)
    for i = 1, 5 do
      local events = own:start(request(ns, configmap("beside-" .. i))):to_end(support.seconds(5))
      assert.equal("succeeded", events[#events].status)
    end
    local events = loop:to_end(support.seconds(60))
    local error = events[#events].error
    assert.matches("resources/leases.lua:4: ended after 30 s of CPU", error, 1, true)
    assert.equal("failed", events[#events].status)
    own:stop()
  end)

  it("cancels an apply and tells what was done, in doubt and not started", function()
    local dir = support.tree { ["resources/leases.lua"] = [[
return resource {
  name = "leases", kind = "Lease", versions = { "coordination.k8s.io/v1" }, help = "Waits.",
  apply = function(ctx, obj)
    ctx:line("waiting")
    ctx:sleep(600)
    return ctx:apply(obj)
  end,
}
]] }
    local own = cluster.serve { args = { "--scripts", dir } }
    local lease = "---\napiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: { name: %s }\n"
    local run = own:start(request(ns, configmap "done" .. lease:format "one" .. lease:format "two"))
    run:read_until(function(e) return e.text == "waiting" end)
    run:cancel()
    local events = run:to_end()
    local complete = events[#events]
    assert.equal("cancelled", complete.outcome)
    assert.matches("^cancelled by ", complete.error)
    assert.equal(130, complete.summary.exitCode)
    local outcomes = {}
    for i, row in ipairs(complete.summary.documents) do outcomes[i] = row.outcome end
    assert.same({ "created", "not-started", "not-started" }, outcomes)
    own:stop()
  end)
end)

describe("an API server that dies in the middle", function()
  only_real("is told with its reason, within the time limit, and the host goes on when it is back", function()
    local ns = cluster.namespace()
    local host = cluster.serve()
    host:start(request(ns, configmap "before")):to_end()
    cluster.stop_apiserver()
    local dead = host:start(request(ns, configmap "during"))
    local events = dead:to_end(support.seconds(40))
    assert.equal("failed", events[#events].status)
    assert.matches("https://127.0.0.1:%d+: ", events[#events].error)
    local status = host:get("/api/cluster/status").json()
    assert.is_false(status.connected)
    assert.matches("connection refused", status.error, 1, true)
    local cli = cluster.cli({ "apply", "-f", "-", "-n", ns }, { stdin = configmap "during" })
    assert.equal(4, cli.code)
    assert.matches("connection refused", cli.stderr, 1, true)
    cluster.start_apiserver()
    support.eventually("an apply succeeds again", function()
      local again = host:start(request(ns, configmap "after")):to_end(support.seconds(40))
      return again[#again].status == "succeeded"
    end, support.seconds(30))
    host:stop()
  end)
end)
