-- lib/secret.lua: what is special about Secrets.
local base64 = require "lib.base64"
local object = require "lib.object"

local M = {}

local MARK = "[REDACTED]" -- what stands for a value where it is not shown
local LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

local SHORTEST = 4 -- a shorter value is in too many words to be taken out of them

-- stringData becomes data: server-side apply would keep a dropped stringData key in data.
function M.string_data_to_data(obj)
  if type(obj.stringData) ~= "table" then return obj end
  if type(obj.data) ~= "table" then obj.data = {} end
  for key, value in next, obj.stringData do
    if type(value) ~= "string" then error(("stringData.%s must be a string"):format(key), 0) end
    obj.data[key] = value == MARK and MARK or base64.encode(value)
  end
  obj.stringData = nil
  return obj
end

-- ---- values that come back as they were shown ----

local function map(value) return type(value) == "table" and value or {} end

-- The mark as it stands in base64, for each of the three places in a group at which it can begin.
local IN_BASE64 = {}
for before = 0, 2 do
  local text = base64.encode(("-"):rep(before) .. MARK)
  IN_BASE64[before + 1] = text:sub(math.ceil(before * 8 / 6) + 1, (before + #MARK) * 8 // 6)
end

local function holds_mark(text, in_data)
  if text:find(MARK, 1, true) then return true end
  for _, mark in ipairs(in_data and IN_BASE64 or {}) do
    if text:find(mark, 1, true) then return true end
  end
  return false
end

local function joined(path, key)
  if type(key) ~= "string" then return ("%s[%d]"):format(path, key - 1) end
  if key:find("[.%[/]") then return ("%s[%s]"):format(path, key) end
  return path == "" and key or path .. "." .. key
end

-- The place of a text that holds the mark while the live object has another one there; nil where there is none.
local function marked(value, live, path)
  if type(value) == "string" then
    return value ~= live and holds_mark(value, path:find("^data[.%[]")) and path or nil
  end
  for key, inner in next, map(value) do
    local place = marked(inner, map(live)[key], joined(path, key))
    if place then return place end
  end
end

-- What an object has under a key of its data or (part "annotations") of its annotations.
local function value_of(obj, part, key)
  if not obj then return nil end
  return map(part == "data" and obj.data or map(obj.metadata).annotations)[key]
end

-- Puts what fn(part, key) gives in the place of every mark that stands for a value.
local function replace_marks(obj, fn)
  local data, notes = map(obj.data), map(map(obj.metadata).annotations)
  for key, value in next, data do
    if value == MARK then data[key] = fn("data", key) end
  end
  if notes[LAST_APPLIED] == MARK then notes[LAST_APPLIED] = fn("annotations", LAST_APPLIED) end
end

-- The base of an edit with the live values. Where the edit touches one and the object has moved since, nobody can
-- say whether that value did: there the mark stays, and the edit meets a conflict.
local function filled_base(base, new, live)
  local from, version = object.copy(base), map(base.metadata).resourceVersion
  local moved = version ~= nil and version ~= live.metadata.resourceVersion
  replace_marks(from, function(part, key)
    if moved and value_of(new, part, key) ~= MARK then return MARK end
    return value_of(live, part, key)
  end)
  return from
end

-- A Secret as it was shown, with the live values in the place of the marks, and its base (of an edit) so too;
-- obj and base themselves where there are no marks, or for another kind. A mark for which there is no value is
-- refused, and so is one inside of a value.
function M.filled(ctx, obj, live, base)
  if obj.kind ~= "Secret" or obj.apiVersion ~= "v1" then return obj, base end
  local new, found = M.string_data_to_data(object.copy(obj)), false
  local from = base and filled_base(base, new, live)
  replace_marks(new, function(part, key)
    found = true
    local value = value_of(live, part, key)
    -- One that others have taken away meanwhile and the edit does not touch stays away.
    if value == nil and part == "data" and value_of(base, part, key) ~= MARK then return MARK end
    return value
  end)
  local place = marked(new, live, "")
  if place then
    ctx:fail("%s holds %s, which stands for a value that is not shown, and the cluster has none here that could take "
      .. "its place: give the value, or leave it out", place, MARK)
  end
  return found and new or obj, from
end

-- ---- refusals ----

-- Every scalar below a value, as text, into `found`.
local function scalars(value, found)
  if type(value) == "table" then
    for _, inner in next, value do scalars(inner, found) end
  elseif type(value) == "string" or type(value) == "number" then
    local text = tostring(value)
    if #text >= SHORTEST then found[#found + 1] = text end
  end
  return found
end

-- The text without the values, the longest first.
local function without(text, values)
  table.sort(values, function(a, b) return #a > #b end)
  for _, value in ipairs(values) do
    local from, to = text:find(value, 1, true)
    while from do
      text = text:sub(1, from - 1) .. MARK .. text:sub(to + 1)
      from, to = text:find(value, from + #MARK, true)
    end
  end
  return text
end

-- Applies a Secret. The API server quotes a value that it cannot take: none is said.
function M.apply(ctx, obj)
  local values = scalars(obj.data, {})
  local function applied() return ctx:apply(obj) end
  local result, outcome, text = ctx:try(applied)
  if result ~= nil then return result, outcome, text end
  local err = outcome
  err.message = without(err.message, values)
  local causes = err.details and err.details.causes
  for _, cause in ipairs(type(causes) == "table" and causes or {}) do
    if type(cause.message) == "string" then cause.message = without(cause.message, values) end
  end
  error(err, 0)
end

return M
