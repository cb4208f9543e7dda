-- Waiting, as scripts see it: ctx:wait and ctx:wait_gone over a cluster that changes while they wait.
local testing = require "moonsail.testing"

local web = { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web", generation = 1 },
  spec = { replicas = 2, selector = { matchLabels = { app = "web" } } }, status = { observedGeneration = 1 } }

-- The Deployment with so many ready replicas.
local function with(ready)
  local obj = testing.object(web)
  obj.status = { observedGeneration = 1, replicas = 2, updatedReplicas = 2, readyReplicas = ready,
    availableReplicas = ready }
  return obj
end

describe("waiting for a Deployment", function()
  it("ends as soon as it is ready, and tells how far it was", function()
    local t = testing.new { objects = { with(0) }, on_sleep = function(t, slept)
      if slept >= 10 then t:put(with(2)) elseif slept >= 5 then t:put(with(1)) end
    end }
    t.ctx:wait(t.ctx:ref(t:get(web)), { timeout = 60 })
    assert.is_true(t.slept >= 10 and t.slept < 14)
    assert.same({ "deployment.apps/web: 0 of 2 replicas ready", "deployment.apps/web: 1 of 2 replicas ready" }, t.lines)
  end)

  it("ends with how far it is when the time is over", function()
    local t = testing.new { objects = { with(1) } }
    local why = testing.failure(function() t.ctx:wait(t.ctx:ref(t:get(web)), { timeout = 20 }) end)
    assert.equal("deployment.apps/web is not ready after 20 s: 1 of 2 replicas ready", why)
    assert.is_true(t.slept >= 20 and t.slept < 21)
  end)

  it("ends at once where it is deleted", function()
    local t = testing.new { objects = { with(1) }, on_sleep = function(t) t:remove(web) end }
    assert.equal("deployment.apps/web was deleted while it was waited for",
      testing.failure(function() t.ctx:wait(t.ctx:ref(t:get(web)), { timeout = 60 }) end))
    assert.is_true(t.slept < 5)
  end)

  it("is over when an object is gone, or another one has its name", function()
    local t = testing.new { objects = { with(1) }, on_sleep = function(t) t:remove(web) end }
    t.ctx:wait_gone(t.ctx:ref(t:get(web)), { timeout = 60 })
    t = testing.new { objects = { with(1) }, on_sleep = function(other)
      other:remove(web)
      other:put(with(0))
    end }
    t.ctx:wait_gone(t.ctx:ref(t:get(web)), { timeout = 60 })
    assert.is_true(t.slept < 5)
  end)
end)
