-- lib/hpa.lua: HorizontalPodAutoscalers between autoscaling/v2 and v1.
local M = {}

-- What v1 cannot hold of a v2 spec: a list of field names.
local function beyond_v1(spec)
  local list = {}
  for i, metric in ipairs(spec.metrics or {}) do
    local target = metric.resource and metric.resource.target
    local is_cpu = metric.type == "Resource" and metric.resource.name == "cpu" and target.type == "Utilization"
    if not is_cpu or i > 1 then
      local name = metric.resource and metric.resource.name or metric.type or "?"
      list[#list + 1] = ("spec.metrics[%d] (%s)"):format(i - 1, name)
    end
  end
  if spec.behavior ~= nil then list[#list + 1] = "spec.behavior" end
  return list
end

-- v2 → v1; nil and the fields that v1 cannot hold. Nothing is dropped.
function M.to_v1(obj)
  local spec = obj.spec
  local beyond = beyond_v1(spec)
  if #beyond > 0 then return nil, table.concat(beyond, ", ") end
  if spec.metrics and spec.metrics[1] then
    spec.targetCPUUtilizationPercentage = spec.metrics[1].resource.target.averageUtilization
  end
  spec.metrics = nil
  return obj
end

-- v1 → v2.
function M.to_v2(obj)
  local spec = obj.spec
  if spec.targetCPUUtilizationPercentage ~= nil then
    spec.metrics = list { {
      type = "Resource",
      resource = {
        name = "cpu",
        target = { type = "Utilization", averageUtilization = spec.targetCPUUtilizationPercentage },
      },
    } }
    spec.targetCPUUtilizationPercentage = nil
  end
  return obj
end

return M
