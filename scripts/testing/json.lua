-- testing/json.lua: JSON as the host reads and writes it: lists stay lists, null is null, keys are sorted.
local M = {}

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local WORDS = { ["true"] = true, ["false"] = false, null = null }

local function fail(text, at, what)
  local line = select(2, text:sub(1, at):gsub("\n", "")) + 1
  error(("line %d: %s"):format(line, what), 0)
end

local function read_string(text, at)
  local parts = {}
  while true do
    local from, to = text:find('^[^"\\]+', at)
    if from then
      parts[#parts + 1] = text:sub(from, to)
      at = to + 1
    end
    local char = text:sub(at, at)
    if char == '"' then return table.concat(parts), at + 1 end
    local escaped = text:sub(at + 1, at + 1)
    local code = text:match("^\\u(%x%x%x%x)", at)
    if char == "" or escaped == "" then fail(text, at, "a string does not end") end
    if code then
      code = tonumber(code, 16)
      local low = text:match("^\\u(%x%x%x%x)", at + 6)
      at = at + 6
      if code >= 0xD800 and code < 0xDC00 and low then
        code = 0x10000 + ((code - 0xD800) << 10) + (tonumber(low, 16) - 0xDC00)
        at = at + 6
      end
      parts[#parts + 1] = utf8.char(code)
    else
      parts[#parts + 1] = ESCAPES[escaped] or escaped
      at = at + 2
    end
  end
end

local read

-- What stands between two brackets, piece by piece: piece(at) reads one and returns where it ends.
local function read_pieces(text, at, close, piece)
  at = text:match("^%s*()", at)
  if text:sub(at, at) == close then return at + 1 end
  while true do
    at = text:match("^%s*()", piece(at))
    local char = text:sub(at, at)
    if char == close then return at + 1 end
    if char ~= "," then fail(text, at, ("a , or a %s is missing"):format(close)) end
    at = at + 1
  end
end

local function read_object(text, at)
  local object = {}
  at = read_pieces(text, at, "}", function(from)
    local key, value
    from = text:match('^%s*"()', from) or fail(text, from, "a key in quotes is missing")
    key, from = read_string(text, from)
    from = text:match("^%s*:()", from) or fail(text, from, "a : is missing")
    value, from = read(text, from)
    object[key] = value
    return from
  end)
  return object, at
end

local function read_list(text, at)
  local items = list {}
  at = read_pieces(text, at, "]", function(from)
    items[#items + 1], from = read(text, from)
    return from
  end)
  return items, at
end

function read(text, at)
  at = text:match("^%s*()", at)
  local char = text:sub(at, at)
  if char == "{" then return read_object(text, at + 1) end
  if char == "[" then return read_list(text, at + 1) end
  if char == '"' then return read_string(text, at + 1) end
  local word, after = text:match("^([%w+.-]+)()", at)
  if WORDS[word] ~= nil then return WORDS[word], after end
  local number = word and word:find("^-?%d") and tonumber(word)
  if not number then fail(text, at, "here is no JSON value") end
  return number, after
end

-- The value of a text; raises "line N: sentence" for what is no JSON.
function M.read(text)
  local value, at = read(text, 1)
  if text:find("%S", at) then fail(text, at, "something follows the value") end
  return value
end

-- A value as it is on its way to the host and back: a copy, in which every table of items is marked as a list.
function M.carry(value, where)
  where = where or "value"
  if type(value) == "function" then error(where .. " is a function, which JSON cannot hold", 0) end
  if value ~= value or value == math.huge or value == -math.huge then error(where .. " is no number of JSON", 0) end
  if type(value) ~= "table" then return value end
  local is, count = is_list(value) or #value > 0, 0
  local copy = is and list {} or {}
  for key, inner in next, value do
    if is ~= (math.type(key) == "integer") then error(where .. " has both items and names", 0) end
    copy[key] = M.carry(inner, is and ("%s[%d]"):format(where, key - 1) or where .. "." .. tostring(key))
    count = count + 1
  end
  if is and count ~= #copy then error(where .. " is a list with holes", 0) end
  return copy
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(char)
    return (char == '"' or char == "\\") and "\\" .. char or ("\\u%04x"):format(char:byte())
  end) .. '"'
end

function M.write(value)
  if value == null then return "null" end
  if type(value) == "string" then return quoted(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if is_list(value) then
    for i, item in ipairs(value) do parts[i] = M.write(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, inner in next, value do parts[#parts + 1] = quoted(key) .. ":" .. M.write(inner) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

return M
