-- API servers that serve only the old versions of a kind.

local support = require "tests.spec.support"
local cluster = require "tests.cluster.support"

local HPA = [[
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: web }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
  minReplicas: 2
  maxReplicas: 5
  metrics: [METRICS]
]]

local function utilization(name)
  return ("{ type: Resource, resource: { name: %s, target: { type: Utilization, averageUtilization: 70 } } }"):format(name)
end

local BUDGET = [[
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: web }
spec: { minAvailable: 1, selector: SELECTOR }
]]
local CHOOSES = "{ matchLabels: { app: web } }"

local SERVERS = {
  { "the newest API server without autoscaling/v2", { "--bare", "--runtime-config", "autoscaling/v2=false" }, hpa = true },
  { "the oldest API server without policy/v1", { "--old", "--runtime-config", "policy/v1=false" }, pdb = true },
}

for _, server in ipairs(SERVERS) do
  -- They bring their own servers, so the pass on the newest is enough.
  describe(server[1] .. " #newest", function()
    local old, ns

    setup(function()
      old = cluster.new(table.unpack(server[2]))
      ns = old.namespace()
    end)

    teardown(function() old.stop() end)

    local function apply(manifest, ...)
      return old.cli({ "apply", "-f", "-", "-n", ns, ... }, { stdin = manifest })
    end

    local function raw(version, plural)
      local path = ("/apis/%s/namespaces/%s/%s/web"):format(version, ns, plural)
      return support.json.decode(old.kubectl { "get", "--raw", path })
    end

    if server.hpa then
      local SENT = "horizontalpodautoscaler.autoscaling/web: autoscaling/v2 is not served here; sent as autoscaling/v1\n"

      it("gets an autoscaler as v1, converted truly, and is told so each time", function()
        local manifest = HPA:gsub("METRICS", utilization "cpu")
        local first = apply(manifest)
        assert.equal(0, first.code, first.stderr)
        assert.equal(SENT .. "horizontalpodautoscaler.autoscaling/web created\n", first.stdout)
        local spec = raw("autoscaling/v1", "horizontalpodautoscalers").spec
        assert.same({ scaleTargetRef = { apiVersion = "apps/v1", kind = "Deployment", name = "web" }, minReplicas = 2,
          maxReplicas = 5, targetCPUUtilizationPercentage = 70 }, spec)
        assert.equal(SENT .. "horizontalpodautoscaler.autoscaling/web unchanged\n", apply(manifest).stdout)
        local more = apply((manifest:gsub("maxReplicas: 5", "maxReplicas: 6")))
        assert.equal(SENT .. "horizontalpodautoscaler.autoscaling/web configured\n", more.stdout)
        assert.equal(6, raw("autoscaling/v1", "horizontalpodautoscalers").spec.maxReplicas)
      end)

      it("takes one that is v1 already as it is", function()
        local result = apply("apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: { name: plain }\n"
          .. "spec: { scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }, maxReplicas: 3 }\n")
        assert.equal("horizontalpodautoscaler.autoscaling/plain created\n", result.stdout)
      end)

      it("is not sent what v1 cannot hold: each such field is named, and nothing changes", function()
        local before = raw("autoscaling/v1", "horizontalpodautoscalers").metadata.resourceVersion
        local result = apply((HPA:gsub("METRICS", utilization "cpu" .. ", " .. utilization "memory")))
        assert.equal(1, result.code)
        assert.matches("autoscaling/v2 is not served here, and autoscaling/v1 cannot hold spec.metrics[1] (memory)",
          result.stderr, 1, true)
        local behaviour = apply((HPA:gsub("METRICS", utilization "cpu")) .. "  behavior: { scaleDown: { selectPolicy: Disabled } }\n")
        assert.equal(1, behaviour.code)
        assert.matches("autoscaling/v1 cannot hold spec.behavior", behaviour.stderr, 1, true)
        assert.equal(before, raw("autoscaling/v1", "horizontalpodautoscalers").metadata.resourceVersion)
      end)

      it("is told by a dry-run what would be sent, and keeps as it is", function()
        local result = apply(HPA:gsub("METRICS", utilization "cpu"):gsub("name: web }\nspec", "name: tried }\nspec"), "--dry-run")
        assert.equal(0, result.code, result.stderr)
        assert.matches("autoscaling/v2 is not served here; sent as autoscaling/v1", result.stdout, 1, true)
        assert.is_nil(old.get("hpa", "tried", ns))
      end)
    end

    if server.pdb then
      local SENT = "poddisruptionbudget.policy/web: policy/v1 is not served here; sent as policy/v1beta1\n"

      it("gets a disruption budget as v1beta1, and is told so each time", function()
        local manifest = BUDGET:gsub("SELECTOR", CHOOSES)
        local first = apply(manifest)
        assert.equal(0, first.code, first.stderr)
        assert.equal(SENT .. "poddisruptionbudget.policy/web created\n", first.stdout)
        assert.same({ minAvailable = 1, selector = { matchLabels = { app = "web" } } },
          raw("policy/v1beta1", "poddisruptionbudgets").spec)
        assert.equal(SENT .. "poddisruptionbudget.policy/web unchanged\n", apply(manifest).stdout)
      end)

      it("is not sent one whose selector means all Pods in v1 and none in v1beta1", function()
        local refused = apply((BUDGET:gsub("SELECTOR", "{}")))
        assert.equal(1, refused.code)
        assert.matches("cannot hold spec.selector (an empty one takes no Pod there)", refused.stderr, 1, true)
        assert.same({ matchLabels = { app = "web" } }, raw("policy/v1beta1", "poddisruptionbudgets").spec.selector)
      end)

      it("gets an autoscaler as v2, which it serves, without a word", function()
        local result = apply((HPA:gsub("METRICS", utilization "cpu" .. ", " .. utilization "memory")))
        assert.equal("horizontalpodautoscaler.autoscaling/web created\n", result.stdout)
        assert.equal(2, #raw("autoscaling/v2", "horizontalpodautoscalers").spec.metrics)
      end)
    end
  end)
end
