-- lib/object.lua: what can be said of any Kubernetes object.
local M = {}

-- A deep copy. Lists stay lists.
function M.copy(value)
  if type(value) ~= "table" then return value end
  local copy = is_list(value) and list {} or {}
  for k, v in next, value do copy[k] = M.copy(v) end
  return copy
end

-- Are two values the same, all the way down?
function M.equal(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  for k, v in next, a do
    if not M.equal(v, b[k]) then return false end
  end
  for k in next, b do
    if a[k] == nil then return false end
  end
  return true
end

-- deployment.apps/api, as kubectl names objects.
function M.text(obj)
  local group = obj.apiVersion:match("^(.*)/")
  local name = obj.metadata and obj.metadata.name or obj.name or "?"
  return obj.kind:lower() .. (group and "." .. group or "") .. "/" .. name
end

-- { apiVersion, kind, namespace, name, text } of an object or a reference.
function M.ref(obj)
  local meta = obj.metadata or obj
  return {
    apiVersion = obj.apiVersion, kind = obj.kind,
    namespace = meta.namespace, name = meta.name, text = M.text(obj),
  }
end

-- A copy without what changes by itself, so that two states of an object can be compared.
-- (resourceVersion alone lies both ways: a dry-run returns the old one, a new manager moves it.)
function M.comparable(obj)
  local copy = {}
  for k, v in next, obj do copy[k] = v end
  copy.status = nil
  copy.metadata = {}
  for k, v in next, obj.metadata do copy.metadata[k] = v end
  copy.metadata.managedFields = nil
  copy.metadata.resourceVersion = nil
  copy.metadata.generation = nil
  return copy
end

return M
