-- demo/objects.lua: what can be done with objects. `r` is a request: kind, version, api_version, namespace,
-- name, sub, query, dry, who = { manager, api_version, part }.
local controllers = require "demo.controllers"
local defaults = require "demo.defaults"
local fields = require "demo.fields"
local hpa = require "demo.hpa"
local kinds = require "demo.kinds"
local managers = require "demo.managers"
local patch = require "demo.patch"
local prepare = require "demo.prepare"
local status = require "demo.status"
local validate = require "demo.validate"

local M = {}

local NAMESPACES = { plural = "namespaces", group = "", kind = "Namespace" }

-- An object as it is kept → as a version shows it, and back.
function M.present(obj, kind, version)
  if version == kind.stored then return obj end
  local shown = kind.key:find("^horizontalpodautoscalers%.") and hpa.to_v1(obj) or fields.copy(obj)
  shown.apiVersion = kinds.api_version(kind, version)
  return shown
end

local function intake(obj, kind, version)
  if version ~= kind.stored and kind.key:find("^horizontalpodautoscalers%.") then obj = hpa.to_v2(obj) end
  obj.apiVersion, obj.kind = kinds.api_version(kind, kind.stored), kind.kind
  return obj
end

local function read(r)
  local obj = store.get(r.kind.key, r.namespace, r.name)
  if not obj then status.not_found(r.kind, r.name) end
  return obj
end

-- ---- writing

-- Keeps a change, and lets the controllers look at it.
local function keep(r, kind_of_change, obj, live)
  if r.dry then return obj end
  local labels = live and live.metadata.labels or nil
  store.put(kind_of_change, r.kind.key, obj.metadata.namespace or "", obj.metadata.name, obj, live and (labels or {}))
  controllers.touched(r.kind, obj, kind_of_change, live)
  return obj
end

local function check_body(r, obj)
  if type(obj) ~= "table" or is_list(obj) then status.bad("the body is no object") end
  if type(obj.metadata) ~= "table" then obj.metadata = {} end
  local meta = obj.metadata
  if obj.apiVersion and obj.apiVersion ~= r.api_version then
    status.bad("the API version in the data (%s) does not match the expected API version (%s)", obj.apiVersion,
      r.api_version)
  end
  if obj.kind and obj.kind ~= r.kind.kind then
    status.bad("%s in version %q cannot be handled as a %s: no kind %q is registered for this resource",
      obj.kind, obj.apiVersion or "", r.kind.kind, obj.kind)
  end
  if meta.namespace and meta.namespace ~= "" and meta.namespace ~= r.namespace then
    status.bad("the namespace of the provided object does not match the namespace sent on the request")
  end
  meta.namespace = r.namespace ~= "" and r.namespace or nil
  if r.name and meta.name and meta.name ~= r.name then
    status.bad("the name of the object (%s) does not match the name on the URL (%s)", meta.name, r.name)
  end
  local unknown = (r.query.fieldValidation or "Warn") ~= "Ignore" and validate.unknown(obj, r.kind) or {}
  for i, name in ipairs(unknown) do unknown[i] = ('unknown field "%s"'):format(name) end
  if #unknown > 0 and r.query.fieldValidation == "Strict" then
    status.bad("%s in version %q cannot be handled as a %s: strict decoding error: %s", r.kind.kind, r.version,
      r.kind.kind, table.concat(unknown, ", "))
  end
  for _, text in ipairs(unknown) do r.warn(text) end
  if not r.kind.custom then
    for name in next, obj do
      if validate.unknown({ [name] = true }, r.kind)[1] then obj[name] = nil end
    end
  end
end

local function check_namespace(r)
  if not r.kind.namespaced then return end
  local space = store.get("namespaces", "", r.namespace)
  if not space then status.not_found(NAMESPACES, r.namespace) end
  if space.metadata.deletionTimestamp then
    status.forbidden(r.kind, r.name or "",
      ("unable to create new content in namespace %s because it is being terminated"):format(r.namespace))
  end
end

-- Gives a new object its identity.
local function birth(r, obj)
  local meta = obj.metadata
  meta.uid, meta.creationTimestamp = store.uuid(), store.now()
  meta.resourceVersion, meta.generation, meta.deletionTimestamp = nil, nil, nil
  prepare.create(obj, r.kind)
  if r.kind.kind == "Namespace" then defaults.fill(obj, r.kind) end
  validate.check(obj, nil, r.kind)
end

function M.create(r, obj)
  check_body(r, obj)
  local meta = obj.metadata
  if meta.resourceVersion and meta.resourceVersion ~= "" then
    status.bad("resourceVersion should not be set on objects to be created")
  end
  if (not meta.name or meta.name == "") and type(meta.generateName) == "string" then
    meta.name = meta.generateName:sub(1, 248) .. store.random(5)
  end
  obj = defaults.fill(intake(obj, r.kind, r.version), r.kind)
  check_namespace(r)
  if type(meta.name) == "string" and store.get(r.kind.key, r.namespace, meta.name) then
    status.exists(r.kind, meta.name)
  end
  meta.managedFields, obj.status = nil, r.kind.custom and not r.kind.status and obj.status or nil
  managers.updated({}, obj, r.kind, r.who)
  birth(r, obj)
  return keep(r, "ADDED", obj), 201
end

local function check_preconditions(r, meta, live)
  if meta.uid and meta.uid ~= "" and meta.uid ~= live.metadata.uid then
    if r.patches then
      local cause = { field = "metadata.uid", reason = "FieldValueInvalid",
        message = store.write(meta.uid) .. ": field is immutable" }
      status.invalid(r.kind, live.metadata.name, { cause, cause })
    end
    status.conflict(r.kind, live.metadata.name, ("Precondition failed: UID in precondition: %s, UID in object meta: %s")
      :format(meta.uid, live.metadata.uid))
  end
  if meta.resourceVersion and meta.resourceVersion ~= "" and meta.resourceVersion ~= live.metadata.resourceVersion then
    status.conflict(r.kind, live.metadata.name)
  end
end

local FIXED = { "name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp",
  "deletionGracePeriodSeconds", "resourceVersion", "generateName" }

-- A changed object with what nobody can change as it was.
local function settle(r, obj, live)
  if r.who.part ~= "status" then defaults.fill(obj, r.kind) end
  for _, name in ipairs(FIXED) do obj.metadata[name] = live.metadata[name] end
  prepare.update(obj, live, r.kind, r.who.part)
  if r.who.part ~= "status" then validate.check(obj, live, r.kind) end
  if r.kind.generation and not fields.same(obj.spec, live.spec) then
    obj.metadata.generation = (live.metadata.generation or 0) + 1
  end
  return obj
end

-- Ownership as it counts: without the times.
local function owners(obj)
  local found = {}
  for i, e in ipairs(obj.metadata.managedFields or {}) do
    found[i] = { e.manager, e.operation, e.subresource or "", e.apiVersion, e.fieldsV1 }
  end
  return found
end

local function without_owners(obj)
  local copy, meta = {}, {}
  for key, value in next, obj do copy[key] = value end
  for key, value in next, obj.metadata do meta[key] = value end
  meta.managedFields = nil
  copy.metadata = meta
  return copy
end

local function change(r, obj, live)
  if fields.same(without_owners(obj), without_owners(live)) and fields.same(owners(obj), owners(live)) then
    return live, 200
  end
  keep(r, "MODIFIED", obj, live)
  local meta = obj.metadata
  if meta.deletionTimestamp and #(meta.finalizers or {}) == 0 and r.kind.kind ~= "Pod" and r.kind.kind ~= "Namespace"
    and not r.dry then
    M.remove(r, obj)
  end
  return obj, 200
end

local function update(r, obj, live)
  check_preconditions(r, obj.metadata, live)
  local given = obj.metadata.managedFields
  obj = settle(r, intake(obj, r.kind, r.version), live)
  obj.metadata.managedFields = given
  managers.updated(live, obj, r.kind, r.who)
  return change(r, obj, live)
end

M.update = update

function M.replace(r, obj)
  local live = read(r)
  check_body(r, obj)
  return update(r, obj, live)
end

-- ---- patches

local function drop_null(value)
  if type(value) ~= "table" then return end
  for key, inner in next, value do
    if inner == null and not is_list(value) then value[key] = nil else drop_null(inner) end
  end
end

local function apply(r, config)
  local live = store.get(r.kind.key, r.namespace, r.name)
  if not r.query.fieldManager or r.query.fieldManager == "" then
    status.invalid({ kind = "PatchOptions", group = "meta.k8s.io" }, "", { { field = "fieldManager",
      reason = "FieldValueRequired", message = "is required for apply patch" } })
  end
  check_body(r, config)
  if config.metadata.managedFields and #config.metadata.managedFields > 0 then
    status.bad("metadata.managedFields must be nil")
  end
  if not config.kind or not config.apiVersion then status.bad("apiVersion and kind must be set in an apply patch") end
  config.metadata.managedFields = nil
  config.metadata.name = r.name
  drop_null(config)
  local force = r.query.force == "true"
  if live then
    check_preconditions(r, config.metadata, live)
  elseif config.metadata.uid then
    status.conflict(r.kind, r.name, ("Precondition failed: UID in precondition: %s, UID in object meta: ")
      :format(config.metadata.uid))
  end
  if r.who.part ~= "status" then config.status = r.kind.custom and not r.kind.status and config.status or nil end
  config = intake(config, r.kind, r.version)
  if not live then
    if r.who.part ~= "" then status.not_found(r.kind, r.name) end
    check_namespace(r)
    local obj = managers.applied(nil, config, r.kind, r.who, force, function(new)
      return defaults.fill(new, r.kind)
    end)
    birth(r, obj)
    return keep(r, "ADDED", obj), 201
  end
  local obj = managers.applied(live, config, r.kind, r.who, force, function(new) return settle(r, new, live) end)
  return change(r, obj, live)
end

local PATCHES = {
  ["application/json-patch+json"] = patch.json,
  ["application/merge-patch+json"] = patch.merge,
  ["application/strategic-merge-patch+json"] = patch.strategic,
}

function M.patch(r, body)
  r.patches = true
  if r.content_type == "application/apply-patch+yaml" then return apply(r, body) end
  local how = PATCHES[r.content_type]
  if not how or r.kind.custom and how == patch.strategic then
    status.fail(415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media types "
      .. "include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")
  end
  local live = read(r)
  local obj = how(fields.copy(M.present(live, r.kind, r.version)), body)
  check_body(r, obj)
  return update(r, obj, live)
end

-- ---- scale

local function selector_text(selector)
  local parts = {}
  for key, value in next, selector and selector.matchLabels or {} do parts[#parts + 1] = key .. "=" .. value end
  table.sort(parts)
  return table.concat(parts, ",")
end

local function scale_of(obj)
  local m = obj.metadata
  return {
    kind = "Scale", apiVersion = "autoscaling/v1",
    metadata = { name = m.name, namespace = m.namespace, uid = m.uid, resourceVersion = m.resourceVersion,
      creationTimestamp = m.creationTimestamp },
    spec = { replicas = obj.spec.replicas ~= 0 and obj.spec.replicas or nil },
    status = { replicas = (obj.status or {}).replicas or 0, selector = selector_text(obj.spec.selector) },
  }
end

function M.get_scale(r)
  return scale_of(read(r)), 200
end

-- A Scale, or a patch of one.
function M.scale(r, body, is_patch)
  local live = read(r)
  local scale = scale_of(live)
  if is_patch then
    local how = PATCHES[r.content_type] or r.content_type == "application/apply-patch+yaml" and patch.merge
    scale = how and how(scale, body) or body
  else
    scale = body
  end
  local replicas = type(scale.spec) == "table" and scale.spec.replicas or 0
  if math.type(replicas) ~= "integer" or replicas < 0 then
    status.invalid({ kind = "Scale", group = "autoscaling" }, r.name, { { field = "spec.replicas",
      reason = "FieldValueInvalid", message = tostring(replicas) .. ": must be greater than or equal to 0" } })
  end
  local obj = fields.copy(live)
  obj.spec.replicas = replicas
  obj.metadata.resourceVersion = type(scale.metadata) == "table" and scale.metadata.resourceVersion or nil
  local done, code = update(r, obj, live)
  return scale_of(done), code
end

-- ---- deleting

-- Kinds that own nothing, of which there are many: nobody looks for what depends on them.
local OWN_NOTHING = { events = true, pods = true }

-- Takes an object out of the store, whatever it says, and what depends on it.
function M.remove(r, obj, orphan)
  keep(r, "DELETED", obj, obj)
  if OWN_NOTHING[r.kind.key] then return end
  local uid = obj.metadata.uid
  local space = obj.metadata.namespace
  for _, kind in ipairs(kinds.all()) do
    for _, other in ipairs((not space or kind.namespaced) and store.list(kind.key, space) or {}) do
      for i, owner in ipairs(other.metadata.ownerReferences or {}) do
        if owner.uid == uid then
          M.unhand({ kind = kind, who = r.who, query = {} }, other, i, orphan)
          break
        end
      end
    end
  end
end

-- The owner of an object is gone: so is the object, or (orphaned) only the reference.
function M.unhand(r, obj, at, orphan)
  if not orphan then
    M.end_of(r, obj, {})
    return
  end
  local changed = fields.copy(obj)
  table.remove(changed.metadata.ownerReferences, at)
  keep(r, "MODIFIED", changed, obj)
end

-- Ends one object as its kind ends: at once, after its finalizers, gracefully. Returns it where it lives on.
function M.end_of(r, obj, options)
  local grace = options.gracePeriodSeconds
  local waits = r.kind.kind == "Namespace"
    or r.kind.kind == "Pod" and obj.spec.nodeName ~= nil and grace ~= 0
    or #(obj.metadata.finalizers or {}) > 0 and not r.kind.key:find("^persistentvolume")
  if r.dry then return waits and obj end
  if not waits then
    M.remove(r, obj, options.propagationPolicy == "Orphan")
    return nil
  end
  if obj.metadata.deletionTimestamp then return obj end
  local ending = fields.copy(obj)
  ending.metadata.deletionTimestamp = store.now()
  local seconds = grace or obj.spec and obj.spec.terminationGracePeriodSeconds or 30
  ending.metadata.deletionGracePeriodSeconds = r.kind.kind == "Pod" and seconds or 0
  if r.kind.kind == "Namespace" then ending.status = { phase = "Terminating" } end
  if r.kind.generation and r.kind.kind ~= "Pod" then ending.metadata.generation = (obj.metadata.generation or 0) + 1 end
  return keep(r, "MODIFIED", ending, obj)
end

-- Kinds whose delete answers with the object.
local RETURNED = { Pod = true, Service = true, ServiceAccount = true, PersistentVolume = true,
  PersistentVolumeClaim = true }

function M.delete(r, options)
  local live = read(r)
  local pre = type(options.preconditions) == "table" and options.preconditions or {}
  local m = live.metadata
  if pre.uid and pre.uid ~= m.uid then status.changed(r.kind, r.name, "UID", pre.uid, m.uid) end
  if pre.resourceVersion and pre.resourceVersion ~= m.resourceVersion then
    status.changed(r.kind, r.name, "ResourceVersion", pre.resourceVersion, m.resourceVersion)
  end
  options.propagationPolicy = options.propagationPolicy or r.query.propagationPolicy
  options.gracePeriodSeconds = options.gracePeriodSeconds or math.tointeger(tonumber(r.query.gracePeriodSeconds))
  local left = M.end_of(r, live, options)
  if left or RETURNED[r.kind.kind] then return left or live, 200 end
  local kind = r.kind
  return { kind = "Status", apiVersion = "v1", metadata = {}, status = "Success", details = {
    name = r.name, group = kind.group ~= "" and kind.group or nil, kind = kind.plural, uid = live.metadata.uid } }, 200
end

M.read = read

return M
