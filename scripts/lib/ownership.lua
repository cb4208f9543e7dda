-- lib/ownership.lua: whose field is whose.
-- Objects made by `kubectl apply` belong to its client-side manager. Before a server-side apply those
-- fields become ours, as client-go's csaupgrade does, so that a line that the manifest drops goes away.
local object = require "lib.object"

local M = {}

local MANAGER = "moonsail"
local DEFAULT_TAKE_OVER = { "kubectl-client-side-apply", "before-first-apply" }
local LAST_APPLIED = "f:kubectl.kubernetes.io/last-applied-configuration"

-- Is it our own name? Applies and all other writes of ours are two managers to the API server.
function M.is_own(manager) return manager == MANAGER end

local function take_over(ctx, managers)
  local names = {}
  for _, name in ipairs(managers or ctx.request.takeOver or DEFAULT_TAKE_OVER) do names[name] = true end
  return names
end

local function is_taken(entry, names)
  return names[entry.manager] and entry.operation == "Update" and not entry.subresource
end

local function is_ours(entry)
  return entry.manager == MANAGER and entry.operation == "Apply" and not entry.subresource
end

-- A copy of the field set of an entry; empty where the entry has none.
local function fields_of(entry)
  return type(entry.fieldsV1) == "table" and object.copy(entry.fieldsV1) or {}
end

-- Adds the field set b to a. FieldsV1 is nested maps, "." marks the field itself.
local function union(a, b)
  for key, below in next, b do
    if type(a[key]) == "table" then union(a[key], below) else a[key] = object.copy(below) end
  end
  return a
end

-- Takes last-applied-configuration out of a field set; returns a set that holds it alone, or nil.
local function split_last_applied(fields)
  local annotations = fields["f:metadata"] and fields["f:metadata"]["f:annotations"]
  if not annotations or not annotations[LAST_APPLIED] then return nil end
  annotations[LAST_APPLIED] = nil
  if next(annotations) == nil then fields["f:metadata"]["f:annotations"] = nil end
  if next(fields["f:metadata"]) == nil then fields["f:metadata"] = nil end
  return { ["f:metadata"] = { ["f:annotations"] = { [LAST_APPLIED] = {} } } }
end

-- The managedFields with everything of the named managers under ours; nil where they own nothing to take.
local function upgraded(managed, names)
  local kept, ours, taken, version = list {}, nil, {}, nil
  for _, entry in ipairs(managed) do
    if is_ours(entry) then
      ours = object.copy(entry)
      ours.fieldsV1 = fields_of(entry)
    elseif is_taken(entry, names) then
      local copy = object.copy(entry)
      copy.fieldsV1 = fields_of(entry)
      local last_applied = split_last_applied(copy.fieldsV1)
      if next(copy.fieldsV1) ~= nil then
        union(taken, copy.fieldsV1)
        version = copy.apiVersion
      end
      if last_applied then
        copy.fieldsV1 = last_applied
        kept[#kept + 1] = copy
      end
    else
      kept[#kept + 1] = entry
    end
  end
  if not version then return nil end
  ours = ours or {
    manager = MANAGER, operation = "Apply", apiVersion = version, fieldsType = "FieldsV1", fieldsV1 = {},
  }
  union(ours.fieldsV1, taken)
  kept[#kept + 1] = ours
  return kept
end

local function names_of(live, names)
  local found, seen = {}, {}
  for _, entry in ipairs(live.metadata.managedFields or {}) do
    if is_taken(entry, names) and not seen[entry.manager] then
      seen[entry.manager] = true
      found[#found + 1] = entry.manager
    end
  end
  return table.concat(found, " and ")
end

-- Writes the managedFields that `of(managedFields)` makes of the live object's; nil: there is nothing to do. Somebody
-- else may write meanwhile: then it is looked at anew, five times at most. Returns the live object as it is then (nil:
-- it is gone) and, where it was written, as it was before.
local function rewrite(ctx, live, of)
  for attempt = 1, 5 do
    local managed = of(live.metadata.managedFields or {})
    if not managed then return live end
    local result, err = ctx:try(function()
      return ctx:patch(live, list {
        { op = "replace", path = "/metadata/managedFields", value = managed },
        { op = "replace", path = "/metadata/resourceVersion", value = live.metadata.resourceVersion },
      }, { type = "json" })
    end)
    if result then return result, live end
    if err.status ~= 409 or attempt == 5 then error(err, 0) end
    live = ctx:get(live)
    if not live then return nil end
  end
end

-- Makes the fields of the managers to take over (or of `managers`, a list) ours in the live object. Returns
-- the live object as it is then; nil where it is gone.
function M.take(ctx, live, managers)
  local names = take_over(ctx, managers)
  local result, before = rewrite(ctx, live, function(managed) return upgraded(managed, names) end)
  if before then
    ctx:line("%s: the fields of %s %s managed by %s", object.text(before), names_of(before, names),
      ctx.dry_run and "would be" or "are now", MANAGER)
  end
  return result
end

-- Takes what is also in the field set b out of a, and returns that; nil where there is nothing.
local function take_common(a, b)
  local both = {}
  for key, below in next, a do
    if b[key] and next(below) == nil then
      both[key], a[key] = below, nil
    elseif b[key] then
      both[key] = take_common(below, b[key])
      if next(below) == nil then a[key] = nil end
    end
  end
  return next(both) ~= nil and both or nil
end

-- The managedFields of a live object in which what a patch of ours owns and, in `before`, an apply of ours owned is
-- the apply's again; nil where there is nothing of that.
local function given_back(managed, before)
  local owned, kept, ours, moved, version = nil, list {}, nil, {}, nil
  for _, entry in ipairs(before) do
    if is_ours(entry) then owned, version = fields_of(entry), entry.apiVersion end
  end
  for _, entry in ipairs(managed) do
    local copy = object.copy(entry)
    copy.fieldsV1 = fields_of(entry)
    if is_ours(copy) then
      ours = copy
    else
      if owned and is_taken(copy, { [MANAGER] = true }) then union(moved, take_common(copy.fieldsV1, owned) or {}) end
      if next(copy.fieldsV1) ~= nil then kept[#kept + 1] = copy end
    end
  end
  if next(moved) == nil then return nil end
  ours = ours or {
    manager = MANAGER, operation = "Apply", apiVersion = version, fieldsType = "FieldsV1", fieldsV1 = {},
  }
  union(ours.fieldsV1, moved)
  kept[#kept + 1] = ours
  return kept
end

-- What a patch of ours has put back as it was `before` belongs to the apply again that owned it then: the next one
-- would conflict with the patch.
function M.give_back(ctx, live, before)
  if ctx.dry_run then return live end
  local result, err = ctx:try(function()
    return (rewrite(ctx, live, function(managed) return given_back(managed, before.metadata.managedFields or {}) end))
  end)
  if err then ctx:warn("%s: the next apply may conflict with this: %s", object.text(live), err.message) end
  return result or live
end

-- Are the conflicts (of lib.conflict) with nobody but managers whose fields would become ours? What a manager has
-- by an apply of its own, or by a subresource, would not.
function M.only_ours(ctx, live, conflicts)
  local names = take_over(ctx)
  for _, entry in ipairs(live.metadata.managedFields or {}) do
    if not is_taken(entry, names) then names[entry.manager] = nil end
  end
  for _, conflict in ipairs(conflicts) do
    if not names[conflict.manager] then return false end
  end
  return true
end

-- The item of a list that a key of a field set names: k:{"name":"x"}, v:"x" or i:0. Returns its place.
local function item_place(items, key)
  local kind, rest = key:match("^([kvi]):(.*)$")
  if kind == "i" then return math.tointeger(tonumber(rest)) and tonumber(rest) + 1 end
  local wanted = cjson.decode(kind == "v" and "[" .. rest .. "]" or rest)
  for i, item in ipairs(items) do
    if kind == "v" then
      if item == wanted[1] then return i end
    elseif type(item) == "table" then
      local same = true
      for k, v in next, wanted do same = same and item[k] == v end
      if same then return i end
    end
  end
end

-- Takes out of `value` what `fields` names and no set of `others` does. Returns whether there was any.
-- What is only on the way to a field (no "." in its set) is nobody's, so it stays: metadata, spec …
local function remove_owned(value, fields, others)
  local gone, removed = {}, false
  for key, below in next, fields do
    local sets = {}
    for _, set in ipairs(others) do sets[#sets + 1] = set[key] end
    local is_field = next(below) == nil or below["."] ~= nil
    local place = key:match("^f:(.*)$")
    if not place and key ~= "." and is_list(value) then place = item_place(value, key) end
    local inner = place and value[place]
    if inner ~= nil and is_field and #sets == 0 then
      gone[#gone + 1] = place
    elseif type(inner) == "table" and remove_owned(inner, below, sets) then
      removed = true
      if next(inner) == nil and #sets == 0 then gone[#gone + 1] = place end
    end
  end
  if is_list(value) then
    table.sort(gone, function(a, b) return a > b end)
    for _, place in ipairs(gone) do table.remove(value, place) end
  else
    for _, place in ipairs(gone) do value[place] = nil end
  end
  return removed or #gone > 0
end

-- A dry-run cannot move ownership first, so its answer still holds what only the managers to take over
-- own and the manifest drops. Says that ownership would move, and returns what the object would be: the
-- answer without those fields, as the server completes it (kubectl's manager owns defaults as well, and
-- they would come back).
function M.preview(ctx, live, answer)
  local names = take_over(ctx)
  local taken, others = {}, {}
  for _, entry in ipairs(live.metadata.managedFields or {}) do
    if is_taken(entry, names) then
      local copy = fields_of(entry)
      others[#others + 1] = split_last_applied(copy)
      union(taken, copy)
    elseif not is_ours(entry) then
      others[#others + 1] = fields_of(entry)
    end
  end
  if next(taken) == nil then return answer end
  ctx:line("%s: ownership would move from %s to %s", object.text(live), names_of(live, names), MANAGER)
  for _, entry in ipairs(answer.metadata.managedFields or {}) do
    if is_ours(entry) then others[#others + 1] = fields_of(entry) end
  end
  if not remove_owned(answer, taken, others) then return answer end
  answer.metadata.managedFields = nil
  return ctx:update(answer)
end

return M
