local flows = require "lib.flow"

return flow {
  name = "suspend", label = "Suspend", action = "update",
  help = "Stops a CronJob from starting Jobs, or a Job from running Pods, until it is resumed.",
  resources = { "cronjobs", "jobs" },
  run = function(ctx)
    flows.set(ctx, "suspend", true, "suspended")
  end,
}
