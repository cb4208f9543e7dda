-- A cluster that serves only the old versions of a kind.

local support = require "tests.spec.support"
local client = require "tests.both.support.client"
local demo = require "tests.both.support.demo"

local HPA = [[
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: web }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
  minReplicas: 2
  maxReplicas: 5
  metrics: [METRIC]
]]
local CPU = "{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 70 } } }"
local MEMORY = "{ type: Resource, resource: { name: memory, target: { type: Utilization, averageUtilization: 70 } } }"
local PDB = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: { name: web }\nspec: { minAvailable: 1, selector: SELECTOR }\n"

describe("a cluster with only the old versions", function()
  local old, api

  lazy_setup(function()
    old = demo.start { "--serve-old", "pdb,hpa" }
    api = client.new(old.kubeconfig)
  end)

  local function apply(manifest)
    return support.cli({ "apply", "-f", "-" }, { stdin = manifest, env = { KUBECONFIG = old.kubeconfig } })
  end

  it("gets an autoscaler in the version that it serves, converted truly, and is told so", function()
    local manifest = HPA:gsub("METRIC", CPU)
    local result = apply(manifest)
    assert.equal(0, result.code, result.stderr)
    assert.equal("horizontalpodautoscaler.autoscaling/web: autoscaling/v2 is not served here; sent as autoscaling/v1\n"
      .. "horizontalpodautoscaler.autoscaling/web created\n", result.stdout)
    local spec = api:request("GET", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/web").json().spec
    assert.equal(70, spec.targetCPUUtilizationPercentage)
    assert.is_nil(spec.metrics)
    assert.matches("web unchanged\n$", apply(manifest).stdout)
  end)

  it("is not sent an autoscaler that it could not hold whole: what is beyond it is named", function()
    local result = apply((HPA:gsub("METRIC", CPU .. ", " .. MEMORY)))
    assert.equal(1, result.code)
    assert.matches("autoscaling/v2 is not served here, and autoscaling/v1 cannot hold spec.metrics[1] (memory)",
      result.stderr, 1, true)
  end)

  it("gets a disruption budget as v1beta1, but not one that would mean something else there", function()
    local result = apply((PDB:gsub("SELECTOR", "{ matchLabels: { app: web } }")))
    assert.equal(0, result.code, result.stderr)
    assert.matches("policy/v1 is not served here; sent as policy/v1beta1", result.stdout, 1, true)
    local refused = apply((PDB:gsub("SELECTOR", "{}")))
    assert.equal(1, refused.code)
    assert.matches("cannot hold spec.selector (an empty one takes no Pod there)", refused.stderr, 1, true)
  end)
end)
