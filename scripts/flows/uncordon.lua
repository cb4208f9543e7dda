local flows = require "lib.flow"

return flow {
  name = "uncordon", label = "Uncordon", action = "update",
  help = "Lets new Pods come to a node again.",
  resources = { "nodes" },
  run = function(ctx)
    flows.set(ctx, "unschedulable", false, "uncordoned")
  end,
}
