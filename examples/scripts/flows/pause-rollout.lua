-- A flow of your own: it is offered on Deployments in the panel, and `moonsail flow pause-rollout
-- deployments/web -i paused=true` runs it.
local flows = require "lib.flow"

return flow {
  name = "pause-rollout", label = "Pause roll-out", action = "update",
  help = "Holds a Deployment's roll-out where it is, so that several changes go out as one; or lets it go on.",
  resources = { "deployments" },
  input = { paused = { type = "boolean", default = true, help = "false: go on" } },
  run = function(ctx, input)
    flows.set(ctx, "paused", input.paused, input.paused and "paused" or "resumed")
  end,
}
