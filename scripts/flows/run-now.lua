local flows = require "lib.flow"
local jobs = require "lib.job"

return flow {
  name = "run-now", label = "Run now", action = "create",
  help = "Makes a Job from a CronJob at once, without waiting for its time.",
  resources = { "cronjobs" },
  input = { name = { type = "string", help = "of the Job; else the CronJob's with the time" } },
  run = function(ctx, input)
    local cron = flows.live(ctx)
    local meta = cron.metadata
    local job = jobs.new(cron.spec.jobTemplate, meta.namespace, input.name or jobs.name(ctx, meta.name))
    job.metadata.annotations["cronjob.kubernetes.io/instantiate"] = "manual"
    job.metadata.ownerReferences = list { {
      apiVersion = cron.apiVersion, kind = cron.kind, name = meta.name, uid = meta.uid, controller = true,
    } }
    ctx:phase("Creating the Job…", { detail = job.metadata.name, progress = 1, total = 1 })
    flows.create(ctx, job)
  end,
}
