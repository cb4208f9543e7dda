local followed = require "lib.logs"

return flow {
  name = "logs", label = "Logs", action = "get",
  help = "What the containers of a Pod, or of all Pods of a workload, have written; or, followed, what they write.",
  resources = { "pods", "deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "services" },
  input = {
    container = { type = "string", help = "only this one; else all of them" },
    follow = { type = "boolean", default = false, help = "go on with what comes, also from Pods that come later" },
    tail = { type = "integer", help = "lines of what was written before; else all, or 100 where it is followed" },
    since = { type = "integer", help = "only lines of so many last seconds" },
    previous = { type = "boolean", default = false, help = "of the container before it was started again" },
    timestamps = { type = "boolean", default = false, help = "with the time before each line" },
  },
  run = function(ctx, input)
    if input.tail and input.tail < 0 then ctx:fail("tail must be 0 or more, not %d", input.tail) end
    if input.since and input.since < 1 then ctx:fail("since must be 1 second or more, not %d", input.since) end
    if input.follow and input.previous then
      ctx:fail("the container before has ended, so its log cannot be followed: leave out follow or previous")
    end
    if input.follow then followed.follow(ctx, input) else followed.show(ctx, input) end
  end,
}
