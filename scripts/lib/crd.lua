-- lib/crd.lua: what is special about CustomResourceDefinitions.
local M = {}

local LIMIT_SECONDS = 30

-- true once it is; nil and why where it never will be. A new CRD has conditions: null.
local function established(crd)
  local conditions = crd.status and crd.status.conditions
  if not is_list(conditions) then return false end
  for _, condition in ipairs(conditions) do
    if condition.type == "Established" then return condition.status == "True" end
    if condition.type == "NamesAccepted" and condition.status == "False" then return nil, condition.message end
  end
  return false
end

-- Applies the CRD and waits until the server serves its kind, so that objects of it can follow.
function M.apply(ctx, obj)
  local result, outcome = ctx:apply(obj)
  if ctx.dry_run then return result, outcome end
  for _ = 1, LIMIT_SECONDS * 10 do
    local is, refused = established(result)
    if is then return result, outcome end
    if refused then ctx:fail("its names are not accepted: %s", refused) end
    ctx:sleep(0.1)
    result = ctx:get(obj) or ctx:fail("it was deleted while its kind was waited for")
  end
  ctx:fail("its kind is not served after %d seconds", LIMIT_SECONDS)
end

return M
