-- lib/deferred.lua: a dry-run of what needs a Namespace or a CRD of the same bundle. Neither is there yet, so the
-- server can be asked only in part; what can be checked is, and what was checked is said.
local schema = require "lib.schema"

local M = {}

local ELSEWHERE = "default" -- a namespace that is always there

-- What the server refuses by a schema; 500 is an unknown field.
local BY_ITS_SCHEMA = { [400] = true, [422] = true, [500] = true }

-- The last CRD that was read: many objects of one kind follow each other, and a CRD can be large.
local last = {}

local function read(crd)
  if last.ref ~= crd.ref then last = { ref = crd.ref, object = crd.read() } end
  return last.object
end

-- By the CRD of the bundle. Fails, or returns how it was checked.
local function by_schema(ctx, crd, obj)
  local good, said = schema.check(read(crd), obj)
  if not good then ctx:fail("%s (by the schema of %s in the same bundle)", said, crd.ref) end
  local but = #said > 0 and ", but for " .. table.concat(said, ", ") or ""
  return ("checked against its schema%s"):format(but)
end

-- What the server says of an object by itself, not of where it shall be: its namespace, a quota, an admission.
local function is_of_object(err)
  return (err.status == 400 or err.status == 422) and not err.message:find("denied", 1, true)
end

-- By a create in a namespace that is there, as a dry-run too. Fails, or returns how it was checked.
local function by_trial(ctx, space, obj)
  local there = ctx:copy(obj)
  there.metadata.namespace, there.metadata.uid, there.metadata.resourceVersion = ELSEWHERE, nil, nil
  if ctx:may("create", there) then
    local created, err = ctx:try(function() return ctx:create_trial(there) end)
    if created or err.status == 409 then return "checked by a dry-run in namespace " .. ELSEWHERE end
    if is_of_object(err) then
      ctx:fail("%s (by a dry-run in namespace %s: %s is not there yet)", err.message, ELSEWHERE, space)
    end
  end
  return "only its fields were checked"
end

-- Why nothing of the kind can be asked for: a sentence's first half.
function M.reason(needed) return needed .. " is in the same bundle and not there yet" end

-- What `apply` returns; or nil, "deferred" and why. The document has `crd` { ref, served, read() → the CRD } where
-- the bundle brings it or changes it, `space` (its reference) where the bundle makes its Namespace.
function M.apply(ctx, document, obj, apply)
  local crd, space = document.crd, document.space
  local checked = crd and by_schema(ctx, crd, obj)
  if crd and not crd.served then return nil, "deferred", ("%s; %s"):format(M.reason(crd.ref), checked) end
  if not crd and not space then return apply(ctx, obj) end
  local results = table.pack(ctx:try(function() return apply(ctx, obj) end))
  local err = results[1] == nil and results[2]
  if type(err) ~= "table" then return table.unpack(results, 1, results.n) end
  if space and err.code == "not_found" then
    return nil, "deferred", ("%s; %s"):format(M.reason(space), by_trial(ctx, space, obj))
  elseif crd and BY_ITS_SCHEMA[err.status] then
    return nil, "deferred", ("%s is changed by the same bundle; %s; by the one that is there: %s"):format(crd.ref,
      checked, err.message)
  end
  error(err, 0)
end

return M
