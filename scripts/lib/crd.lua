-- lib/crd.lua: what is special about CustomResourceDefinitions.
local status = require "lib.status"

local M = {}

local LIMIT_SECONDS = 30

-- Applies the CRD and waits until the server serves its kind, so that objects of it can follow.
function M.apply(ctx, obj)
  local result, outcome = ctx:apply(obj)
  if ctx.dry_run then return result, outcome end
  for _ = 1, LIMIT_SECONDS * 10 do
    local is, why = status.ready(result)
    if is then return result, outcome end
    if is == nil then ctx:fail("%s", why) end
    ctx:sleep(0.1)
    result = ctx:get(obj) or ctx:fail("it was deleted while its kind was waited for")
  end
  ctx:fail("its kind is not served after %d seconds", LIMIT_SECONDS)
end

return M
