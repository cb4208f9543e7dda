-- lib/delete.lua: taking an object away.
local object = require "lib.object"

local M = {}

-- Says what holds an object that is marked for deletion.
function M.tell_finalizers(ctx, obj)
  local meta = type(obj) == "table" and obj.metadata
  if not meta or not meta.deletionTimestamp or not is_list(meta.finalizers) or #meta.finalizers == 0 then return end
  ctx:line("%s: it goes when its finalizers are done: %s", object.text(obj), table.concat(meta.finalizers, ", "))
end

-- Deletes the object that is named. Returns what was there, and "deleted", or "unchanged" where it was not.
function M.object(ctx, obj, propagation)
  local live = ctx:get(obj)
  if not live then
    ctx:line("%s: it is not there", object.text(obj))
    return obj, "unchanged"
  end
  if propagation == nil or propagation == "" then propagation = "Background" end
  local function delete() return ctx:delete(obj, { propagation = propagation }) end
  local answer, err = ctx:try(delete)
  if answer == nil then
    if err.status ~= 404 then error(err, 0) end
    return live, "deleted" -- somebody was quicker
  end
  if not ctx.dry_run then M.tell_finalizers(ctx, answer) end
  return live, "deleted"
end

return M
