-- lib/merge.lua: changes of an object: what differs from a base, and the same put onto another state of it.
-- Lists whose items have a key are merged by it; other lists are one value.
local object = require "lib.object"

local M = {}

-- Field name → the key of its items, where the API knows one.
local KEYS = {
  containers = { "name" }, initContainers = { "name" }, ephemeralContainers = { "name" }, volumes = { "name" },
  env = { "name" }, imagePullSecrets = { "name" }, volumeMounts = { "mountPath" }, volumeDevices = { "devicePath" },
  conditions = { "type" }, ownerReferences = { "uid" }, hostAliases = { "ip" },
  topologySpreadConstraints = { "topologyKey", "whenUnsatisfiable" },
}

-- ports of a container have containerPort, those of a Service port; the protocol is TCP where not said.
local function key_of(field, item)
  if type(item) ~= "table" then return nil end
  local names = KEYS[field]
  if field == "ports" then names = { item.containerPort and "containerPort" or "port", "protocol" } end
  if not names then return nil end
  local parts = {}
  for i, name in ipairs(names) do
    local value = item[name]
    if value == nil and name == "protocol" then value = "TCP" end
    if type(value) == "table" or value == nil then return nil end
    parts[i] = ('%s="%s"'):format(name, value)
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

-- Item by key, and the keys in order; nil where the list is one value (no key, or one twice).
local function by_key(field, items)
  local found, order = {}, {}
  for _, item in ipairs(items) do
    local key = key_of(field, item)
    if not key or found[key] then return nil end
    found[key] = item
    order[#order + 1] = key
  end
  return found, order
end

local function both_maps(a, b)
  return type(a) == "table" and type(b) == "table" and not is_list(a) and not is_list(b)
end

local function both_lists(a, b) return is_list(a) and is_list(b) end

local compare

local function compare_lists(changes, path, field, base, edited)
  local before, after, order = by_key(field, base), by_key(field, edited)
  if not before or not after then return false end
  for key in next, before do
    if not after[key] then changes[#changes + 1] = { path = path, key = key, field = field, from = before[key] } end
  end
  for _, key in ipairs(order) do
    local at = object.copy(path)
    at[#at + 1] = { field = field, key = key }
    if before[key] == nil then
      changes[#changes + 1] = { path = path, key = key, field = field, to = after[key] }
    else
      compare(changes, at, before[key], after[key])
    end
  end
  return true
end

compare = function(changes, path, base, edited)
  local names = {}
  for name in next, base do names[name] = true end
  for name in next, edited do names[name] = true end
  for name in next, names do
    local from, to = base[name], edited[name]
    if both_maps(from, to) then
      local at = object.copy(path)
      at[#at + 1] = name
      compare(changes, at, from, to)
    elseif not object.equal(from, to)
      and not (both_lists(from, to) and compare_lists(changes, path, name, from, to)) then
      changes[#changes + 1] = { path = path, field = name, from = from, to = to }
    end
  end
end

-- What an edit changes: a list of { path, field, key (of an item), from, to }; from nil: it was not there,
-- to nil: it is taken away.
function M.changes(base, edited)
  local changes = {}
  compare(changes, list {}, base, edited)
  return changes
end

-- spec.template.spec.containers[name="web"].image
function M.field(change)
  local text = ""
  for _, step in ipairs(change.path) do
    if type(step) == "table" then
      text = text .. "." .. step.field .. step.key
    elseif step:find("[.%[]") then
      text = text .. "[" .. step .. "]"
    else
      text = text .. "." .. step
    end
  end
  local last = change.field:find("[.%[]") and "[" .. change.field .. "]" or "." .. change.field
  return (text .. last .. (change.key or "")):gsub("^%.", "")
end

-- The table that a change stands in; made where `make` is set and it is not there. nil where it cannot be.
local function parent(obj, change, make)
  local at = obj
  for _, step in ipairs(change.path) do
    local below
    if type(step) == "table" then
      local items = is_list(at[step.field]) and by_key(step.field, at[step.field])
      below = items and items[step.key]
    else
      below = at[step]
      if below == nil and make then
        below = {}
        at[step] = below
      end
    end
    if type(below) ~= "table" then return nil end
    at = below
  end
  return at
end

-- The value that stands where the change is, in another state of the object.
function M.value(obj, change)
  local at = parent(obj, change)
  local value = at and at[change.field]
  if not change.key then return value end
  local items = is_list(value) and by_key(change.field, value)
  return items and items[change.key]
end

local function put_item(at, change)
  local items, new = at[change.field] or list {}, list {}
  local placed = false
  for _, item in ipairs(items) do
    if key_of(change.field, item) ~= change.key then
      new[#new + 1] = item
    elseif change.to ~= nil then
      new[#new + 1] = object.copy(change.to)
      placed = true
    end
  end
  if change.to ~= nil and not placed then new[#new + 1] = object.copy(change.to) end
  at[change.field] = new
end

-- Puts a change onto an object. False where the place is no longer there.
function M.put(obj, change)
  local at = parent(obj, change, change.to ~= nil)
  if not at then return change.to == nil end
  if change.key then put_item(at, change) else at[change.field] = object.copy(change.to) end
  return true
end

-- The JSON merge patch (RFC 7386) that makes `to` of `from`; nil where they are the same.
function M.patch(from, to)
  local patch = {}
  for name in next, from do
    if to[name] == nil then patch[name] = null end
  end
  for name, value in next, to do
    if both_maps(from[name], value) then
      patch[name] = M.patch(from[name], value)
    elseif not object.equal(from[name], value) then
      patch[name] = value
    end
  end
  return next(patch) ~= nil and patch or nil
end

return M
