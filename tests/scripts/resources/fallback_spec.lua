-- hpa and pdb on clusters that are older or newer than the manifest.
local testing = require "moonsail.testing"

describe("hpa", function()
  local hpa = testing.resource "hpa"
  local CPU = { type = "Resource", resource = { name = "cpu", target = { type = "Utilization", averageUtilization = 70 } } }
  local MEMORY = { type = "Resource",
    resource = { name = "memory", target = { type = "AverageValue", averageValue = "1Gi" } } }

  local function scaler(version, more)
    local obj = { apiVersion = "autoscaling/" .. version, kind = "HorizontalPodAutoscaler", metadata = { name = "web" },
      spec = { minReplicas = 1, maxReplicas = 5,
        scaleTargetRef = { apiVersion = "apps/v1", kind = "Deployment", name = "web" } } }
    for key, value in pairs(more or {}) do obj.spec[key] = value end
    return obj
  end

  it("goes as autoscaling/v1 to a cluster without v2, and says so", function()
    local t = testing.new { unserved = { "autoscaling/v2" } }
    t:apply(hpa, scaler("v2", { metrics = { CPU } }))
    local sent = t.calls[#t.calls].body
    assert.equal("autoscaling/v1", sent.apiVersion)
    assert.equal(70, sent.spec.targetCPUUtilizationPercentage)
    assert.is_nil(sent.spec.metrics)
    assert.matches("autoscaling/v2 is not served here; sent as autoscaling/v1", t.lines[1], 1, true)
  end)

  it("names what v1 cannot hold, and sends nothing", function()
    local t = testing.new { unserved = { "autoscaling/v2" } }
    local why = testing.failure(function()
      t:apply(hpa, scaler("v2", { metrics = { CPU, MEMORY }, behavior = { scaleDown = { selectPolicy = "Min" } } }))
    end)
    assert.equal("autoscaling/v2 is not served here, and autoscaling/v1 cannot hold spec.metrics[1] (memory), "
      .. "spec.behavior", why)
    assert.same({}, t.calls)
  end)

  it("goes as autoscaling/v2 to a cluster without v1", function()
    local t = testing.new { unserved = { "autoscaling/v1" } }
    t:apply(hpa, scaler("v1", { targetCPUUtilizationPercentage = 70 }))
    assert.same({ CPU }, t.calls[#t.calls].body.spec.metrics)
  end)
end)

describe("pdb", function()
  local pdb = testing.resource "pdb"

  local function budget(version, spec)
    return { apiVersion = "policy/" .. version, kind = "PodDisruptionBudget", metadata = { name = "web" }, spec = spec }
  end
  local plain = { minAvailable = 1, selector = { matchLabels = { app = "web" } } }

  it("goes as policy/v1beta1 to an old cluster, and as v1 to a new one", function()
    local old = testing.new { unserved = { "policy/v1" } }
    assert.equal("created", old:apply(pdb, budget("v1", plain)))
    assert.equal("policy/v1beta1", old.calls[#old.calls].body.apiVersion)
    local new = testing.new { unserved = { "policy/v1beta1" } }
    assert.equal("created", new:apply(pdb, budget("v1beta1", plain)))
    assert.equal("policy/v1", new.calls[#new.calls].body.apiVersion)
  end)

  it("is refused where it would mean something else there", function()
    for version, other in pairs { v1 = "v1beta1", v1beta1 = "v1" } do
      local t = testing.new { unserved = { "policy/" .. version } }
      local why = testing.failure(function() t:apply(pdb, budget(version, { minAvailable = 1, selector = {} })) end)
      assert.matches("policy/" .. other .. " cannot hold spec.selector", why, 1, true)
    end
    local t = testing.new { unserved = { "policy/v1" } }
    assert.matches("spec.unhealthyPodEvictionPolicy", testing.failure(function()
      t:apply(pdb, budget("v1", { selector = plain.selector, unhealthyPodEvictionPolicy = "AlwaysAllow" }))
    end), 1, true)
  end)
end)
