local flows = require "lib.flow"

return flow {
  name = "cordon", label = "Cordon", action = "update",
  help = "Keeps new Pods away from a node.",
  resources = { "nodes" },
  run = function(ctx)
    flows.set(ctx, "unschedulable", true, "cordoned")
  end,
}
