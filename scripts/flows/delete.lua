local delete = require "lib.delete"
local flows = require "lib.flow"

return flow {
  name = "delete", label = "Delete", action = "delete",
  help = "Deletes one object, tells which finalizers hold it, and waits until it is gone.",
  resources = { "*" },
  input = {
    propagation = {
      type = "string", default = "Background", enum = { "Background", "Foreground", "Orphan" },
      help = "what becomes of the objects that belong to it",
    },
    timeout = { type = "integer", default = 300, help = "seconds to wait until it is gone; 0: do not wait" },
  },
  run = function(ctx, input)
    ctx:phase("Deleting…", { detail = ctx.target.text, progress = 1, total = 2 })
    local live, outcome = delete.object(ctx, ctx.target, input.propagation)
    if outcome == "unchanged" then
      ctx:changed("unchanged")
      return
    end
    flows.did(ctx, "deleted", "deleted")
    if ctx.dry_run or input.timeout <= 0 then return end
    ctx:phase("Waiting until it is gone…", { detail = ctx.target.text, progress = 2, total = 2 })
    ctx:wait_gone(ctx.target, { timeout = input.timeout, uid = live.metadata.uid })
  end,
}
