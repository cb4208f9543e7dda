local flows = require "lib.flow"
local jobs = require "lib.job"

return flow {
  name = "rerun-job", label = "Run again", action = "create",
  help = "Runs a Job again: a new Job from the template of an old one, beside it or in its place.",
  resources = { "jobs" },
  input = {
    name = { type = "string", help = "of the new Job; else the old one's with the time" },
    replace = { type = "boolean", default = false, help = "delete the old Job and make the new one under its name" },
    timeout = { type = "integer", default = 300, help = "seconds to wait until a replaced Job is gone" },
  },
  run = function(ctx, input)
    local old = flows.live(ctx)
    if input.replace and input.name then ctx:fail("either a name for the new Job or replace, not both") end
    if input.replace and not jobs.ended(old) then
      ctx:fail("%s still runs: delete it first, or make a new one beside it", ctx.target.text)
    end
    local name = input.replace and old.metadata.name or input.name or jobs.name(ctx, old.metadata.name)
    local new = jobs.new(old, old.metadata.namespace, name)
    if input.replace then
      ctx:phase("Deleting the old Job…", { detail = ctx.target.text, progress = 1, total = 2 })
      ctx:delete(ctx.target, { propagation = "Background" })
      flows.did(ctx, "deleted", "deleted")
      if ctx.dry_run then return end
      ctx:wait_gone(ctx.target, { timeout = input.timeout, uid = old.metadata.uid })
    end
    ctx:phase("Creating the Job…", { detail = name, progress = 2, total = 2 })
    flows.create(ctx, new)
  end,
}
