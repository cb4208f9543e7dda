-- demo/lists.lua: lists, in pieces where asked for; and watches, which begin where a list ends.
local columns = require "demo.columns"
local kinds = require "demo.kinds"
local objects = require "demo.objects"
local selectors = require "demo.selectors"
local status = require "demo.status"

local M = {}

local function list_kind(kind)
  return kind.kind .. "List"
end

-- What a client wants to see: "Table", "PartialObjectMetadata" or nil for the objects.
local function form_of(r)
  local as = r.accept:match("as=(%w+)")
  if as == "Table" then return "Table" end
  if as == "PartialObjectMetadataList" or as == "PartialObjectMetadata" then return "PartialObjectMetadata" end
end

local function partial(obj)
  return { kind = "PartialObjectMetadata", apiVersion = "meta.k8s.io/v1", metadata = obj.metadata }
end

-- "namespace/name" of the last object of the piece before.
local function continued(r)
  local at = r.query.continue
  if not at or at == "" then return "", "", r.query.resourceVersion end
  local revision, ns, name = at:match("^(%d+)~([^~]*)~(.+)$")
  if not revision then status.bad("continue key is not valid: %s", at) end
  if tonumber(revision) < store.forgotten() then
    status.fail(410, "Expired", "The provided continue parameter is too old to display a consistent list result. "
      .. "You can start a new list without the continue parameter.")
  end
  return ns, name
end

local function chosen(r, found)
  local labels, where = selectors.labels(r.query.labelSelector), selectors.fields(r.query.fieldSelector)
  if not labels and not where then return found end
  local kept = list {}
  for _, obj in ipairs(found) do
    if (not labels or labels(obj.metadata.labels)) and (not where or where(obj)) then kept[#kept + 1] = obj end
  end
  return kept
end

-- An object as the request wants it.
function M.shape(r, obj)
  local form = form_of(r)
  obj = objects.present(obj, r.kind, r.version)
  if form == "Table" then
    return columns.table({ obj }, r.kind, r.query.includeObject, { resourceVersion = obj.metadata.resourceVersion })
  end
  return form and partial(obj) or obj
end

local function piece(r, metadata, bare)
  local after_ns, after_name = continued(r)
  local limit = math.tointeger(tonumber(r.query.limit)) or 0
  local space = r.namespace ~= "" and r.namespace or nil
  local text, count = store.text(r.kind.key, space, after_ns, after_name, limit > 0 and limit + 1 or 0,
    bare)
  if limit > 0 and count > limit then
    local ns, name, _
    text, _, ns, name = store.text(r.kind.key, space, after_ns, after_name, limit, bare)
    metadata.continue = ("%d~%s~%s"):format(store.revision(), ns, name)
  end
  return text
end

function M.list(r)
  local metadata = { resourceVersion = tostring(store.revision()) }
  local form = form_of(r)
  local selects = (r.query.labelSelector or "") ~= "" or (r.query.fieldSelector or "") ~= ""
  local plain = not form and not selects and r.version == r.kind.stored
  local text = piece(r, metadata, plain and not r.kind.custom)
  if plain then
    return table.concat { '{"apiVersion":', store.write(r.api_version), ',"items":[', text, '],"kind":',
      store.write(list_kind(r.kind)), ',"metadata":', store.write(metadata), "}" }, 200
  end
  local found = chosen(r, store.json("[" .. text .. "]"))
  for i, obj in ipairs(found) do found[i] = objects.present(obj, r.kind, r.version) end
  if form == "Table" then return columns.table(found, r.kind, r.query.includeObject, metadata), 200 end
  if form then
    for i, obj in ipairs(found) do found[i] = partial(obj) end
    return { kind = "PartialObjectMetadataList", apiVersion = "meta.k8s.io/v1", metadata = metadata,
      items = found }, 200
  end
  for _, obj in ipairs(r.kind.custom and {} or found) do obj.kind, obj.apiVersion = nil, nil end
  return { kind = list_kind(r.kind), apiVersion = r.api_version, metadata = metadata, items = found }, 200
end

-- Deletes what a list would show.
function M.delete_all(r, options)
  local found = chosen(r, store.list(r.kind.key, r.namespace ~= "" and r.namespace or nil))
  for _, obj in ipairs(found) do objects.end_of(r, obj, options) end
  return { kind = list_kind(r.kind), apiVersion = r.api_version,
    metadata = { resourceVersion = tostring(store.revision()) }, items = found }, 200
end

-- ---- watches

local function event(spec, word, obj)
  local kind = kinds.by_key(spec.key)
  if not kind then return nil end
  local shown = objects.present(obj, kind, spec.version)
  if spec.form == "Table" then shown = columns.table({ shown }, kind, spec.include,
    { resourceVersion = shown.metadata.resourceVersion })
  elseif spec.form then shown = partial(shown) end
  return { type = word, object = shown }
end

-- A change as a watch sees it: an object that begins or ceases to be chosen is added or deleted.
function M.event(spec, word, obj, before)
  local labels, where = selectors.labels(spec.labels), selectors.fields(spec.fields)
  local is = (not labels or labels(obj.metadata.labels)) and (not where or where(obj))
  local was = is
  if labels and word == "MODIFIED" then was = labels(before) and (not where or where(obj)) end
  if word == "MODIFIED" and is and not was then word = "ADDED" end
  if word == "MODIFIED" and was and not is then word = "DELETED" end
  if not is and not was then return nil end
  return event(spec, word, obj)
end

function M.bookmark(spec, revision, initial)
  local kind = kinds.by_key(spec.key) or {}
  return { type = "BOOKMARK", object = { kind = kind.kind, apiVersion = spec.api_version, metadata = {
    resourceVersion = tostring(revision), creationTimestamp = null,
    annotations = initial and { ["k8s.io/initial-events-end"] = "true" } or nil } } }
end

function M.watch(r)
  local asked = r.query.resourceVersion
  local fresh = not asked or asked == "" or asked == "0"
  local revision = fresh and store.revision() or math.tointeger(tonumber(asked))
  if not revision then status.bad("Invalid value: %q: unable to parse resource version", asked) end
  local where = r.query.fieldSelector
  if r.name then where = "metadata.name=" .. r.name end
  local spec = { key = r.kind.key, version = r.version, api_version = r.api_version, form = form_of(r),
    include = r.query.includeObject, labels = r.query.labelSelector, fields = where }
  local texts, initial = {}, r.query.sendInitialEvents
  if fresh and initial ~= "false" or initial == "true" then
    revision = store.revision()
    local found = chosen({ query = { labelSelector = spec.labels, fieldSelector = spec.fields } },
      store.list(r.kind.key, r.namespace ~= "" and r.namespace or nil))
    for i, obj in ipairs(found) do texts[i] = store.write(event(spec, "ADDED", obj)) .. "\n" end
  end
  if initial == "true" then texts[#texts + 1] = store.write(M.bookmark(spec, revision, true)) .. "\n" end
  local selects = (spec.labels or "") ~= "" or (spec.fields or "") ~= ""
  return {
    status = 200, body = table.concat(texts),
    watch = {
      resource = r.kind.key, namespace = r.namespace ~= "" and r.namespace or nil, revision = revision, spec = spec,
      timeout = math.max(math.tointeger(tonumber(r.query.timeoutSeconds)) or 1800, 1),
      script = selects or spec.form ~= nil or r.version ~= r.kind.stored,
      bookmarks = r.query.allowWatchBookmarks == "true",
    },
  }
end

return M
