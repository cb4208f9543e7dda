-- lib/schema.lua: an object against the schema of its CustomResourceDefinition, in the API server's own words as
-- far as they are cheap. Patterns, formats and rules (CEL) are Go's to check: what was left out is said.
local object = require "lib.object"

local M = {}

local STEPS_MOST = 200000 -- values looked at
local DEPTH_MOST = 100
local TOLD_MOST = 10      -- of the errors

local function is_map(value) return type(value) == "table" and not is_list(value) end
local function map(value) return is_map(value) and value or {} end
local function items(value) return is_list(value) and value or {} end

-- What a value is, as the API server calls it.
local function type_of(value)
  if value == null then return "null" end
  if type(value) == "table" then return is_list(value) and "array" or "object" end
  return math.type(value) == "integer" and "integer" or type(value)
end

local function quoted(value)
  local text = value == null and "null" or type(value) == "table" and type_of(value) or tostring(value)
  return type(value) == "string" and '"' .. text .. '"' or text
end

local function joined(path, key) return path == "" and key or path .. "." .. key end

-- Its keys, sorted.
local function keys(value)
  local found = {}
  for key in next, map(value) do found[#found + 1] = key end
  table.sort(found)
  return found
end

-- ---- what is found

-- Of a check: errors (sentences), unchecked (a set: what of the schema only the server can check).
local function finding(steps) return { errors = {}, unchecked = {}, steps = steps or { left = STEPS_MOST } } end

local function refuse(found, path, format, ...)
  found.errors[#found.errors + 1] = (path == "" and "<nil>" or path) .. ": " .. format:format(...)
end

local function invalid(found, path, value, format, ...)
  refuse(found, path, "Invalid value: %s: %s in body %s", quoted(value), path, format:format(...))
end

-- May one more value be looked at?
local function step(found, depth)
  found.steps.left = found.steps.left - 1
  if found.steps.left > 0 and depth <= DEPTH_MOST then return true end
  found.unchecked["all that is in it"] = true
end

-- ---- one value

local HAS_TYPE = {
  integer = function(value) return math.type(value) == "integer" or math.type(value) == "float" and value % 1 == 0 end,
  number = function(value) return type(value) == "number" end,
}

local function check_type(schema, value, path, found)
  local wanted = schema.type
  if schema["x-kubernetes-int-or-string"] then
    if type(value) == "string" or HAS_TYPE.integer(value) then return true end
    wanted = "integer,string"
  elseif value == null and schema.nullable == true or type(wanted) ~= "string" or wanted == "" then
    return true
  elseif HAS_TYPE[wanted] and HAS_TYPE[wanted](value) or wanted == type_of(value) then
    return true
  end
  invalid(found, path, type_of(value), "must be of type %s: %q", wanted, type_of(value))
end

local function check_enum(schema, value, path, found)
  if not is_list(schema.enum) or #schema.enum == 0 or value == null and schema.nullable == true then return end
  local allowed = {}
  for i, one in ipairs(schema.enum) do
    if object.equal(one, value) then return end
    allowed[i] = quoted(one)
  end
  refuse(found, path, "Unsupported value: %s: supported values: %s", quoted(value), table.concat(allowed, ", "))
end

local function check_number(schema, value, path, found)
  local most, least = schema.maximum, schema.minimum
  if type(most) == "number" then
    local beyond = schema.exclusiveMaximum == true
    if value > most or beyond and value == most then
      invalid(found, path, value, "should be less than %s%s", beyond and "" or "or equal to ", most)
    end
  end
  if type(least) == "number" then
    local beyond = schema.exclusiveMinimum == true
    if value < least or beyond and value == least then
      invalid(found, path, value, "should be greater than %s%s", beyond and "" or "or equal to ", least)
    end
  end
  local unit = schema.multipleOf
  if type(unit) == "number" and unit > 0 and value % unit ~= 0 then
    invalid(found, path, value, "should be a multiple of %s", unit)
  end
end

-- Formats that say no more than the type.
local PLAIN_FORMAT = { int32 = true, int64 = true, float = true, double = true, password = true, [""] = true }

local function check_string(schema, value, path, found)
  local length = utf8.len(value) or #value
  if type(schema.maxLength) == "number" and length > schema.maxLength then
    refuse(found, path, "Too long: may not be more than %d bytes", schema.maxLength)
  end
  if type(schema.minLength) == "number" and length < schema.minLength then
    invalid(found, path, value, "should be at least %d chars long", schema.minLength)
  end
  if schema.pattern then found.unchecked.patterns = true end
  if type(schema.format) == "string" and not PLAIN_FORMAT[schema.format] then found.unchecked.formats = true end
end

-- The number of something: `most` and `least` are the schema's, `what` is counted.
local function check_count(count, most, least, what, path, found)
  if type(most) == "number" and count > most then
    refuse(found, path, "Too many: %d: must have at most %d items", count, most)
  elseif type(least) == "number" and count < least then
    invalid(found, path, count, "should have at least %d %s", least, what)
  end
end

-- ---- lists and objects

-- What makes an item of a list the same as another: all of it, or its keys; nil where that cannot be said.
local function identity(schema, item)
  if schema["x-kubernetes-list-type"] == "set" then return type(item) ~= "table" and quoted(item) or nil end
  local parts = {}
  for i, key in ipairs(items(schema["x-kubernetes-list-map-keys"])) do
    local value = map(item)[key]
    if value == nil then value = map(map(map(schema.items).properties)[key]).default end
    parts[i] = ("%q:%s"):format(key, quoted(value))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function check_unique(schema, value, path, found)
  local kind = schema["x-kubernetes-list-type"]
  if kind ~= "set" and kind ~= "map" then return end
  local seen = {}
  for i, item in ipairs(value) do
    local id = identity(schema, item)
    if id and seen[id] then refuse(found, ("%s[%d]"):format(path, i - 1), "Duplicate value: %s", id) end
    if id then seen[id] = true end
  end
end

local check

local function check_list(schema, value, path, found, depth, whole)
  check_count(#value, schema.maxItems, schema.minItems, "items", path, found)
  check_unique(schema, value, path, found)
  for i, item in ipairs(value) do
    if is_map(schema.items) then check(schema.items, item, ("%s[%d]"):format(path, i - 1), found, depth + 1, whole) end
  end
end

-- What every object may have, whatever the schema says.
local EMBEDDED = { apiVersion = true, kind = true, metadata = true }

local function check_embedded(value, path, found)
  for _, key in ipairs { "apiVersion", "kind", "metadata" } do
    if value[key] == nil then refuse(found, joined(path, key), "Required value: must not be empty") end
  end
end

local function check_map(schema, value, path, found, depth, whole)
  local properties, more = map(schema.properties), schema.additionalProperties
  local embedded = path == "" or schema["x-kubernetes-embedded-resource"] == true
  local keeps = schema["x-kubernetes-preserve-unknown-fields"] == true or more == true
  local names = keys(value)
  check_count(#names, schema.maxProperties, schema.minProperties, "properties", path, found)
  for _, name in ipairs(items(schema.required)) do
    if value[name] == nil and not (path == "" and EMBEDDED[name]) then
      refuse(found, joined(path, name), "Required value")
    end
  end
  if path ~= "" and embedded then check_embedded(value, path, found) end
  for _, name in ipairs(names) do
    local of_name = is_map(properties[name]) and properties[name] or is_map(more) and more
    local servers_own = embedded and EMBEDDED[name] -- whatever the schema has of it
    if of_name and not servers_own then
      check(of_name, value[name], joined(path, name), found, depth + 1, whole)
    elseif whole and not of_name and not servers_own and not keeps then
      found.errors[#found.errors + 1] = ("unknown field %q"):format(joined(path, name))
    end
  end
end

-- ---- allOf, anyOf, oneOf, not

-- How a value does by a branch: "good", "bad", or "unsure" where only the server can tell.
local function verdict(schema, value, path, found, depth)
  local of_branch = finding(found.steps)
  check(schema, value, path, of_branch, depth + 1, false)
  if #of_branch.errors > 0 then return "bad", of_branch end
  return next(of_branch.unchecked) and "unsure" or "good", of_branch
end

-- How many branches have each verdict.
local function tally(branches, value, path, found, depth)
  local count = { good = 0, bad = 0, unsure = 0 }
  for _, schema in ipairs(branches) do
    local word, of_branch = verdict(map(schema), value, path, found, depth)
    count[word] = count[word] + 1
    for what in next, of_branch.unchecked do found.unchecked[what] = true end
  end
  return count
end

local function check_branches(schema, value, path, found, depth)
  for _, branch in ipairs(items(schema.allOf)) do check(map(branch), value, path, found, depth + 1, false) end
  local any, one = items(schema.anyOf), items(schema.oneOf)
  if #any > 0 and tally(any, value, path, found, depth).bad == #any then
    refuse(found, path, "Invalid value: %s: %q must validate at least one schema (anyOf)", quoted(value), path)
  end
  if #one > 0 then
    local count = tally(one, value, path, found, depth)
    if count.good > 1 or count.bad == #one then
      local n = count.good > 1 and count.good .. " valid alternatives" or "none valid"
      refuse(found, path, "Invalid value: %s: %q must validate one and only one schema (oneOf). Found %s",
        quoted(value), path, n)
    end
  end
  if is_map(schema["not"]) and tally({ schema["not"] }, value, path, found, depth).good == 1 then
    refuse(found, path, "Invalid value: %s: %q must not validate the schema (not)", quoted(value), path)
  end
end

-- `whole`: not of a branch; there fields that the schema does not name are unknown.
function check(schema, value, path, found, depth, whole)
  if not step(found, depth) or not check_type(schema, value, path, found) then return end
  if #items(schema["x-kubernetes-validations"]) > 0 then found.unchecked["rules (CEL)"] = true end
  check_enum(schema, value, path, found)
  if type(value) == "number" then check_number(schema, value, path, found) end
  if type(value) == "string" then check_string(schema, value, path, found) end
  if is_list(value) then check_list(schema, value, path, found, depth, whole) end
  if is_map(value) then check_map(schema, value, path, found, depth, whole) end
  check_branches(schema, value, path, found, depth)
end

-- ---- defaults

-- Puts into a value what the schema has as defaults, as the server does before it checks.
local function fill(schema, value, found, depth)
  if type(value) ~= "table" or not step(found, depth) then return end
  if is_list(value) then
    for _, item in ipairs(value) do fill(map(schema.items), item, found, depth + 1) end
    return
  end
  for name, of_name in next, map(schema.properties) do
    local default = map(of_name).default
    local absent = value[name] == nil or value[name] == null and of_name.nullable ~= true
    if default ~= nil and absent then value[name] = object.copy(default) end
  end
  for name, item in next, value do
    fill(map(map(schema.properties)[name] or schema.additionalProperties), item, found, depth + 1)
  end
end

-- ---- the whole

-- The schema that a CRD has for a version; or nil and why it is of no use.
local function schema_of(crd, version)
  local spec, known = map(crd.spec), {}
  for _, one in ipairs(items(spec.versions)) do
    if one.name == version and one.served == true then
      local schema = map(one.schema).openAPIV3Schema
      return is_map(schema) and schema or {}
    end
    if one.served == true then known[#known + 1] = tostring(one.name) end
  end
  return nil, ("the CRD does not serve version %q, only %s"):format(version, table.concat(known, ", "))
end

-- "[a, b]" as the API server writes several.
local function sentence(obj, errors)
  local told = table.move(errors, 1, math.min(#errors, TOLD_MOST), 1, {})
  if #errors > #told then told[#told + 1] = ("and %d more"):format(#errors - #told) end
  local text = table.concat(told, ", ")
  return ("%s.%s %q is invalid: %s"):format(obj.kind, obj.apiVersion:match("^(.*)/"), obj.metadata.name or
    obj.metadata.generateName or "", #told > 1 and "[" .. text .. "]" or text)
end

-- Checks an object against its CRD. Returns true and the sorted list of what only the server can check; or false
-- and why the server would refuse it.
function M.check(crd, obj)
  local schema, problem = schema_of(crd, obj.apiVersion:match("/(.*)$") or obj.apiVersion)
  if not schema then return false, problem end
  local found, copy = finding(), object.copy(obj)
  fill(schema, copy, found, 1)
  check(schema, copy, "", found, 1, true)
  if #found.errors > 0 then return false, sentence(obj, found.errors) end
  return true, keys(found.unchecked)
end

return M
