-- demo/managers.lua: metadata.managedFields: who owns which fields, and what a write does to that.
local fields = require "demo.fields"
local status = require "demo.status"

local M = {}

local STRIPPED = { "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields",
  "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds" }

-- A set without what nobody owns. `part`: of the main resource, or of "status" or "scale".
local function stripped(set, part)
  if not set then return nil end
  local drop = { ["f:apiVersion"] = {}, ["f:kind"] = {}, ["f:metadata"] = {} }
  for _, name in ipairs(STRIPPED) do drop["f:metadata"]["f:" .. name] = {} end
  set = fields.difference(set, drop)
  if not set then return nil end
  if part == "" then set["f:status"] = nil else set["f:spec"] = part ~= "status" and set["f:spec"] or nil end
  return next(set) and set or nil
end

local function id_of(e)
  return e.operation .. " " .. e.manager .. " " .. (e.subresource or "") .. " "
    .. (e.operation == "Update" and e.apiVersion or "")
end

-- managedFields → id → { manager, operation, apiVersion, subresource, time, set }
local function decode(managed)
  local by = {}
  for _, e in ipairs(managed or {}) do
    if e.manager or e.operation then
      local entry = { manager = e.manager or "unknown", operation = e.operation, apiVersion = e.apiVersion,
        subresource = e.subresource, time = e.time, set = e.fieldsV1 or {} }
      by[id_of(entry)] = entry
    end
  end
  return by
end

local function encode(by)
  local entries = list {}
  for _, e in next, by do
    if e.set and next(e.set) then
      entries[#entries + 1] = { manager = e.manager, operation = e.operation, apiVersion = e.apiVersion,
        subresource = e.subresource, time = e.time, fieldsType = "FieldsV1", fieldsV1 = e.set }
    end
  end
  table.sort(entries, function(a, b)
    for _, key in ipairs { "operation", "time", "manager", "apiVersion", "subresource" } do
      local x, y = a[key] or "", b[key] or ""
      if x ~= y then return x < y end
    end
    return false
  end)
  return #entries > 0 and entries or nil
end

local function described(e)
  local text = ('"%s"'):format(e.manager)
  if e.subresource then text = text .. (' with subresource "%s"'):format(e.subresource) end
  return e.operation == "Update" and text .. " using " .. e.apiVersion or text
end

local function sorted_ids(by)
  local ids = {}
  for id in next, by do ids[#ids + 1] = id end
  table.sort(ids, function(a, b) return by[a].manager .. a < by[b].manager .. b end)
  return ids
end

local function raise_conflicts(found)
  local causes, texts, count, single = list {}, {}, 0, nil
  for _, c in ipairs(found) do
    local who, lines = described(c.entry), {}
    for _, path in ipairs(fields.paths(c.set)) do
      count = count + 1
      causes[count] = { reason = "FieldManagerConflict", message = "conflict with " .. who, field = path }
      lines[#lines + 1] = "- " .. path
      single = ("conflict with %s: %s"):format(who, path)
    end
    texts[#texts + 1] = ("conflicts with %s:\n%s"):format(who, table.concat(lines, "\n"))
  end
  status.fail(409, "Conflict", count == 1 and "Apply failed with 1 conflict: " .. single
    or ("Apply failed with %d conflicts: %s"):format(count, table.concat(texts, "\n")), { causes = causes })
end

-- Takes from the others what changed; without force that is a conflict.
local function take(by, own, removed, changed, force, part)
  local found = {}
  for _, id in ipairs(sorted_ids(by)) do
    local entry = by[id]
    if id ~= own then
      local set = fields.intersection(entry.set, changed)
      if set then
        if not force then found[#found + 1] = { entry = entry, set = set } end
        entry.set = fields.difference(entry.set, set)
      end
      if removed and (entry.subresource or "") == part then entry.set = fields.difference(entry.set, removed) end
    end
  end
  if #found > 0 then raise_conflicts(found) end
end

local function differences(live, new, kind, part)
  local removed, modified, added = fields.compare(live, new, kind)
  return stripped(removed, part), stripped(fields.union(modified, added), part)
end

-- After a create, update or patch: sets new.metadata.managedFields. `live` is {} for a create.
function M.updated(live, new, kind, who)
  local before = live.metadata and live.metadata.managedFields
  local given = new.metadata.managedFields
  if given and #given == 1 and next(given[1]) == nil then given, before = nil, nil end
  local by = decode(given and #given > 0 and given or not given and before or nil)
  local id = id_of { operation = "Update", manager = who.manager, apiVersion = who.api_version,
    subresource = who.part ~= "" and who.part or nil }
  local removed, changed = differences(live, new, kind, who.part)
  take(by, id, removed, changed, true, who.part)
  local own = by[id] or { manager = who.manager, operation = "Update", apiVersion = who.api_version,
    subresource = who.part ~= "" and who.part or nil, set = nil }
  local set = fields.union(fields.difference(own.set, removed), changed)
  if not fields.equal(set, own.set) or changed then own.time = store.now() end
  own.set = set
  by[id] = set and own or nil
  new.metadata.managedFields = encode(by)
end

-- An apply of `config` on `live` (nil: it is not there yet). `complete(obj)` fills in defaults. Returns the
-- object as it shall be, with its managedFields.
function M.applied(live, config, kind, who, force, complete)
  local by = decode(live and live.metadata.managedFields)
  local part = who.part ~= "" and who.part or nil
  local id = id_of { operation = "Apply", manager = who.manager, subresource = part }
  local last = by[id]
  local entry = { manager = who.manager, operation = "Apply", apiVersion = who.api_version, subresource = part,
    set = stripped(fields.of(config, kind), who.part), time = last and last.time or store.now() }
  by[id] = entry
  local new = live and fields.copy(fields.merge(live, config, kind)) or fields.copy(config)
  new.metadata.managedFields = nil
  if last and live then
    local owned
    for _, other in next, by do owned = fields.union(owned, other.set) end
    fields.prune(new, last.set, owned, kind)
  end
  new = complete(new)
  local removed, changed = differences(live or {}, new, kind, who.part)
  if live then take(by, id, removed, changed, force, who.part) end
  if last and not (fields.equal(last.set, entry.set) and not changed and not removed) then entry.time = store.now() end
  new.metadata.managedFields = encode(by)
  return new
end

return M
