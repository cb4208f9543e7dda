-- lib/undo.lua: taking back what an execution has written, from what the host remembers of it.
--
-- Of every object there is what it was before the write and what it was after it. What others have done since
-- stays: an object that is another one by now is left, and so is a single field.
local conflict = require "lib.conflict"
local contents = require "lib.contents"
local edit = require "lib.edit"
local jobs = require "lib.job"
local merge = require "lib.merge"
local object = require "lib.object"
local ownership = require "lib.ownership"

local M = {}

local NAMED_MOST = 5

local function map(value) return type(value) == "table" and value or {} end

-- ---- what others have changed ----

-- Who completes every object, so that its changes are nobody's will.
local CONTROLLERS = { "^kube%-", "^kubelet$", "^cloud%-controller%-manager$" }
-- What is set without an owner when an object is put in its place.
local PLACED = { Pod = { ["spec.nodeName"] = true }, PersistentVolumeClaim = { ["spec.volumeName"] = true } }

local function is_controller(manager)
  for _, pattern in ipairs(CONTROLLERS) do
    if manager:find(pattern) then return true end
  end
  return false
end

-- What can be compared key by key, also where there was none of them.
local function comparable(obj)
  local own = edit.own_part(obj)
  own.metadata.annotations, own.metadata.labels = map(own.metadata.annotations), map(own.metadata.labels)
  return own
end

-- The fields of the live object that somebody has changed since `after`, as conflicts.
local function changed_since(after, live)
  local found = {}
  for _, change in ipairs(merge.changes(comparable(after), comparable(live))) do
    local field = merge.field(change)
    local c = conflict.of_change(field, change, change.to, live)
    if not is_controller(c.manager) and not map(PLACED[live.kind])[field] then found[#found + 1] = c end
  end
  return found
end

-- spec.replicas (now 5, by scaler), …
local function told(conflicts)
  local texts = {}
  for i, c in ipairs(conflicts) do
    if i > NAMED_MOST then
      texts[i] = ("and %d more"):format(#conflicts - NAMED_MOST)
      break
    end
    texts[i] = ("%s (now %s%s)"):format(c.field, c.live ~= "" and c.live or "not there",
      c.manager ~= "" and ", by " .. c.manager or "")
  end
  return table.concat(texts, ", ")
end

-- ---- one object ----

-- What becomes of an object is { did = word } or { same = why } or { left = why }; an API refusal is raised.

-- Why an object must not be deleted without force; or nil.
local function would_lose(ctx, live, gone)
  if live.kind == "Namespace" then
    local inside = contents.of_namespace(ctx, live.metadata.name, gone)
    return inside and "it holds " .. inside .. ", which would go with it"
  elseif live.kind == "CustomResourceDefinition" then
    local one = contents.of_crd(ctx, live, gone)
    return one and one .. " is of its kind and would go with it"
  elseif live.kind == "PersistentVolumeClaim" and map(live.status).phase == "Bound" then
    return "what has been written to its volume could be lost with it"
  end
end

local function uncreate(ctx, after, state)
  local live = ctx:get(after)
  if not live then return { same = "it is gone already" } end
  if live.metadata.uid ~= after.metadata.uid then return { left = "it is another object of this name by now" } end
  if live.metadata.deletionTimestamp then return { same = "it is being deleted already" } end
  if not state.force then
    local changed = state.back[live.metadata.uid] and {} or changed_since(after, live)
    if #changed > 0 then return { left = "it was changed since: " .. told(changed) } end
    local lost = would_lose(ctx, live, state.gone)
    if lost then return { left = lost } end
  end
  ctx:delete(live, { propagation = "Background" })
  state.gone[live.metadata.uid] = true
  ctx:remember(nil, live)
  return { did = "deleted", outcome = "deleted" }
end

local function put_back(ctx, before, after, state)
  if before.metadata.uid ~= after.metadata.uid then
    return { left = "it was deleted and made anew, for fields of it cannot be changed: apply the earlier manifest with "
      .. "recreate" }
  end
  local result, outcome, left, live = edit.back(ctx, before, after, state.force)
  if not result then
    return { left = outcome and "it is another object of this name by now" or "it was deleted since" }
  end
  local rest = #left > 0 and "changed since, and so left: " .. told(left) or nil
  if outcome == "unchanged" then return { left = rest, same = not rest and "it is as it was already" or nil } end
  result = ownership.give_back(ctx, result, before)
  ctx:remember(result, live)
  if ctx.dry_run and not rest then state.back[live.metadata.uid] = true end
  return { did = "put back", outcome = "configured", left = rest }
end

-- The owners that are still there: with another one it would be deleted at once.
local function owners_of(ctx, obj)
  local kept = list {}
  for _, ref in ipairs(map(obj.metadata.ownerReferences)) do
    local owner = ctx:try(function()
      return ctx:get { apiVersion = ref.apiVersion, kind = ref.kind, name = ref.name,
        namespace = obj.metadata.namespace }
    end)
    if owner and owner.metadata.uid == ref.uid then kept[#kept + 1] = ref end
  end
  return #kept > 0 and kept or nil
end

-- An object that was, as a new one.
local function anew(ctx, before)
  local obj = object.copy(edit.own_part(before))
  obj.metadata.ownerReferences = owners_of(ctx, before)
  local spec = map(obj.spec)
  if obj.kind == "Pod" then
    spec.nodeName = nil
  elseif obj.kind == "Job" then
    obj = jobs.new(before, before.metadata.namespace, before.metadata.name)
    obj.spec.suspend = before.spec.suspend
  elseif obj.kind == "PersistentVolumeClaim" then
    spec.volumeName = nil
    for key in next, map(obj.metadata.annotations) do
      local of_volume = key:find "^pv%.kubernetes%.io/" or key:find "/storage%-provisioner$"
      if of_volume then obj.metadata.annotations[key] = nil end
    end
  elseif obj.kind == "PersistentVolume" and spec.claimRef then
    spec.claimRef.uid, spec.claimRef.resourceVersion = nil, nil
  end
  return obj
end

-- What does not come back with an object.
local LOST = {
  Namespace = "empty: what was in it is gone", PersistentVolumeClaim = "empty: its data are gone",
  CustomResourceDefinition = "without the objects of its kind",
}

local function recreate(ctx, before, state)
  local live = ctx:get(before)
  if live and live.metadata.deletionTimestamp then
    return { left = "it is still being deleted: try again when it is gone" }
  end
  if live then return { left = "it is there again" } end
  local obj = anew(ctx, before)
  if state.spaces[before.metadata.namespace or ""] then
    return { did = "created again", outcome = "created" } -- in a dry-run nothing can be made in what is not there
  end
  local result = ctx:create(obj)
  if obj.kind == "Namespace" and ctx.dry_run then state.spaces[obj.metadata.name] = true end
  result = ownership.give_back(ctx, result, before)
  ctx:remember(result, nil)
  return { did = "created again", outcome = "created", but = LOST[obj.kind] }
end

local function undo_one(ctx, image, state)
  if not image.before then return uncreate(ctx, image.after, state) end
  if not image.after then return recreate(ctx, image.before, state) end
  return put_back(ctx, image.before, image.after, state)
end

-- ---- the whole ----

local function say(ctx, text, result)
  if result.did then
    ctx:line(ctx.dry_run and "%s validated (dry-run, no changes persisted): would be %s%s" or "%s %s%s", text,
      result.did, result.but and ", " .. result.but or "")
    ctx:changed(result.outcome)
  elseif result.same then
    ctx:line("%s: %s", text, result.same)
    ctx:changed("unchanged")
  end
  if result.left then ctx:warn("%s left: %s", text, result.left) end
end

local function one_of(ctx, image, state)
  local text = object.text(image.before or image.after)
  ctx:phase("Undoing…", { detail = text, progress = state.done + 1, total = state.count })
  local result, err = ctx:try(function() return undo_one(ctx, image, state) end)
  state.done = state.done + 1
  if not result then
    ctx:warn("%s failed: %s", text, err.message)
    state.failed = state.failed + 1
    return
  end
  say(ctx, text, result)
  if result.left then state.left = state.left + 1 else state.undone = state.undone + 1 end
end

-- Undoes an execution in reverse order. What fails or must be left keeps no other object; the end says how many
-- there are of them, and fails where there is one.
function M.execution(ctx, id, force)
  local count, omitted = ctx:remembered(id, 0)
  if count + omitted == 0 then ctx:fail("%s has changed nothing that could be undone", id) end
  local state = {
    force = force, count = count, done = 0, undone = 0, left = omitted, failed = 0,
    gone = {}, -- uids that this undo has deleted
    back = {}, spaces = {}, -- of a dry-run: uids that it would put back, Namespaces that it would create
  }
  for n = count, 1, -1 do
    local _, _, image = ctx:remembered(id, n)
    one_of(ctx, image, state)
  end
  if omitted > 0 then
    ctx:warn("%d objects are left: they were too large in all to be remembered as they were", omitted)
  end
  local whole = ("%d of %d objects %s undone"):format(state.undone, count + omitted,
    ctx.dry_run and "would be" or "are")
  if state.left + state.failed == 0 then
    ctx:line("%s", whole)
    return
  end
  ctx:fail("%s; %d left, %d failed%s", whole, state.left, state.failed,
    state.left > omitted and not force and "; force takes back what others have changed, too" or "")
end

return M
