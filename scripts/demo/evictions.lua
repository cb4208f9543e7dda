-- demo/evictions.lua: a Pod that is asked to go, where its disruption budget lets it.
local selectors = require "demo.selectors"
local status = require "demo.status"
local write = require "demo.write"

local M = {}

local BUDGETS = "poddisruptionbudgets.policy"

local function budget_of(pod)
  local found = {}
  for _, budget in ipairs(store.list(BUDGETS, pod.metadata.namespace)) do
    if selectors.chooses(budget.spec.selector, pod.metadata.labels) then found[#found + 1] = budget end
  end
  if #found > 1 then
    status.fail(500, "InternalError", "This pod has more than one PodDisruptionBudget, which the eviction subresource "
      .. "does not support.")
  end
  return found[1]
end

-- One that does not run disturbs nobody.
local function counts(pod)
  local phase = pod.status.phase
  return phase ~= "Succeeded" and phase ~= "Failed" and phase ~= "Pending" and not pod.metadata.deletionTimestamp
end

local function refuse(cause)
  status.fail(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.",
    { causes = list { { reason = "DisruptionBudget", message = cause } } })
end

-- Takes one of the disruptions that are allowed.
local function spend(budget, dry)
  local s, name = budget.status, budget.metadata.name
  if (s.observedGeneration or 0) < (budget.metadata.generation or 0) then
    refuse(("The disruption budget %s is still being processed by the server."):format(name))
  elseif s.disruptionsAllowed <= 0 then
    refuse(("The disruption budget %s needs %d healthy pods and has %d currently"):format(name, s.desiredHealthy,
      s.currentHealthy))
  end
  if dry then return end
  write.change(BUDGETS, budget, "status", function(copy)
    copy.status.disruptionsAllowed = s.disruptionsAllowed - 1
  end)
end

-- POST …/pods/NAME/eviction
function M.create(r, pod, eviction)
  local meta = type(eviction) == "table" and type(eviction.metadata) == "table" and eviction.metadata or {}
  if meta.name and meta.name ~= r.name then
    status.bad("name in URL does not match name in Eviction object")
  end
  local options = type(eviction) == "table" and type(eviction.deleteOptions) == "table" and eviction.deleteOptions or {}
  local dry = r.dry or is_list(options.dryRun) and #options.dryRun > 0
  local budget = counts(pod) and budget_of(pod)
  if budget then
    local s = budget.status
    local broken = not write.is_ready(pod) and (budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow"
      or s.desiredHealthy > 0 and s.currentHealthy >= s.desiredHealthy)
    if not broken then spend(budget, dry) end
  end
  if not dry then write.delete("pods", pod, options) end
  return { kind = "Status", apiVersion = "v1", metadata = {}, status = "Success", code = 201 }, 201
end

return M
