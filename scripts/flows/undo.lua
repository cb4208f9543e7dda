local undo = require "lib.undo"

return flow {
  name = "undo", label = "Undo", action = "update",
  help = "Takes back what an apply has changed, in reverse order, but for what others have changed since.",
  resources = {},
  input = {
    executionId = { type = "string", required = true, help = "of the apply, which has ended" },
    force = { type = "boolean", default = false, help = "take back what others have changed since or would lose, too" },
  },
  run = function(ctx, input)
    undo.execution(ctx, input.executionId, input.force)
  end,
}
