-- lib/immutable.lua: fields that cannot be changed: which they are, and what may be done about it.
local object = require "lib.object"
local wait = require "lib.wait"

local M = {}

local MOST = 5           -- fields that are named
local GONE_SECONDS = 60

local function map(value) return type(value) == "table" and value or {} end

-- ---- which fields ----

-- What of the manifest differs from what is there, as paths; what the server filled in does not count.
local function differing(wanted, live, path, found)
  if type(wanted) == "table" and next(wanted) == nil and live == nil or wanted == null then return found end
  if type(wanted) ~= "table" then
    if wanted ~= live and tostring(wanted) ~= tostring(live) then found[#found + 1] = path end
  elseif type(live) ~= "table" or is_list(wanted) and #wanted ~= #live then
    found[#found + 1] = path
  elseif is_list(wanted) then
    for i, item in ipairs(wanted) do differing(item, live[i], ("%s[%d]"):format(path, i - 1), found) end
  else
    local keys = {}
    for key in next, wanted do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do differing(wanted[key], live[key], path .. "." .. key, found) end
  end
  return found
end

-- The words that a message has in quotes: 'replicas', `spec.containers[*].image`.
local function quoted(message)
  local list, set = {}, {}
  for word in message:gmatch("['`]([%w.*%[%]]+)['`]") do
    list[#list + 1], set[word] = word, true
  end
  return list, set
end

local function add(list, name)
  for _, known in ipairs(list) do
    if known == name then return end
  end
  list[#list + 1] = name
end

-- "spec" and which of it may be changed → the fields of it that the manifest changes all the same.
local function beyond(message, obj, live, whole)
  local _, allowed = quoted(message)
  local found = {}
  for _, path in ipairs(differing(map(obj.spec), map(live.spec), "spec", {})) do
    local first = path:match("^spec%.([%w]+)")
    if not allowed[first or ""] and not allowed[path:gsub("%[%d+%]", "[*]")] then
      add(found, whole and path or "spec." .. (first or ""))
    end
  end
  return #found > 0 and found or { "spec" }
end

-- What of a PersistentVolume's spec is not its source.
local OF_VOLUME = {
  capacity = true, accessModes = true, claimRef = true, persistentVolumeReclaimPolicy = true, mountOptions = true,
  storageClassName = true, volumeMode = true, nodeAffinity = true, volumeAttributesClassName = true,
}

local function source_of(obj, live)
  local found = {}
  for _, path in ipairs(differing(map(obj.spec), map(live.spec), "spec", {})) do
    if not OF_VOLUME[path:match("^spec%.(%w+)")] then found[#found + 1] = path end
  end
  return #found > 0 and found or { "the volume's source" }
end

local UNCHANGEABLE = {
  "immutable", "may not change once set", "cannot change roleRef", "may not be changed in an update",
  "updates to %w+ are forbidden", "updates to statefulset spec", "pod updates may not",
  "can not be less than status.capacity",
}

local function is_unchangeable(message)
  for _, pattern in ipairs(UNCHANGEABLE) do
    if message:find(pattern) then return true end
  end
  return false
end

local function fields_of(cause, message, obj, live)
  local field = type(cause.field) == "string" and cause.field or "?"
  if field == "spec" then return beyond(message, obj, live, obj.kind ~= "StatefulSet") end
  if field == "spec.persistentvolumesource" then return source_of(obj, live) end
  return { (field:gsub("^spec%.clusterIPs%[0%]$", "spec.clusterIP")) }
end

-- The causes of a refusal: the fields that cannot be changed, the other causes as texts, a message of the first.
local function causes_of(err, obj, live)
  local fields, others, first = {}, {}, nil
  for _, cause in ipairs(map(map(err.details).causes)) do
    local message = type(cause.message) == "string" and cause.message or ""
    if is_unchangeable(message) then
      first = first or message
      for _, field in ipairs(fields_of(cause, message, obj, live)) do add(fields, field) end
    else
      add(others, ("%s: %s"):format(tostring(cause.field), message))
    end
  end
  return fields, others, first
end

-- ---- what may be done ----

local function of_claim(_, live, message)
  if message:find("status.capacity", 1, true) then return "a claim can only grow" end
  if map(live.status).phase ~= "Bound" then return "before it is bound nothing of a claim can be" end
  return "of a claim only spec.resources.requests can grow, where its StorageClass has allowVolumeExpansion"
end

local function of_service(_, live)
  return "leave it out to keep " .. tostring(map(live.spec).clusterIP)
end

local function of_allowed(obj, _, message)
  local allowed = quoted(message)
  if #allowed == 0 then return nil end
  return ("of a %s only %s can be"):format(obj.kind, table.concat(allowed, ", "))
end

local function of_marked(_, live)
  return live.immutable == true and "it is marked as immutable; what uses it can name a new one" or nil
end

local HINTS = {
  PersistentVolumeClaim = of_claim, Service = of_service, StatefulSet = of_allowed, Pod = of_allowed,
  ConfigMap = of_marked, Secret = of_marked,
}

-- What goes with the object when it is deleted, and does not come back with a new one.
local LOST = {
  PersistentVolumeClaim = "its data", PersistentVolume = "its data", Namespace = "everything in it",
  CustomResourceDefinition = "every object of its kind",
}

local function enumerate(fields)
  if #fields <= MOST then return table.concat(fields, ", ") end
  return ("%s and %d more"):format(table.concat(fields, ", ", 1, MOST), #fields - MOST)
end

-- A refusal (of a PATCH or PUT of `obj` over `live`) as a sentence that names the fields that cannot be changed
-- and says what can be done; whether making the object anew would do; and the fields alone in words. nil where
-- it has other reasons.
function M.explain(err, obj, live)
  if err.status ~= 422 or not live then return nil end
  local fields, others, message = causes_of(err, obj, live)
  if #fields == 0 then return nil end
  local what = enumerate(fields) .. " cannot be changed"
  local parts = { what }
  local hint = HINTS[obj.kind] and HINTS[obj.kind](obj, live, message)
  if hint then parts[1] = parts[1] .. " (" .. hint .. ")" end
  local lost, anew = LOST[obj.kind], false
  if #others > 0 then
    parts[2] = "besides: " .. table.concat(others, ", ")
  elseif lost then
    parts[2] = lost .. " would go with it, so it is not made anew: delete it yourself where that is meant"
  else
    anew = true
    parts[2] = "send it again with recreate to delete and make it anew"
  end
  return table.concat(parts, "; "), anew, what
end

-- ---- making it anew ----

-- Kinds whose objects cannot have another name than theirs.
local NAME_IS_FIXED = { APIService = true }

-- Out of a Service for the trial: addresses and ports that the old one holds, and that its end sets free.
local function without_held(spec, held)
  local function is_held(field) return spec[field] == nil or object.equal(spec[field], held[field]) end
  if spec.clusterIP ~= "None" and is_held "clusterIP" and is_held "clusterIPs" then
    spec.clusterIP, spec.clusterIPs = nil, nil
  end
  if is_held "healthCheckNodePort" then spec.healthCheckNodePort = nil end
  local ports = {}
  for _, port in ipairs(map(held.ports)) do ports[port.nodePort or 0] = true end
  for _, port in ipairs(map(spec.ports)) do
    if ports[port.nodePort or 0] then port.nodePort = nil end
  end
end

-- Asks the server whether it would take the manifest as a new object: as one with another name, which a dry-run
-- creates.
local function try_as_new(ctx, obj, live)
  if NAME_IS_FIXED[obj.kind] then return end
  local trial = ctx:copy(obj)
  trial.metadata = { namespace = obj.metadata.namespace, labels = trial.metadata.labels,
    annotations = trial.metadata.annotations, generateName = obj.metadata.name:sub(1, 50) .. "-" }
  if trial.kind == "Service" then without_held(map(trial.spec), map(live.spec)) end
  local _, err = ctx:try(function() return ctx:create_trial(trial) end)
  if err and not err.message:find("exceeded quota", 1, true) then
    err.message = "it cannot be made anew, and was left as it is: " .. err.message
    error(err, 0)
  end
end

-- Do the Pods of the old StatefulSet fit the new one, so that it takes them over?
local function takes_pods_over(obj, live)
  local selector, labels = map(map(obj.spec).selector), map(map(map(map(live.spec).template).metadata).labels)
  if selector.matchExpressions or next(map(selector.matchLabels)) == nil then return false end
  for key, value in next, selector.matchLabels do
    if labels[key] ~= value then return false end
  end
  -- A Pod's subdomain is its Service's name and cannot be changed either.
  return (map(obj.spec).serviceName or "") == (map(live.spec).serviceName or "")
end

-- How the old object goes: a StatefulSet without its Pods where the new one can go on with them.
local function propagation_of(ctx, obj, live)
  local asked = ctx.request.propagation
  if type(asked) == "string" and asked ~= "" then return asked end
  if obj.kind ~= "StatefulSet" then return "Background" end
  if takes_pods_over(obj, live) then return "Orphan" end
  if map(map(live.spec).persistentVolumeClaimRetentionPolicy).whenDeleted == "Delete" then
    ctx:fail("it is not made anew: its claims would go with it, for its "
      .. "persistentVolumeClaimRetentionPolicy.whenDeleted is Delete; make that Retain first")
  end
  return "Background"
end

-- A Pod ends in its own time.
local function gone_seconds(live)
  local grace = live.kind == "Pod" and math.tointeger(map(live.spec).terminationGracePeriodSeconds) or 0
  return math.max(GONE_SECONDS, math.min(grace, 3600) + 30)
end

-- Deletes the live object and makes the manifest's anew by server-side apply; returns it as the server has it.
-- Nothing is deleted where the server would not take it. A dry-run only asks the server that. `why`: of explain.
function M.recreate(ctx, obj, live, why)
  local text = object.text(obj)
  obj.metadata.uid, obj.metadata.resourceVersion = nil, nil
  try_as_new(ctx, obj, live)
  local propagation = propagation_of(ctx, obj, live)
  local rest = propagation == "Orphan" and ", its Pods go on" or ""
  if ctx.dry_run then
    ctx:changed("deleted")
    ctx:line("%s would be deleted and made anew%s: %s", text, rest, why)
    return obj
  end
  ctx:delete(live, { propagation = propagation })
  ctx:changed("deleted")
  ctx:line("%s deleted, to be made anew%s: %s", text, rest, why)
  wait.until_gone(ctx, object.ref(live), { timeout = gone_seconds(live), uid = live.metadata.uid })
  local made, err = ctx:try(function() return (ctx:send_apply(obj)) end)
  if not made then
    err.message = "it was deleted and could not be made anew: " .. err.message
    error(err, 0)
  end
  return made
end

-- What an apply does with a refusal: makes the object anew where the request says so and that helps, and returns
-- it; else raises the refusal, explained, with the server's own words at the end.
function M.resolve(ctx, err, obj, live)
  local why, anew, what = M.explain(err, obj, live)
  if not why then error(err, 0) end
  if anew and ctx.request.recreate then return M.recreate(ctx, obj, live, what) end
  err.message = ("%s (%s)"):format(why, err.message)
  error(err, 0)
end

return M
