-- testing/cluster.lua: a cluster that is in memory: the demo cluster's server-side apply, defaults and checks,
-- without its controllers. A kind that it does not know is taken as a custom one.
local defaults = require "demo.defaults"
local evictions = require "demo.evictions"
local hpa = require "demo.hpa"
local json = require "testing.json"
local kinds = require "demo.kinds"
local objects = require "demo.objects"
local selectors = require "demo.selectors"
local status = require "demo.status"
local store = require "testing.store"

local M = {}

local FIELDS = { "apiVersion", "kind", "metadata" }

local function custom_kind(group, version, name, namespaced)
  local plural = name:lower() .. "s"
  return {
    group = group, kind = name, plural = plural, singular = name:lower(), short = {}, namespaced = namespaced,
    versions = { version }, stored = version, key = group == "" and plural or plural .. "." .. group,
    status = true, generation = true, custom = true,
  }
end

-- A cluster. Options: unserved, a list of "policy/v1"; cluster_scoped, a list of custom kinds.
function M.new(options)
  local cluster = { store = store.new(), unserved = {}, cluster_scoped = {} }
  for _, version in ipairs(options.unserved or {}) do cluster.unserved[version] = true end
  for _, kind in ipairs(options.cluster_scoped or {}) do cluster.cluster_scoped[kind] = true end
  return cluster
end

-- The kind and the version of an apiVersion and kind; nil where it is not served.
function M.kind(cluster, api_version, name)
  if cluster.unserved[api_version] then return nil end
  store.use(cluster.store)
  local group, version = api_version:match("^(.*)/(.*)$")
  if not group then group, version = "", api_version end
  for _, kind in ipairs(kinds.all()) do
    if kind.group == group and kind.kind == name then
      for _, served in ipairs(kind.versions) do
        if served == version then return kind, version end
      end
    end
  end
  return custom_kind(group, version, name, not cluster.cluster_scoped[name]), version
end

local function namespace_of(kind, target, otherwise)
  if not kind.namespaced then return "" end
  local meta = target.metadata or target
  return meta.namespace or otherwise
end

-- As the cluster keeps it: in the version that is stored, with the defaults of its kind.
local function stored(obj, kind, version)
  if kind.custom then return obj end
  if version ~= kind.stored and kind.kind == "HorizontalPodAutoscaler" then obj = hpa.to_v2(obj) end
  obj.apiVersion = kinds.api_version(kind, kind.stored)
  return defaults.fill(obj, kind)
end

-- Puts an object, unchecked, as a cluster would have it at this moment. Returns it.
function M.put(cluster, obj, namespace)
  obj = json.carry(obj, "object")
  for _, field in ipairs(FIELDS) do
    if obj[field] == nil then error("an object has apiVersion, kind and metadata; this one has no " .. field, 0) end
  end
  local kind, version = M.kind(cluster, obj.apiVersion, obj.kind)
  if not kind then error(("%s is not served here"):format(obj.apiVersion), 0) end
  obj = stored(obj, kind, version)
  local meta = obj.metadata
  meta.namespace = kind.namespaced and namespace_of(kind, obj, namespace) or nil
  local live = store.get(kind.key, meta.namespace or "", meta.name)
  meta.uid = meta.uid or live and live.metadata.uid or store.uuid()
  meta.creationTimestamp = meta.creationTimestamp or store.now()
  if meta.namespace and not store.get("namespaces", "", meta.namespace) then
    M.put(cluster, { apiVersion = "v1", kind = "Namespace", metadata = { name = meta.namespace },
      spec = { finalizers = list { "kubernetes" } }, status = { phase = "Active" } })
  end
  return store.put(live and "MODIFIED" or "ADDED", kind.key, meta.namespace or "", meta.name, obj)
end

-- Takes an object away at once.
function M.remove(cluster, target, namespace)
  local kind = M.kind(cluster, target.apiVersion, target.kind)
  local name = (target.metadata or target).name
  local ns = namespace_of(kind, target, namespace)
  local live = store.get(kind.key, ns, name)
  if live then store.put("DELETED", kind.key, ns, name, live) end
end

local function query_of(text)
  local query = { fieldManager = "moonsail", fieldValidation = "Strict" }
  for key, value in (text or ""):gmatch("([^&=]+)=([^&]*)") do
    query[key] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return query
end

local function listed(r)
  local labels, where = selectors.labels(r.query.labelSelector), selectors.fields(r.query.fieldSelector)
  local items = list {}
  for _, obj in ipairs(store.list(r.kind.key, r.namespace ~= "" and r.namespace or nil)) do
    if (not labels or labels(obj.metadata.labels)) and (not where or where(obj)) then
      obj = objects.present(obj, r.kind, r.version)
      -- As the API server does, which says them once for the whole list.
      if not r.kind.custom then obj.apiVersion, obj.kind = nil, nil end
      items[#items + 1] = obj
    end
  end
  return { apiVersion = r.api_version, kind = r.kind.kind .. "List", metadata = {}, items = items }, 200
end

local VERBS = {
  list = listed,
  create = function(r, body)
    if r.sub == "eviction" then return evictions.create(r, objects.read(r), body) end
    return objects.create(r, body)
  end,
  apply = function(r, body) return objects.patch(r, body) end,
  delete = function(r) return objects.delete(r, {}) end,
  get = function(r)
    if r.sub == "scale" then return objects.get_scale(r) end
    return objects.read(r), 200
  end,
  update = function(r, body)
    if r.sub == "scale" then return objects.scale(r, body, r.content_type ~= nil) end
    if r.content_type then return objects.patch(r, body) end
    return objects.replace(r, body)
  end,
}

local function has_subresource(kind, sub)
  return sub == "status" and kind.status or sub == "scale" and kind.scale or sub == "eviction" and kind.kind == "Pod"
end

-- One request: the answer and its HTTP status; a refusal is raised as { status_code, body }.
-- `more`: content_type, query, subresource, namespace, dry_run, warn.
function M.request(cluster, verb, target, body, more)
  local kind, version = M.kind(cluster, target.apiVersion, target.kind)
  if not kind then
    status.fail(404, "NotFound", ('no matches for kind "%s" in version "%s"'):format(target.kind, target.apiVersion))
  end
  store.use(cluster.store)
  local sub = more.subresource ~= "" and more.subresource or nil
  if sub and not has_subresource(kind, sub) then status.no_path() end
  local r = {
    kind = kind, version = version, api_version = target.apiVersion, namespace = more.namespace,
    sub = sub, query = query_of(more.query), dry = more.dry_run, content_type = more.content_type,
    warn = more.warn, who = { manager = "moonsail", api_version = target.apiVersion, part = sub or "" },
  }
  if verb ~= "list" and (verb ~= "create" or sub) then r.name = (target.metadata or target).name end
  local answer, code = VERBS[verb](r, body ~= nil and json.carry(body, "the body") or nil)
  if verb ~= "list" and answer.kind == kind.kind then
    answer = objects.present(answer, kind, version)
  end
  return json.carry(answer), code
end

return M
