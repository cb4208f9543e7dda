-- demo/selectors.lua: labelSelector and fieldSelector of a request, and the selectors of workloads.
local status = require "demo.status"

local M = {}

-- "a=b,c!=d,e in (f,g),h,!i" → a function of labels; nil for an empty text.
function M.labels(text)
  if not text or text == "" then return nil end
  local tests = {}
  local function test(fn) tests[#tests + 1] = fn end
  local rest = text .. ","
  while rest ~= "" do
    local key, op, values, after = rest:match("^%s*([%w./_-]+)%s+(n?o?t?in)%s*%(([^)]*)%)%s*,(.*)$")
    if key and (op == "in" or op == "notin") then
      local set = {}
      for value in (values .. ","):gmatch("%s*(.-)%s*,") do set[value] = true end
      test(function(l) return (l[key] ~= nil and set[l[key]] == true) == (op == "in") end)
    else
      local part
      part, after = rest:match("^(.-),(.*)$")
      local name, sign, value = part:match("^%s*([%w./_-]+)%s*(!?==?)%s*([%w._-]*)%s*$")
      local only = part:match("^%s*(!?%s*[%w./_-]+)%s*$")
      if name then
        test(function(l) return (l[name] == value) == (sign ~= "!=") end)
      elseif only and only:sub(1, 1) == "!" then
        local absent = only:match("^!%s*(.*)$")
        test(function(l) return l[absent] == nil end)
      elseif only then
        test(function(l) return l[only] ~= nil end)
      else
        status.bad("unable to parse requirement: %q", part)
      end
    end
    rest = after
  end
  return function(labels)
    for _, fn in ipairs(tests) do
      if not fn(labels or {}) then return false end
    end
    return true
  end
end

-- "metadata.name=x,status.phase!=Running" → a function of an object.
function M.fields(text)
  if not text or text == "" then return nil end
  local tests = {}
  for part in (text .. ","):gmatch("(.-),") do
    local path, sign, value = part:match("^%s*([%w.]+)%s*(!?==?)%s*(.-)%s*$")
    if not path then status.bad("invalid field selector %q", part) end
    tests[#tests + 1] = function(obj)
      for word in path:gmatch("[^.]+") do obj = type(obj) == "table" and obj[word] or nil end
      return (tostring(obj == nil and "" or obj) == value) == (sign ~= "!=")
    end
  end
  return function(obj)
    for _, fn in ipairs(tests) do
      if not fn(obj) then return false end
    end
    return true
  end
end

-- A LabelSelector of an object: does it choose these labels? An empty one chooses all, none at all nothing.
function M.chooses(selector, labels)
  if type(selector) ~= "table" then return false end
  labels = labels or {}
  for key, value in next, selector.matchLabels or {} do
    if labels[key] ~= value then return false end
  end
  for _, e in ipairs(selector.matchExpressions or {}) do
    local has, within = labels[e.key] ~= nil, false
    for _, value in ipairs(e.values or {}) do within = within or labels[e.key] == value end
    if e.operator == "In" and not within or e.operator == "NotIn" and within
      or e.operator == "Exists" and not has or e.operator == "DoesNotExist" and has then
      return false
    end
  end
  return true
end

return M
