local flows = require "lib.flow"
local ownership = require "lib.ownership"

local function managers(live)
  local names, seen = {}, {}
  for _, entry in ipairs(live.metadata.managedFields or {}) do
    if not seen[entry.manager] then
      seen[entry.manager] = true
      names[#names + 1] = entry.manager
    end
  end
  return table.concat(names, ", ")
end

return flow {
  name = "migrate-ownership", label = "Take over fields", action = "update",
  help = "Makes the fields that one manager owns ours, so that the next apply meets no conflict with it.",
  resources = { "*" },
  input = { from = { type = "string", required = true, help = "the manager, as a conflict names it" } },
  run = function(ctx, input)
    local live = flows.live(ctx)
    local after = ownership.take(ctx, live, { input.from })
    if after == live then
      ctx:fail("%s: %s owns no field that could be taken; its managers are: %s", ctx.target.text, input.from,
        managers(live))
    end
    ctx:changed("configured")
  end,
}
