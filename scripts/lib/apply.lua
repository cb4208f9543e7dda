-- lib/apply.lua: how an object is applied where its resource file says nothing else.
local conflict = require "lib.conflict"
local deferred = require "lib.deferred"
local delete = require "lib.delete"
local edit = require "lib.edit"
local immutable = require "lib.immutable"
local object = require "lib.object"
local ownership = require "lib.ownership"
local scale = require "lib.scale"
local secret = require "lib.secret"

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
  -- What is fetched and edited carries them always.
  if #dropped > 0 and not ctx.document.base then
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

-- Refused for fields that cannot be changed it may be made anew; any other refusal is raised.
local function made_anew(ctx, err, obj, live)
  return { object = immutable.resolve(ctx, err, obj, live), created = true, before = live }
end

-- Takes fields, and says from whom. What an edit, a flow or an undo of ours has set is nobody else's.
local function send_by_force(ctx, obj, live, conflicts)
  local answer, err = try_send(ctx, obj, true)
  if not answer then return made_anew(ctx, err, obj, live) end
  for _, taken in ipairs(conflicts) do
    if ownership.is_own(taken.manager) then
      ctx:line("%s: %s, which was changed by hand (%s), %s the manifest's again", object.text(obj), taken.field,
        taken.live, ctx.dry_run and "would be" or "is")
    else
      ctx:line("%s: %s %s from %s", object.text(obj), ctx.dry_run and "would take" or "took", taken.field,
        taken.manager)
    end
  end
  return answer
end

local function of_others(conflicts)
  local others = {}
  for _, c in ipairs(conflicts) do
    if not ownership.is_own(c.manager) then others[#others + 1] = c end
  end
  return others
end

-- Sends the patch. Fields that others own are a conflict, unless the request takes them by force. A dry-run
-- that only conflicts with managers whose fields would become ours is sent again with force, and what they
-- alone own is taken out of the answer.
local function send(ctx, obj, live)
  local answer, err = try_send(ctx, obj)
  if not answer then
    local conflicts = conflict.list(err, live)
    if not conflicts then return made_anew(ctx, err, obj, live) end
    local others = of_others(conflicts)
    if #others > 0 and ctx.dry_run and ownership.only_ours(ctx, live, others) then
      answer = { object = ctx:send_apply(obj, true) }
    elseif #others == 0 or ctx.request.force then
      answer = send_by_force(ctx, obj, live, conflicts)
    else
      ctx:conflicts(others)
      error(err, 0)
    end
  end
  if ctx.dry_run and live and not answer.created then answer.object = ownership.preview(ctx, live, answer.object) end
  return answer
end

local function is_named(obj)
  local name = obj.metadata.name
  return type(name) == "string" and name ~= ""
end

-- Server-side apply, the default.
local function by_apply(ctx, obj)
  local live = ctx:get(obj)
  if live and not ctx.dry_run then live = ownership.take(ctx, live) end
  local filled = secret.filled(ctx, obj, live)
  if filled ~= obj then
    obj = filled
    obj.metadata.resourceVersion = live.metadata.resourceVersion -- the values are those of now
  end
  if live and not ctx:may("create", obj) then
    obj.metadata.uid = live.metadata.uid
  elseif not live and not ctx:may("update", obj) then
    return ctx:create(obj), "created"
  end
  local answer = send(ctx, obj, live)
  if answer.created then return answer.object, "created", answer.before end
  local same = live and object.equal(object.comparable(live), object.comparable(answer.object))
  return answer.object, same and "unchanged" or "configured", live
end

-- Is it the document's own object, and not another one that its handler applies?
local function base_of(ctx, obj)
  local base = ctx.document and ctx.document.base
  return base and obj.kind == base.kind and obj.metadata.name == base.metadata.name and base
end

-- Applies one object, by the strategy that the request and the object ask for. Returns it as the server has it
-- now, "created", "configured" or "unchanged", and the reference where the server chose the name.
function M.object(ctx, obj)
  if not is_named(obj) or ctx.request.action == "create" then
    local created = ctx:create((secret.filled(ctx, obj)))
    ctx:remember(created, nil)
    return created, "created", not is_named(obj) and object.text(created) or nil
  end
  local base = base_of(ctx, obj)
  local strategy = base and edit.base or obj.metadata.resourceVersion and edit.update or by_apply
  local result, outcome, live = strategy(ctx, obj, base)
  if strategy ~= by_apply and outcome == "configured" and ctx.document then ctx.document.verb = "updated" end
  if outcome ~= "unchanged" then ctx:remember(result, live) end
  return result, outcome
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

-- Takes the fields out that their owners keep.
local function leave_fields(ctx, obj, index)
  for _, left in ipairs(ctx.request.leave or {}) do
    if left.index == index then
      if not conflict.remove(obj, left.field) then ctx:fail("leave: %s is not in the manifest", left.field) end
      ctx:line("%s: %s is left to its owner", object.text(obj), left.field)
    end
  end
end

local function by_handler(ctx, document)
  local resource = document.resource
  local obj = convert(ctx, document.object, document.version, resource)
  drop_server_fields(ctx, obj)
  leave_fields(ctx, obj, document.index)
  if resource and resource.defaults then obj = resource.defaults(obj) or obj end
  if type(obj) ~= "table" or type(obj.metadata) ~= "table" then error("defaults must return the object", 0) end
  if resource and resource.validate then
    local problem = resource.validate(obj)
    if problem then ctx:fail("%s", problem) end
  end
  local result, outcome, text = deferred.apply(ctx, document, obj, resource and resource.apply or M.object)
  if outcome == "deferred" and not result then
    document.verb = text
    return outcome
  end
  if type(result) ~= "table" or type(outcome) ~= "string" then
    error("apply must return an object and its outcome, as ctx:apply does", 0)
  end
  return outcome, text
end

local function by_delete(ctx, document)
  local live, outcome = delete.object(ctx, document.object, ctx.request.propagation)
  if outcome == "deleted" then ctx:remember(nil, live) end
  return outcome
end

local function by_scale(ctx, document)
  local obj = document.object
  local replicas = ctx.request.replicas or type(obj.spec) == "table" and obj.spec.replicas
  if math.type(replicas) ~= "integer" then ctx:fail("scale needs replicas, in the request or in spec.replicas") end
  local scaled, outcome, was, before = scale.to(ctx, obj, replicas)
  -- The scale is not the object; its replicas are all that an undo needs.
  local function image(count)
    return { apiVersion = obj.apiVersion, kind = obj.kind, spec = { replicas = count }, metadata = {
      name = obj.metadata.name, namespace = obj.metadata.namespace, uid = scaled.metadata.uid } }
  end
  if outcome == "configured" then
    if ctx.plan then ctx:_show_change(scaled, before) else ctx:remember(image(replicas), image(was)) end
    ctx:line("%s: %d replicas, %d before", object.text(obj), replicas, was)
    document.verb = "scaled"
  end
  return outcome
end

local BY_ACTION = { delete = by_delete, scale = by_scale }

local function by_its_action(ctx, document)
  local obj = document.object
  if type(obj.metadata) ~= "table" then obj.metadata = {} end
  obj.metadata.namespace = document.namespace ~= "" and document.namespace or nil
  ctx.document = document
  local by_action = BY_ACTION[ctx.request.action]
  if by_action then
    obj.apiVersion = document.version
    if not is_named(obj) then ctx:fail("%s needs metadata.name", ctx.request.action) end
    if document.crd and not document.crd.served then return "deferred", nil, deferred.reason(document.crd.ref) end
    return by_action(ctx, document), nil, document.verb
  end
  local outcome, text = by_handler(ctx, document)
  return outcome, text, document.verb
end

-- What the host calls for each document: { object (the manifest's), base (as it was fetched, of an edit) or
-- nil, namespace ("" for cluster-scoped), version (that the cluster serves), index, resource (its file's
-- declaration) or nil, in a dry-run crd and space (lib.deferred) }. Returns the outcome, the name where the
-- server chose it, and the word for the outcome where it has its own ("scaled"); of a "deferred" one, why.
function M.document(ctx, document)
  if not ctx.plan then return by_its_action(ctx, document) end
  local results = table.pack(ctx:try(function() return by_its_action(ctx, document) end))
  if results[1] ~= nil then return table.unpack(results, 1, results.n) end
  ctx:_show_refusal(document.index, results[2])
  error(results[2], 0)
end

-- What the host calls for each document that is waited for: { kind, namespace, name, version, resource } and how
-- many seconds are left.
function M.wait(ctx, document, seconds)
  local ref = {
    apiVersion = document.version, kind = document.kind, name = document.name,
    namespace = document.namespace ~= "" and document.namespace or nil,
  }
  if ctx.request.action == "delete" then
    ctx:wait_gone(ref, { timeout = seconds })
  else
    ctx:wait(ref, { timeout = seconds }, document.resource and document.resource.ready)
  end
end

return M
