local flows = require "lib.flow"
local scale = require "lib.scale"

return flow {
  name = "scale", label = "Scale", action = "scale",
  help = "Sets the number of replicas, tells what it was, and waits until they are ready.",
  resources = { "deployments", "statefulsets", "replicasets" },
  input = {
    replicas = { type = "integer", required = true, help = "how many there are to be" },
    timeout = { type = "integer", default = 300, help = "seconds to wait until ready; 0: do not wait" },
  },
  run = function(ctx, input)
    ctx:phase("Scaling…", { detail = ctx.target.text, progress = 1, total = 2 })
    local _, outcome, was = scale.to(ctx, ctx.target, input.replicas)
    if outcome == "unchanged" then
      ctx:line("%s has %d replicas already", ctx.target.text, was)
      ctx:changed("unchanged")
      return
    end
    flows.did(ctx, ("scaled from %d to %d"):format(was, input.replicas))
    flows.wait(ctx, input.timeout, { progress = 2, total = 2 })
  end,
}
