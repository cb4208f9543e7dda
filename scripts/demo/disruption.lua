-- demo/disruption.lua: how many of its Pods a PodDisruptionBudget lets go.
local selectors = require "demo.selectors"
local write = require "demo.write"

local M = {}

local function share(value, whole)
  local percent = type(value) == "string" and tonumber(value:match("^(%d+)%%$"))
  if percent then return math.tointeger(-(-percent * whole // 100)) end
  return math.tointeger(tonumber(value)) or 0
end

function M.run(budget)
  local expected, healthy = 0, 0
  for _, pod in ipairs(store.list("pods", budget.metadata.namespace)) do
    if selectors.chooses(budget.spec.selector, pod.metadata.labels) and not pod.metadata.deletionTimestamp then
      expected = expected + 1
      healthy = healthy + (write.is_ready(pod) and 1 or 0)
    end
  end
  local spec = budget.spec
  local desired = spec.maxUnavailable ~= nil and math.max(expected - share(spec.maxUnavailable, expected), 0)
    or share(spec.minAvailable or 1, expected)
  local allowed = math.max(healthy - desired, 0)
  local conditions = write.condition((budget.status or {}).conditions, "DisruptionAllowed",
    allowed > 0 and "True" or "False", allowed > 0 and "SufficientPods" or "InsufficientPods", "",
    { observedGeneration = budget.metadata.generation })
  write.status("poddisruptionbudgets.policy", budget, { observedGeneration = budget.metadata.generation,
    expectedPods = expected, currentHealthy = healthy, desiredHealthy = desired, disruptionsAllowed = allowed,
    conditions = conditions })
end

return M
