-- lib/conflict.lua: fields that somebody else owns, out of the API server's refusal.
local M = {}

-- The steps of a field path: .spec.containers[name="web"].image → { "spec", "containers", { name = "web" }, "image" }.
local function steps(path)
  local list, at = {}, 1
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
local function item_of(items, step)
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

-- The value at a field path, as a short text; "" where there is none.
local function value_at(obj, path)
  local value = obj
  for _, step in ipairs(steps(path) or {}) do
    if type(value) ~= "table" then return "" end
    value = type(step) == "string" and value[step] or item_of(value, step)
  end
  if value == nil then return "" end
  if type(value) == "table" then return is_list(value) and "[…]" or "{…}" end
  return tostring(value):sub(1, 200)
end

local function since(live, manager)
  for _, entry in ipairs(live.metadata.managedFields or {}) do
    if entry.manager == manager and type(entry.time) == "string" then return entry.time end
  end
  return ""
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
      live = live.kind == "Secret" and "[REDACTED]" or value_at(live, cause.field or ""),
    }
  end
  return #list > 0 and list or nil
end

return M
