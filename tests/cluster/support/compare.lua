-- Objects of two API servers, without what has to differ between them.

local support = require "tests.spec.support"

local M = {}

-- What the server, its controllers and time put in, different for every object.
local OF_METADATA = { "uid", "creationTimestamp", "resourceVersion", "generation", "namespace", "finalizers" }
local OF_SPEC = { "clusterIP", "clusterIPs", "healthCheckNodePort", "volumeName", "nodeName" }
local BY_OTHERS = {
  "^deployment%.kubernetes%.io/", "^pv%.kubernetes%.io/", "^volume%.[%w.]*kubernetes%.io/", "controller%-uid$",
}

local function without(map, names)
  for _, name in ipairs(names) do map[name] = nil end
end

local function without_matching(map)
  for key in pairs(map or {}) do
    for _, pattern in ipairs(BY_OTHERS) do
      if key:match(pattern) then map[key] = nil end
    end
  end
end

-- What the manager "moonsail" owns.
local function owned(object)
  for _, entry in ipairs(object.metadata.managedFields or {}) do
    if entry.manager == "moonsail" and entry.operation == "Apply" and not entry.subresource then
      return { version = entry.apiVersion, fields = entry.fieldsV1 }
    end
  end
end

--- What of an object is the same wherever it was applied; and what of it the manager "moonsail" owns.
function M.object(object)
  local fields = owned(object)
  object.metadata.managedFields, object.status = nil, nil
  without(object.metadata, OF_METADATA)
  without_matching(object.metadata.annotations)
  if next(object.metadata.annotations or {}) == nil then object.metadata.annotations = nil end
  local spec = type(object.spec) == "table" and object.spec or {}
  without(spec, OF_SPEC)
  for _, port in ipairs(object.kind == "Service" and spec.ports or {}) do port.nodePort = nil end
  if object.kind == "Job" then
    without_matching(object.metadata.labels)
    without_matching(spec.selector and spec.selector.matchLabels)
    without_matching(spec.template.metadata.labels)
  end
  -- The token that the server mounts into a Pod has a name by chance.
  if object.kind == "Pod" then
    local text = support.json.encode(object):gsub("kube%-api%-access%-%w+", "kube-api-access")
    object = support.json.decode(text)
  end
  -- A controller adds them up in its own time.
  if object.aggregationRule then object.rules = nil end
  return object, fields
end

--- The objects of what `kubectl get -o json` printed.
function M.items(text)
  local decoded = support.json.decode(text)
  return decoded.items or { decoded }
end

return M
