-- demo/hpa.lua: HorizontalPodAutoscalers are kept as autoscaling/v2 and shown as v1 where that is asked for.
local M = {}

local NOTES = { ["autoscaling.alpha.kubernetes.io/metrics"] = true }

local function copy_of(obj)
  return require("demo.fields").copy(obj)
end

local function cpu_of(metrics)
  for _, m in ipairs(metrics or {}) do
    local r = m.resource
    if m.type == "Resource" and r and r.name == "cpu" and r.target and r.target.averageUtilization then
      return r.target.averageUtilization
    end
  end
end

-- v2 → v1
function M.to_v1(obj)
  local v1 = copy_of(obj)
  v1.apiVersion = "autoscaling/v1"
  local spec = v1.spec or {}
  spec.targetCPUUtilizationPercentage = cpu_of(spec.metrics)
  spec.metrics, spec.behavior = nil, nil
  if v1.status then
    local s = v1.status
    v1.status = { currentReplicas = s.currentReplicas or 0, desiredReplicas = s.desiredReplicas or 0 }
  end
  return v1
end

-- v1 → v2
function M.to_v2(obj)
  local v2 = copy_of(obj)
  v2.apiVersion = "autoscaling/v2"
  local spec = type(v2.spec) == "table" and v2.spec or {}
  local cpu = spec.targetCPUUtilizationPercentage
  spec.targetCPUUtilizationPercentage = nil
  if cpu then
    spec.metrics = list { { type = "Resource", resource = { name = "cpu",
      target = { type = "Utilization", averageUtilization = cpu } } } }
  end
  for key in next, NOTES do
    if v2.metadata and v2.metadata.annotations then v2.metadata.annotations[key] = nil end
  end
  return v2
end

return M
