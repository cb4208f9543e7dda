-- lib/scale.lua: another number of replicas.
local object = require "lib.object"

local M = {}

local MOST = 1000000 -- as in the request's `replicas`

-- Sets the replicas by the scale subresource. Returns the scale as it is now, "configured" or "unchanged", how
-- many there were, and the scale before.
function M.to(ctx, ref, replicas)
  if replicas < 0 or replicas > MOST then
    ctx:fail("replicas must be a whole number from 0 to %d, not %d", MOST, replicas)
  end
  local function patch(body) return ctx:patch(ref, body, { subresource = "scale" }) end
  local before, err = ctx:try(function() return ctx:get(ref, { subresource = "scale" }) end)
  if before == nil then
    if err and err.status ~= 404 then error(err, 0) end
    if ctx:get(ref) then ctx:fail("%s cannot be scaled: its kind has no replicas", object.text(ref)) end
    ctx:fail("%s is not there", object.text(ref))
  end
  local was = before.spec and before.spec.replicas or 0
  if was == replicas then return before, "unchanged", was, before end
  return patch { spec = { replicas = replicas } }, "configured", was, before
end

return M
