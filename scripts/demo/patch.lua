-- demo/patch.lua: JSON patch, JSON merge patch, strategic merge patch. Each returns a new object.
local fields = require "demo.fields"
local status = require "demo.status"

local M = {}

-- RFC 7386.
function M.merge(target, patch)
  if type(patch) ~= "table" or is_list(patch) then return fields.copy(patch) end
  local result = type(target) == "table" and not is_list(target) and target or {}
  for key, value in next, patch do
    if value == null then result[key] = nil else result[key] = M.merge(result[key], value) end
  end
  return result
end

local KEYS = {
  containers = "name", initContainers = "name", ephemeralContainers = "name", volumes = "name", env = "name",
  imagePullSecrets = "name", volumeMounts = "mountPath", volumeDevices = "devicePath", conditions = "type",
  ownerReferences = "uid", hostAliases = "ip", secrets = "name", taints = "key", addresses = "type",
}

local function list_key(name, above)
  if name == "ports" then
    return (above == "containers" or above == "initContainers") and "containerPort" or above == "spec" and "port"
  end
  return KEYS[name]
end

local strategic

local function place_of(items, key, value)
  for i, item in ipairs(items) do
    if type(item) == "table" and item[key] == value then return i end
  end
end

local function strategic_list(target, patch, key, name)
  local result = list {}
  for _, item in ipairs(type(target) == "table" and target or {}) do result[#result + 1] = item end
  for _, item in ipairs(patch) do
    if type(item) == "table" and item["$patch"] == "replace" then
      local whole = list {}
      for _, other in ipairs(patch) do
        if other["$patch"] == nil then whole[#whole + 1] = fields.copy(other) end
      end
      return whole
    end
  end
  for _, item in ipairs(patch) do
    local place = place_of(result, key, item[key])
    if item["$patch"] == "delete" then
      if place then table.remove(result, place) end
    elseif place then
      result[place] = strategic(result[place], item, name)
    else
      result[#result + 1] = strategic({}, item, name)
    end
  end
  return result
end

local function ordered(items, order, key)
  local rank, result = {}, list {}
  for i, entry in ipairs(order) do rank[type(entry) == "table" and entry[key] or entry] = i end
  local places = {}
  for i, item in ipairs(items) do places[i] = { rank[key and item[key] or item] or #order + i, item } end
  table.sort(places, function(a, b) return a[1] < b[1] end)
  for i, p in ipairs(places) do result[i] = p[2] end
  return result
end

function strategic(target, patch, above)
  if patch["$patch"] == "replace" then
    local whole = fields.copy(patch)
    whole["$patch"] = nil
    return whole
  end
  local result = type(target) == "table" and not is_list(target) and target or {}
  for key, value in next, patch do
    local kept = key:match("^%$deleteFromPrimitiveList/(.*)$")
    if kept then
      local without = list {}
      for _, item in ipairs(result[kept] or {}) do
        local gone = false
        for _, drop in ipairs(value) do gone = gone or drop == item end
        if not gone then without[#without + 1] = item end
      end
      result[kept] = without
    elseif key:sub(1, 1) == "$" then
      goto continue
    elseif value == null then
      result[key] = nil
    elseif type(value) ~= "table" then
      result[key] = value
    elseif not is_list(value) then
      if value["$patch"] == "delete" then result[key] = nil
      else result[key] = strategic(result[key], value, key) end
    elseif list_key(key, above) then
      result[key] = strategic_list(result[key], value, list_key(key, above), key)
    elseif key == "finalizers" then
      result[key] = fields.merge({ metadata = { finalizers = result[key] or list {} } },
        { metadata = { finalizers = value } }, {}).metadata.finalizers
    else
      result[key] = fields.copy(value)
    end
    ::continue::
  end
  local retained = patch["$retainKeys"]
  if retained then
    local keep = {}
    for _, key in ipairs(retained) do keep[key] = true end
    for key in next, result do
      if not keep[key] then result[key] = nil end
    end
  end
  for key, order in next, patch do
    local name = key:match("^%$setElementOrder/(.*)$")
    if name and type(result[name]) == "table" then
      result[name] = ordered(result[name], order, list_key(name, above))
    end
  end
  return result
end

function M.strategic(target, patch)
  return strategic(target, patch)
end

local function words_of(pointer)
  local words = {}
  for word in pointer:gmatch("/([^/]*)") do words[#words + 1] = (word:gsub("~1", "/"):gsub("~0", "~")) end
  return words
end

local function child(value, word)
  if type(value) ~= "table" then return nil end
  if is_list(value) then
    local i = math.tointeger(tonumber(word))
    return i and value[i + 1]
  end
  return value[word]
end

local function refuse(what, ...)
  status.fail(422, "Invalid", ("the server rejected our request due to an error in our request: " .. what):format(...))
end

-- RFC 6902.
function M.json(target, operations)
  if not is_list(operations) then status.bad("json: cannot unmarshal object into Go value of type jsonpatch.Patch") end
  local root = { target }
  local function parent_of(pointer)
    local words, at = words_of(pointer), root[1]
    for i = 1, #words - 1 do at = child(at, words[i]) end
    if type(at) ~= "table" then refuse("the path %s is not there", pointer) end
    return at, words[#words]
  end
  local function value_at(pointer)
    local at = root[1]
    for _, word in ipairs(words_of(pointer)) do at = child(at, word) end
    return at
  end
  local function remove(pointer)
    local at, word = parent_of(pointer)
    if child(at, word) == nil then refuse("remove operation does not apply: doc is missing path: %s", pointer) end
    if is_list(at) then table.remove(at, tonumber(word) + 1) else at[word] = nil end
  end
  local function add(pointer, value)
    if pointer == "" then root[1] = value return end
    local at, word = parent_of(pointer)
    if not is_list(at) then at[word] = value return end
    local i = word == "-" and #at + 1 or (math.tointeger(tonumber(word)) or #at + 1) + 1
    if i > #at + 1 then refuse("add operation does not apply: %s is past the end", pointer) end
    table.insert(at, i, value)
  end
  for _, o in ipairs(operations) do
    if o.op == "add" then add(o.path, fields.copy(o.value))
    elseif o.op == "remove" then remove(o.path)
    elseif o.op == "replace" then
      if o.path ~= "" and value_at(o.path) == nil then
        refuse("replace operation does not apply: doc is missing key: %s: missing value", o.path)
      end
      if o.path == "" then root[1] = fields.copy(o.value) else
        local at, word = parent_of(o.path)
        at[is_list(at) and tonumber(word) + 1 or word] = fields.copy(o.value)
      end
    elseif o.op == "copy" then add(o.path, fields.copy(value_at(o.from)))
    elseif o.op == "move" then
      local value = value_at(o.from)
      remove(o.from)
      add(o.path, value)
    elseif o.op == "test" then
      if not fields.same(value_at(o.path), o.value) then refuse("testing value %s failed", o.path) end
    else
      refuse("unexpected kind: %s", tostring(o.op))
    end
  end
  return root[1]
end

return M
