local flows = require "lib.flow"

return flow {
  name = "resume", label = "Resume", action = "update",
  help = "Lets a suspended CronJob or Job go on.",
  resources = { "cronjobs", "jobs" },
  run = function(ctx)
    flows.set(ctx, "suspend", false, "resumed")
  end,
}
