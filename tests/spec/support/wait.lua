--- Limits, and things at the same time.

local cqueues = require "cqueues"

local wait = {}

local slow = (os.getenv("MOONSAIL_TAGS") or ""):find("asan", 1, true) and 4 or 1

--- A limit of `n` seconds on a quiet machine, with room for the sanitizers.
function wait.seconds(n)
  return n * slow
end

--- When a limit that starts now is over; how much of it is left.
function wait.deadline(limit)
  return cqueues.monotime() + limit
end

function wait.left(deadline)
  return math.max(deadline - cqueues.monotime(), 0)
end

--- Asks `fn` until it gives something true, and returns that. `what` is for the failure.
function wait.eventually(what, fn, limit)
  local deadline = wait.deadline(limit or wait.seconds(10))
  while true do
    local value = fn()
    if value then return value end
    if wait.left(deadline) == 0 then
      error(("not so within the limit: %s"):format(what), 2)
    end
    cqueues.sleep(0.01)
  end
end

--- Runs the functions at the same time and returns what each returned, in order. The
-- first failure is raised and ends the others.
function wait.together(...)
  local controller, results, failure = cqueues.new(), {}, nil
  local deadline = wait.deadline(wait.seconds(60))
  for i, fn in ipairs { ... } do
    controller:wrap(function()
      local ok, value = xpcall(fn, function(e)
        return type(e) == "string" and debug.traceback(e, 2) or e
      end)
      if ok then
        results[i] = value
      else
        failure = failure or { value }
      end
    end)
  end
  while not controller:empty() and not failure do
    if wait.left(deadline) == 0 then error("together: not done within the limit", 2) end
    local ok, message = controller:step(wait.left(deadline))
    if not ok then error(message, 2) end
  end
  if failure then error(failure[1], 0) end
  return table.unpack(results, 1, select("#", ...))
end

return wait
