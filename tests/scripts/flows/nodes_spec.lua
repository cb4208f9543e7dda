-- The flows on nodes.
local testing = require "moonsail.testing"

local node = { apiVersion = "v1", kind = "Node", metadata = { name = "n1" }, spec = {} }

local function pod(name, owner, more)
  local obj = { apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = name } },
    spec = { nodeName = "n1", containers = { { name = "c", image = "nginx:1.27" } } }, status = { phase = "Running" } }
  if owner then
    obj.metadata.ownerReferences = { { apiVersion = "apps/v1", kind = owner, name = "o", uid = "u", controller = true } }
  end
  for key, value in pairs(more or {}) do obj.spec[key] = value end
  return obj
end

-- The kubelet: what is to go is gone at the next look.
local function kubelet(t)
  for _, name in ipairs { "web", "bare" } do
    local live = t:get(pod(name))
    if live and live.metadata.deletionTimestamp then t:remove(live) end
  end
end

describe("cordon and uncordon", function()
  it("set and take away the mark, once", function()
    local t = testing.new { objects = { node } }
    for _, name in ipairs { "cordon", "cordon", "uncordon" } do t:flow(testing.flow(name), {}, node) end
    assert.is_not_true(t:get(node).spec.unschedulable)
    assert.same({ "node/n1 cordoned", "node/n1 is cordoned already", "node/n1 uncordoned" }, t.lines)
  end)
end)

describe("drain", function()
  local drain = testing.flow "drain"

  it("cordons the node and evicts its Pods, but for those of DaemonSets", function()
    local t = testing.new { objects = { node, pod("web", "ReplicaSet", { volumes = { { name = "v", emptyDir = {} } } }),
      pod("agent", "DaemonSet") }, on_sleep = kubelet }
    t:flow(drain, {}, node)
    assert.is_true(t:get(node).spec.unschedulable)
    assert.is_nil(t:get(pod "web"))
    assert.is_not_nil(t:get(pod "agent"))
    assert.equal("node/n1 drained: 1 Pods", t.lines[#t.lines])
    assert.same({ "pod default/web: what it keeps in an emptyDir is lost" }, t.warnings)
  end)

  it("asks again for what a disruption budget holds, and says so once", function()
    local t = testing.new { objects = { node, pod("web", "ReplicaSet") }, on_sleep = kubelet }
    t:fail("evict", pod "web", { status = 429, reason = "TooManyRequests", message = "it would violate the budget" }, 5)
    t:flow(drain, {}, node)
    assert.same({ "pod default/web: not yet: it would violate the budget" }, t.warnings)
    assert.is_true(t.slept >= 10)
    assert.is_nil(t:get(pod "web"))
  end)

  it("evicts what nothing brings back by force only", function()
    local t = testing.new { objects = { node, pod "bare" }, on_sleep = kubelet }
    local why = testing.failure(function() t:flow(drain, {}, node) end)
    assert.matches("no controller made: default/bare", why, 1, true)
    assert.is_nil(t:get(node).spec.unschedulable)
    t:flow(drain, { force = true }, node)
    assert.is_nil(t:get(pod "bare"))
  end)

  it("ends with what is still there when the time is over", function()
    local t = testing.new { objects = { node, pod("web", "ReplicaSet") } }
    assert.equal("1 of 1 Pods are still there after 60 s, the first is default/web; the node stays cordoned",
      testing.failure(function() t:flow(drain, { timeout = 60 }, node) end))
  end)

  it("evicts nothing in a dry-run", function()
    local t = testing.new { objects = { node, pod("web", "ReplicaSet") }, dry_run = true }
    t:flow(drain, {}, node)
    assert.is_nil(t:get(pod "web").metadata.deletionTimestamp)
    assert.equal("node/n1 would be drained: 1 Pods", t.lines[#t.lines])
  end)
end)
