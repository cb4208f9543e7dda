-- testing/tasks.lua: the primitives of flows: tasks, commands, logs, changes, what is deferred. A task runs to its
-- end when it is waited for; commands and logs are what the spec says they are.
local cluster = require "testing.cluster"
local object = require "lib.object"

local M = {}

-- What the spec says for `name`: a function's results, or the value itself.
local function told(of, name, ...)
  local what = of[name]
  if type(what) == "function" then return what(...) end
  return what
end

-- Says each line of a text. Returns how many there are.
local function say(test, text, prefix)
  local before = #test.lines
  for line in (text .. "\n"):gsub("\n\n$", "\n"):gmatch("(.-)\n") do
    test.lines[#test.lines + 1] = (prefix or "") .. line
  end
  return #test.lines - before
end

-- Adds them to the primitives of a test; `raise` is core's.
function M.add(core, test, raise)
  local waiting = {}

  function core.spawn(fn) waiting[#waiting + 1] = fn end

  function core.join()
    while #waiting > 0 do table.remove(waiting, 1)() end
  end

  function core.defer(fn) test.deferred[#test.deferred + 1] = fn end

  function core.exec(command, args, options)
    options = options or {}
    test.executed[#test.executed + 1] = {
      command = command, args = object.copy(args or {}), options = object.copy(options),
    }
    if test.dry_run and not options.dry_run_safe then raise("forbidden", 0, "", "a dry-run runs no command") end
    if test.commands[command] == nil then
      error(("the spec does not say what %s does: testing.new { commands = { [%q] = … } }"):format(command, command), 0)
    end
    local code, output = told(test.commands, command, args or {}, options)
    if not options.quiet and output then say(test, output) end
    return code, options.capture and (output or "") or nil
  end

  function core.logs(pod, options)
    local name = (pod.metadata or pod).name
    local live = core.request("get", pod)
    local text = told(test.logs, live.metadata.name, options) or error("the spec does not say what the log of "
      .. name .. " is: testing.new { logs = { [\"" .. name .. "\"] = … } }", 0)
    return say(test, text, options.prefix), core.now()
  end

  -- What the spec puts while the time passes is the change.
  function core.next_change(target, version, seconds)
    local function look()
      local kind = cluster.kind(test.cluster, target.apiVersion, target.kind)
      local live = kind and test:get(target)
      if not live then return true, nil, "deleted" end
      return live.metadata.resourceVersion ~= version, live
    end
    local is, live, why = look()
    if not is then
      core.sleep(seconds)
      is, live, why = look()
    end
    if is then return live, why end
    return nil, "timeout"
  end
end

return M
