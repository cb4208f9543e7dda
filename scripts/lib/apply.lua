-- lib/apply.lua: how an object is applied where its resource file says nothing else.
local conflict = require "lib.conflict"
local object = require "lib.object"
local ownership = require "lib.ownership"

local M = {}

-- What the manifest carries but must not be sent. Says so.
local function drop_server_fields(ctx, obj)
  local dropped = {}
  if obj.status ~= nil then
    dropped[#dropped + 1] = "status"
    obj.status = nil
  end
  if obj.metadata.managedFields ~= nil then
    dropped[#dropped + 1] = "metadata.managedFields"
    obj.metadata.managedFields = nil
  end
  if #dropped > 0 then
    ctx:line("%s: %s of the manifest is not sent, it belongs to the server", object.text(obj),
      table.concat(dropped, " and "))
  end
end

local function try_send(ctx, obj, force)
  return ctx:try(function()
    local result, status = ctx:send_apply(obj, force)
    return { object = result, created = status == 201 }
  end)
end

-- Takes the fields of others, and says what was taken from whom.
local function send_by_force(ctx, obj, conflicts)
  local answer, err = try_send(ctx, obj, true)
  if not answer then error(err, 0) end
  for _, taken in ipairs(conflicts) do
    ctx:line("%s: %s %s from %s", object.text(obj), ctx.dry_run and "would take" or "took", taken.field,
      taken.manager)
  end
  return answer
end

-- Sends the patch. Fields that others own are a conflict, unless the request takes them by force. A dry-run
-- that only conflicts with managers whose fields would become ours is sent again with force, and what they
-- alone own is taken out of the answer.
local function send(ctx, obj, live)
  local answer, err = try_send(ctx, obj)
  if not answer then
    local conflicts = conflict.list(err, live)
    if not conflicts then error(err, 0) end
    if ctx.dry_run and ownership.only_ours(ctx, conflicts) then
      answer = { object = ctx:send_apply(obj, true) }
    elseif ctx.request.force then
      answer = send_by_force(ctx, obj, conflicts)
    else
      ctx:conflicts(conflicts)
      error(err, 0)
    end
  end
  if ctx.dry_run and live then answer.object = ownership.preview(ctx, live, answer.object) end
  return answer
end

-- Applies one object. Returns it as the server has it now, and "created", "configured" or "unchanged".
function M.object(ctx, obj)
  local name = obj.metadata.name
  if type(name) ~= "string" or name == "" then
    local created = ctx:create(obj)
    return created, "created", object.text(created)
  end
  local live = ctx:get(obj)
  if live and not ctx.dry_run then live = ownership.take(ctx, live) end
  if live and not ctx:may("create", obj) then
    obj.metadata.uid = live.metadata.uid
  elseif not live and not ctx:may("update", obj) then
    return ctx:create(obj), "created"
  end
  local answer = send(ctx, obj, live)
  if answer.created then return answer.object, "created" end
  local same = live and object.equal(object.comparable(live), object.comparable(answer.object))
  return answer.object, same and "unchanged" or "configured"
end

-- Into the version that the cluster serves, where it does not serve the manifest's.
local function convert(ctx, obj, version, resource)
  if obj.apiVersion == version then return obj end
  local from = obj.apiVersion
  local to_version = resource and resource.convert and resource.convert[version]
  if not to_version then ctx:fail("%s is not served here, and nothing converts it to %s", from, version) end
  local converted, problem = to_version(obj)
  if not converted then ctx:fail("%s is not served here, and %s cannot hold %s", from, version, problem) end
  converted.apiVersion = version
  ctx:line("%s: %s is not served here; sent as %s", object.text(obj), from, version)
  return converted
end

-- What the host calls for each document: the manifest's object, its namespace ("" for cluster-scoped),
-- the version that the cluster serves, and its resource file's declaration or nil. Returns the outcome,
-- and the name where the server chose it.
function M.document(ctx, obj, namespace, version, resource)
  if type(obj.metadata) ~= "table" then obj.metadata = {} end
  obj.metadata.namespace = namespace ~= "" and namespace or nil
  obj = convert(ctx, obj, version, resource)
  drop_server_fields(ctx, obj)
  if resource and resource.defaults then obj = resource.defaults(obj) or obj end
  if type(obj) ~= "table" or type(obj.metadata) ~= "table" then error("defaults must return the object", 0) end
  if resource and resource.validate then
    local problem = resource.validate(obj)
    if problem then ctx:fail("%s", problem) end
  end
  local apply = resource and resource.apply or M.object
  local result, outcome, text = apply(ctx, obj)
  if type(result) ~= "table" or type(outcome) ~= "string" then
    error("apply must return an object and its outcome, as ctx:apply does", 0)
  end
  return outcome, text
end

return M
