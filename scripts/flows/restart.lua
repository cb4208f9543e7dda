local flows = require "lib.flow"

return flow {
  name = "restart", label = "Restart", action = "update",
  help = "Rolls every Pod of a workload by changing an annotation, and waits until they are ready.",
  resources = { "deployments", "statefulsets", "daemonsets" },
  input = { timeout = { type = "integer", default = 300, help = "seconds to wait until ready; 0: do not wait" } },
  run = function(ctx, input)
    local live = flows.live(ctx)
    if live.kind == "Deployment" and live.spec.paused == true then
      ctx:fail("%s is paused, so nothing would be rolled: resume it first", ctx.target.text)
    end
    ctx:phase("Restarting…", { detail = ctx.target.text, progress = 1, total = 2 })
    ctx:patch(ctx.target, { spec = { template = { metadata = { annotations = {
      ["kubectl.kubernetes.io/restartedAt"] = ctx:now(),
    } } } } })
    flows.did(ctx, "restarted")
    flows.wait(ctx, input.timeout, { progress = 2, total = 2 })
  end,
}
