-- testing/diff.lua: what ctx:diff gives a spec: the fields that differ, a line each, not YAML as the host writes it.
local object = require "lib.object"

-- Every field that is no map or list as "path: value", sorted.
local function lines_of(value, path, found)
  if type(value) == "table" and next(value) ~= nil then
    for key, inner in next, value do
      local step = is_list(value) and ("[%d]"):format(key - 1) or path == "" and key or "." .. key
      lines_of(inner, path .. step, found)
    end
  else
    found[#found + 1] = ("%s: %s"):format(path, type(value) == "table" and (is_list(value) and "[]" or "{}") or value)
  end
  return found
end

local function settled(obj)
  if not obj then return {} end
  local copy = object.comparable(obj)
  copy.metadata.uid, copy.metadata.creationTimestamp, copy.metadata.selfLink = nil, nil, nil
  return copy
end

-- Values of a Secret, as they are shown.
local function masked(obj, before)
  if obj.kind ~= "Secret" then return obj end
  local copy = object.copy(obj)
  for _, field in ipairs { "data", "stringData" } do
    for key, value in next, type(copy[field]) == "table" and copy[field] or {} do
      local was = type(before[field]) == "table" and before[field][key]
      copy[field][key] = was and was ~= value and "[REDACTED (changed)]" or "[REDACTED]"
    end
  end
  return copy
end

-- Adds the lines of `from` that are not in `other`.
local function add(out, sign, from, other)
  local there = {}
  for _, line in ipairs(other) do there[line] = true end
  for _, line in ipairs(from) do
    if not there[line] then out[#out + 1] = sign .. line end
  end
end

return function(before, after)
  before, after = settled(before), settled(after)
  local old = lines_of(masked(before, {}), "", {})
  local new = lines_of(masked(after, before), "", {})
  table.sort(old)
  table.sort(new)
  local out = { "--- live", "+++ applied" }
  add(out, "-", old, new)
  add(out, "+", new, old)
  return #out > 2 and table.concat(out, "\n") .. "\n" or ""
end
