-- lib/secret.lua: what is special about Secrets.
local base64 = require "lib.base64"

local M = {}

local SHORTEST = 4 -- a shorter value is in too many words to be taken out of them

-- stringData becomes data: server-side apply would keep a dropped stringData key in data.
function M.string_data_to_data(obj)
  if type(obj.stringData) ~= "table" then return obj end
  if type(obj.data) ~= "table" then obj.data = {} end
  for key, value in next, obj.stringData do
    if type(value) ~= "string" then error(("stringData.%s must be a string"):format(key), 0) end
    obj.data[key] = base64.encode(value)
  end
  obj.stringData = nil
  return obj
end

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
      text = text:sub(1, from - 1) .. "[REDACTED]" .. text:sub(to + 1)
      from, to = text:find(value, from + #"[REDACTED]", true)
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
  error(err, 0)
end

return M
