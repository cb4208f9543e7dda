-- demo/write.lua: how controllers change objects: as clients do, in their own name.
local fields = require "demo.fields"
local kinds = require "demo.kinds"
local objects = require "demo.objects"

local M = {}

local function request(key, manager, part)
  local kind = kinds.by_key(key)
  local api_version = kinds.api_version(kind, kind.stored)
  return { kind = kind, version = kind.stored, api_version = api_version, namespace = "", query = {},
    warn = function() end, who = { manager = manager or "kube-controller-manager", api_version = api_version,
      part = part or "" } }
end

-- Creates an object; nil where one of that name is there.
function M.create(key, obj, manager)
  local r = request(key, manager)
  r.namespace = obj.metadata.namespace or ""
  if obj.metadata.name and store.get(key, r.namespace, obj.metadata.name) then return nil end
  local space = store.get("namespaces", "", r.namespace)
  if r.kind.namespaced and (not space or space.metadata.deletionTimestamp) then return nil end
  return (objects.create(r, obj))
end

-- Changes an object: edit(copy) works on a copy of it. `part`: "" or "status". Returns it as it is then.
function M.change(key, obj, part, edit, manager)
  local r = request(key, manager, part)
  local meta = obj.metadata
  local live = store.get(key, meta.namespace or "", meta.name)
  if not live or live.metadata.uid ~= meta.uid then return obj end
  r.namespace, r.name = meta.namespace or "", meta.name
  local copy = fields.copy(live)
  copy.metadata.managedFields = nil
  edit(copy)
  return (objects.update(r, copy, live))
end

function M.status(key, obj, state)
  return M.change(key, obj, "status", function(copy) copy.status = state end)
end

function M.delete(key, obj, options)
  local live = store.get(key, obj.metadata.namespace or "", obj.metadata.name)
  if live then objects.end_of(request(key), live, options or {}) end
end

-- Takes it away, whatever it says.
function M.remove(key, obj)
  objects.remove(request(key), obj)
end

local EVENTS_MOST = 300

-- Only so many a namespace: the oldest go.
local function trim(ns)
  local events = store.list("events", ns)
  if #events <= EVENTS_MOST then return end
  table.sort(events, function(a, b) return (a.lastTimestamp or "") < (b.lastTimestamp or "") end)
  for i = 1, #events - EVENTS_MOST * 3 // 4 do M.remove("events", events[i]) end
end

-- `field`: the part of the object that it is about.
function M.event(obj, kind, reason, message, component, field)
  local ns, now = obj.metadata.namespace or "default", store.now()
  if math.random(16) == 1 then trim(ns) end
  return M.create("events", {
    apiVersion = "v1", kind = "Event", type = kind, reason = reason, message = message, count = 1,
    metadata = { name = obj.metadata.name .. "." .. store.random(12), namespace = ns },
    involvedObject = { apiVersion = obj.apiVersion, kind = obj.kind, name = obj.metadata.name, namespace = ns,
      uid = obj.metadata.uid, resourceVersion = obj.metadata.resourceVersion, fieldPath = field },
    source = { component = component }, reportingComponent = component, reportingInstance = "",
    firstTimestamp = now, lastTimestamp = now, eventTime = null,
  }, component)
end

-- ---- what workloads share

-- The objects of a kind that `owner` controls.
function M.owned(key, owner)
  local found = {}
  for _, obj in ipairs(store.list(key, owner.metadata.namespace)) do
    for _, ref in ipairs(obj.metadata.ownerReferences or {}) do
      if ref.controller and ref.uid == owner.metadata.uid then found[#found + 1] = obj end
    end
  end
  return found
end

function M.owner_reference(owner)
  return list { { apiVersion = owner.apiVersion, kind = owner.kind, name = owner.metadata.name,
    uid = owner.metadata.uid, controller = true, blockOwnerDeletion = true } }
end

function M.is_ready(pod)
  if pod.metadata.deletionTimestamp then return false end
  for _, c in ipairs((pod.status or {}).conditions or {}) do
    if c.type == "Ready" then return c.status == "True", store.time(c.lastTransitionTime or "") end
  end
  return false
end

-- Ready for minReadySeconds. The second value: in how many milliseconds it will be, where it is not yet.
function M.is_available(pod, seconds)
  local ready, since = M.is_ready(pod)
  if not ready then return false end
  local _, now = store.now()
  local left = since + (seconds or 0) * 1000 - now
  if (seconds or 0) == 0 or left <= 0 then return true end
  return false, left
end

-- A Pod of a workload's template.
function M.pod_of(owner, template, more)
  local pod = { apiVersion = "v1", kind = "Pod", metadata = fields.copy(template.metadata or {}),
    spec = fields.copy(template.spec) }
  local meta = pod.metadata
  meta.creationTimestamp, meta.namespace = nil, owner.metadata.namespace
  meta.ownerReferences = M.owner_reference(owner)
  meta.annotations = meta.annotations or {}
  for key, value in next, owner.metadata.annotations or {} do
    if key:find("^demo/") and not meta.annotations[key] then meta.annotations[key] = value end
  end
  for key, value in next, more or {} do
    if key == "labels" then
      meta.labels = meta.labels or {}
      for name, text in next, value do meta.labels[name] = text end
    else
      meta[key] = value
    end
  end
  return pod
end

-- The conditions with one of them set; the time moves only with the status.
function M.condition(conditions, kind, state, reason, message, more)
  local now, set = store.now(), { type = kind, status = state, reason = reason, message = message }
  set.lastTransitionTime = now
  for key, value in next, more or {} do set[key] = value end
  local result, done = list {}, false
  for _, c in ipairs(conditions or {}) do
    if c.type == kind then
      done = true
      if c.status == state then set.lastTransitionTime = c.lastTransitionTime end
      if set.lastUpdateTime and c.status == state and c.reason == reason and c.message == message then
        set.lastUpdateTime = c.lastUpdateTime
      end
      result[#result + 1] = set
    else
      result[#result + 1] = c
    end
  end
  if not done then result[#result + 1] = set end
  return result
end

return M
