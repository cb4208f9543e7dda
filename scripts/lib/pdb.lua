-- lib/pdb.lua: PodDisruptionBudgets between policy/v1 and v1beta1.
local M = {}

-- An empty selector takes every Pod in v1 and none in v1beta1, so it cannot be carried over.
local function is_empty(selector)
  return type(selector) == "table" and next(selector) == nil
end

-- v1 → v1beta1; nil and what v1beta1 cannot hold.
function M.to_v1beta1(obj)
  if is_empty(obj.spec.selector) then return nil, "spec.selector (an empty one takes no Pod there)" end
  if obj.spec.unhealthyPodEvictionPolicy ~= nil then return nil, "spec.unhealthyPodEvictionPolicy" end
  return obj
end

-- v1beta1 → v1; nil and what would mean something else there.
function M.to_v1(obj)
  if is_empty(obj.spec.selector) then return nil, "spec.selector (an empty one takes every Pod there)" end
  return obj
end

return M
