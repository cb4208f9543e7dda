-- lib/conflict.lua: fields that somebody else owns, out of the API server's refusal.
local M = {}

-- Takes what a field path names out of an object. False where it is not there.
function M.remove(obj, path)
  local list = M.steps(path)
  local last = list and table.remove(list)
  local at = obj
  for _, step in ipairs(list or {}) do
    if type(at) ~= "table" then return false end
    at = type(step) == "string" and at[step] or M.item_of(at, step)
  end
  if type(at) ~= "table" or last == nil then return false end
  if type(last) == "string" then
    local there = at[last] ~= nil
    at[last] = nil
    return there
  end
  local item = M.item_of(at, last)
  for i, other in ipairs(at) do
    if item ~= nil and other == item then return table.remove(at, i) ~= nil end
  end
  return false
end

-- The steps of a field path: .spec.containers[name="web"].image → { "spec", "containers", { name = "web" }, "image" }.
function M.steps(path)
  local list, at = {}, 1
  if not path:find("^[%.%[]") then path = "." .. path end
  while at <= #path do
    local name, after = path:match("^%.([^.%[]+)()", at)
    if name then
      list[#list + 1] = name
    else
      local inner
      inner, after = path:match("^%[(.-)%]()", at)
      if not inner then return nil end
      local key = {}
      for field, value in inner:gmatch('([%w_-]*)=("?[^,]*)') do key[field] = value:gsub('^"(.*)"$', "%1") end
      list[#list + 1] = next(key) ~= nil and key or tonumber(inner)
    end
    at = after
  end
  return list
end

-- The item of a list that a step names by its key fields, by its value or by its place.
function M.item_of(items, step)
  if type(step) == "number" then return items[step + 1] end
  for _, item in ipairs(items) do
    local same = true
    for field, value in next, step do
      local is = field == "" and item or type(item) == "table" and item[field]
      same = same and tostring(is) == value
    end
    if same then return item end
  end
end

-- A value as people read it in a line; a Secret's own are not told.
function M.short(value, obj)
  if obj.kind == "Secret" then return "[REDACTED]" end
  if value == nil then return "" end
  if type(value) == "table" then return is_list(value) and "[…]" or "{…}" end
  return tostring(value):sub(1, 200)
end

-- The value at a field path, as a short text; "" where there is none.
local function value_at(obj, path)
  local value = obj
  for _, step in ipairs(M.steps(path) or {}) do
    if type(value) ~= "table" then return M.short(nil, obj) end
    value = type(step) == "string" and value[step] or M.item_of(value, step)
  end
  return M.short(value, obj)
end

local function since(live, manager)
  for _, entry in ipairs(live.metadata.managedFields or {}) do
    if entry.manager == manager and type(entry.time) == "string" then return entry.time end
  end
  return ""
end

-- The field set of a list's item, which FieldsV1 names by its keys as JSON: k:{"name":"web"}.
local function item_fields(fields, key)
  for name, below in next, fields do
    local keys = name:sub(1, 2) == "k:" and cjson.decode(name:sub(3))
    local text = keys and key
    for field, value in next, keys or {} do
      text = text:gsub(('%s="%s",?'):format(field, (tostring(value):gsub("%p", "%%%0"))), "", 1)
    end
    if text == "[]" then return below end
  end
end

-- The fields below a step of a change's path: a name, or a list's item.
local function fields_below(fields, step)
  if type(fields) ~= "table" then return nil end
  if type(step) == "string" then return fields["f:" .. step] end
  local items = fields["f:" .. step.field]
  return items and item_fields(items, step.key)
end

-- The newest manager that has the place of a change (of lib.merge); one through a subresource only where no other
-- has it.
local function owner_of(live, change)
  local newest = {} -- by whether it is through a subresource
  for _, entry in ipairs(live.metadata.managedFields or {}) do
    local at = entry.fieldsV1
    for _, step in ipairs(change.path) do at = fields_below(at, step) end
    at = fields_below(at, change.key and { field = change.field, key = change.key } or change.field)
    local is_sub = entry.subresource ~= nil
    local before = newest[is_sub]
    if at and (not before or tostring(entry.time) >= tostring(before.time)) then newest[is_sub] = entry end
  end
  return newest[false] or newest[true]
end

-- A field that an edit changes (a change of lib.merge) and that is something else in `live` now.
function M.of_change(field, change, now, live)
  local owner = owner_of(live, change)
  return {
    field = field:sub(1, 1000), live = M.short(now, live), manager = owner and owner.manager or "",
    since = owner and type(owner.time) == "string" and owner.time or "",
  }
end

-- The conflicts of a refused apply: a list of { field, manager, live, since }; nil where it was refused for
-- another reason. A Secret's values are not told.
function M.list(err, live)
  local causes = err.status == 409 and err.details and err.details.causes
  if not live or not is_list(causes) then return nil end
  local list = {}
  for _, cause in ipairs(causes) do
    local manager = (cause.message or ""):match('^conflict with "([^"]*)"')
    if cause.reason ~= "FieldManagerConflict" or not manager then return nil end
    list[#list + 1] = {
      field = (cause.field or ""):gsub("^%.", ""):sub(1, 1000), manager = manager, since = since(live, manager),
      live = value_at(live, cause.field or ""),
    }
  end
  return #list > 0 and list or nil
end

return M
