-- lib/edit.lua: changes of a live object that was fetched, edited and sent back.
local conflict = require "lib.conflict"
local immutable = require "lib.immutable"
local merge = require "lib.merge"
local object = require "lib.object"
local secret = require "lib.secret"

local M = {}

local TRIES = 5

-- Without what is the server's: nobody edits it, and it moves all the time.
function M.own_part(obj)
  local copy = object.comparable(obj)
  copy.metadata.creationTimestamp = nil
  copy.metadata.uid = nil
  copy.metadata.selfLink = nil
  copy.metadata.deletionTimestamp = nil
  copy.metadata.deletionGracePeriodSeconds = nil
  return copy
end

-- The changes whose place in `own` (the live object without what is the server's) is something else by now, as
-- conflicts; and the other changes.
local function conflicts_of(changes, own, live)
  local found, others = {}, {}
  for _, change in ipairs(changes) do
    local now = merge.value(own, change)
    if not object.equal(now, change.from) and not object.equal(now, change.to) then
      found[#found + 1] = conflict.of_change(merge.field(change), change, now, live)
    else
      others[#others + 1] = change
    end
  end
  return found, others
end

local function told(field, live) return ("%s (now %s)"):format(field, live ~= "" and live or "not there") end

local function refuse(ctx, changes, conflicts, live)
  ctx:conflicts(conflicts)
  local texts = {}
  for i, c in ipairs(conflicts) do
    texts[i] = told(c.field, c.live)
  end
  ctx:fail("changed meanwhile, and this edit changes it too: %s; fetch it anew, or send it with force (%d of %d "
    .. "changes; resourceVersion %s)", table.concat(texts, ", "), #conflicts, #changes, live.metadata.resourceVersion)
end

-- Sends the changes as a patch of the live object.
local function send(ctx, live, own, changes)
  local new = object.copy(own)
  for _, change in ipairs(changes) do merge.put(new, change) end
  local patch = merge.patch(own, new)
  if not patch then return live, "unchanged" end
  -- Nobody may come in between: then it is judged anew.
  patch.metadata = patch.metadata or {}
  patch.metadata.resourceVersion = live.metadata.resourceVersion
  return ctx:patch(live, patch), "configured"
end

local function try(ctx, obj, base, live)
  local changes = merge.changes(M.own_part(base), M.own_part(obj))
  local own = M.own_part(live)
  local conflicts = conflicts_of(changes, own, live)
  if #conflicts > 0 and not ctx.request.force then refuse(ctx, changes, conflicts, live) end
  return send(ctx, live, own, changes)
end

-- Takes back what made `after` of `before`, but for what others have changed since (`force`: that too). Returns the
-- object, "configured" or "unchanged", and what was left, as conflicts. nil where it is not there, or is another one.
function M.back(ctx, before, after, force)
  local changes = merge.changes(M.own_part(after), M.own_part(before))
  for attempt = 1, TRIES do
    local live = ctx:get(after)
    if not live or live.metadata.uid ~= after.metadata.uid then return nil, live end
    local own = M.own_part(live)
    local left, others = conflicts_of(changes, own, live)
    if force then left, others = {}, changes end
    local result, outcome = ctx:try(function() return send(ctx, live, own, others) end)
    if result ~= nil then return result, outcome, left, live end
    if outcome.status ~= 409 or attempt == TRIES then error(outcome, 0) end
  end
end

-- base → obj as a patch of the live object. Only a field that the edit touches and that changed meanwhile is
-- a conflict; force takes it. Returns the object and "configured" or "unchanged".
function M.base(ctx, obj, base)
  for attempt = 1, TRIES do
    local live = ctx:get(obj)
    if not live then ctx:fail("it was deleted meanwhile: apply it without base to create it anew") end
    local edited, from = secret.filled(ctx, obj, live, base)
    local result, outcome = ctx:try(function() return try(ctx, edited, from, live) end)
    if result ~= nil then return result, outcome, live end
    if outcome.status == 422 then return immutable.resolve(ctx, outcome, edited, live), "created", live end
    if outcome.status ~= 409 or attempt == TRIES then error(outcome, 0) end
  end
end

-- The fields in which two states of an object differ, each with the live value.
local function told_differences(obj, live)
  local texts = {}
  for i, change in ipairs(merge.changes(M.own_part(obj), M.own_part(live))) do
    if i > 10 then
      texts[i] = "…"
      break
    end
    texts[i] = told(merge.field(change), conflict.short(change.to, live))
  end
  return table.concat(texts, ", ")
end

-- What a PUT with an old resourceVersion was told meanwhile: did only status or managedFields move? A change
-- of the spec moves the generation; what is in metadata is compared.
local function only_status_moved(obj, live)
  local a, b = obj.metadata, live.metadata
  return a.generation ~= nil and a.generation == b.generation and a.uid == b.uid
    and object.equal(a.labels, b.labels) and object.equal(a.annotations, b.annotations)
    and object.equal(a.finalizers, b.finalizers) and object.equal(a.ownerReferences, b.ownerReferences)
end

local function outcome_of(before, after)
  return object.equal(object.comparable(before), object.comparable(after)) and "unchanged" or "configured"
end

-- PUT of an object that carries its resourceVersion.
function M.update(ctx, obj)
  local live = ctx:get(obj)
  if not live then ctx:fail("it is not there, and the manifest has a resourceVersion: leave that out to create it") end
  obj = secret.filled(ctx, obj, live)
  local function put() return ctx:update(obj) end
  local result, err = ctx:try(put)
  if result ~= nil then return result, outcome_of(live, result), live end
  if err.status == 422 then return immutable.resolve(ctx, err, obj, live), "created", live end
  if err.status ~= 409 then error(err, 0) end
  live = ctx:get(obj) or ctx:fail("it was deleted meanwhile")
  if only_status_moved(obj, live) then
    obj.metadata.resourceVersion = live.metadata.resourceVersion
    result = put()
    return result, outcome_of(live, result), live
  end
  ctx:fail("it changed since resourceVersion %s: %s; fetch it anew, or leave the resourceVersion out",
    obj.metadata.resourceVersion, told_differences(obj, live))
end

return M
