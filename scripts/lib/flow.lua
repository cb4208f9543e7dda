-- lib/flow.lua: how a flow is run, and what flows share.
local object = require "lib.object"

local M = {}

-- Runs a declaration on its target (nil where it is of none). What it has spawned ends before it does. Returns a
-- sentence, or nothing.
function M.run(declaration, ctx, target, input)
  ctx.target = target and object.ref(target)
  local result = declaration.run(ctx, input)
  ctx:all()
  if type(result) == "table" and type(result.summary) == "string" then return result.summary end
end

-- Runs what was deferred, the last one first. One that fails keeps no other from running.
function M.clean_up(ctx, deferred)
  local failed
  while #deferred > 0 do
    local ok, err = pcall(table.remove(deferred))
    if not ok then
      ctx:warn("what was deferred to the end failed: %s", type(err) == "table" and err.message or err)
      failed = true
    end
  end
  if failed then ctx:fail("what was deferred to the end failed") end
end

-- The target as it is now; ends the flow where it is not there.
function M.live(ctx)
  return ctx:get(ctx.target) or ctx:fail("%s is not there", ctx.target.text)
end

-- Says what the flow has done to its target ("restarted"; in a dry-run: would be), and counts it.
function M.did(ctx, what, outcome)
  if ctx.dry_run then
    ctx:line("%s validated (dry-run, no changes persisted): would be %s", ctx.target.text, what)
  else
    ctx:line("%s %s", ctx.target.text, what)
  end
  ctx:changed(outcome or "configured")
end

-- Waits until the target is ready; not in a dry-run, nor where `timeout` (seconds) is 0.
function M.wait(ctx, timeout, step)
  if ctx.dry_run or timeout <= 0 then return end
  ctx:phase("Waiting for readiness…", { detail = ctx.target.text, progress = step.progress, total = step.total })
  ctx:wait(ctx.target, { timeout = timeout })
end

-- Sets a switch in the target's spec: suspend, unschedulable. `done` is the word for it.
function M.set(ctx, field, value, done)
  local live = M.live(ctx)
  if (live.spec[field] == true) == value then
    ctx:line("%s is %s already", ctx.target.text, done)
    ctx:changed("unchanged")
    return
  end
  ctx:patch(ctx.target, { spec = { [field] = value } })
  M.did(ctx, done)
end

-- Creates another object than the target.
function M.create(ctx, obj)
  ctx:create(obj)
  ctx:line(ctx.dry_run and "%s validated (dry-run, no changes persisted): would be created" or "%s created",
    object.text(obj))
  ctx:changed("created")
end

return M
