-- lib/wait.lua: waiting until an object is ready, or gone, by watching it.
--
-- Needs of ctx, beside get, list, try, line, warn and fail:
--   ctx:clock() → seconds, as a float that only grows
--   ctx:next_change(target, resource_version, seconds) → the object, changed · nil, "deleted" · nil, "timeout"
local object = require "lib.object"
local reasons = require "lib.reasons"
local status = require "lib.status"

local M = {}

local TIMEOUT = 300
local LOOK_SECONDS = 3   -- Pods and events change without the object: so often they are looked at again
local BAD_SECONDS = 30   -- what is bad for so long without any progress is taken for good
local SAY_SECONDS = 1    -- progress is said no more often, and not of what is ready in less
local WARNINGS = 20      -- reasons that are said while waiting
local NO_ANSWER = "the API server does not answer: "

-- Whether to go on after the API server refused: what it says of the request stays so.
local function is_passing(err)
  local code = err.status or 0
  return code == 0 or code == 429 or code >= 500
end

-- The object, nil where it is not there; false and why where the API server cannot say now.
local function look(ctx, ref)
  local found, err = ctx:try(function() return ctx:get(ref) or false end)
  if found then return found end
  if found == false then return nil end
  if is_passing(err) then return false, err.message end
  error(err, 0)
end

-- Waits for the next change, or until the time is over. The object as it is then; else as `look` says it.
local function change(ctx, ref, obj, seconds)
  local found, why = ctx:try(function()
    local changed, what = ctx:next_change(ref, obj.metadata.resourceVersion, seconds)
    return changed or false, what
  end)
  if found then return found end
  if found == false then
    -- Deleted, it may be there again: the watch hears of that later.
    if why == "deleted" then return look(ctx, ref) end
    return obj
  end
  -- What cannot be watched can still be asked for.
  ctx:sleep(math.min(seconds, 1))
  return look(ctx, ref)
end

local function join(first, list)
  local parts = { first }
  for _, reason in ipairs(list) do parts[#parts + 1] = reason.text end
  return table.concat(parts, "; ")
end

-- How long was waited. Among many objects one may have its turn when no time is left.
local function after(seconds)
  return seconds > 0 and ("after %d s"):format(math.ceil(seconds)) or "when the time is over"
end

local function has(list, level)
  for _, reason in ipairs(list) do
    if reason.level == level then return true end
  end
  return false
end

-- Says what is new of the progress and of the reasons.
local function say(ctx, w, why, now)
  if why ~= w.said and now - w.said_at >= SAY_SECONDS then
    ctx:line("%s: %s", w.text, why)
    w.said, w.said_at = why, now
  end
  for _, reason in ipairs(w.reasons) do
    if reason.level ~= "note" and not w.warned[reason.text] and w.warnings < WARNINGS then
      w.warned[reason.text], w.warnings = true, w.warnings + 1
      ctx:warn("%s: %s", w.text, reason.text)
    end
  end
end

-- Ends the wait where it cannot end well.
local function judge(ctx, w, why, count, now)
  if count and count > w.best then
    w.best, w.bad_since = count, nil
  end
  w.bad_since = has(w.reasons, "bad") and (w.bad_since or now) or nil
  w.fatal_since = has(w.reasons, "fatal") and (w.fatal_since or now) or nil
  -- Seen twice: what was there before this may just be on its way out of a quota.
  if w.fatal_since and now - w.fatal_since >= LOOK_SECONDS then
    ctx:fail("%s will not become ready: %s", w.text, join(why, w.reasons))
  elseif w.bad_since and now - w.bad_since >= BAD_SECONDS then
    ctx:fail("%s does not become ready, and nothing got better for %d s: %s", w.text, BAD_SECONDS,
      join(why, w.reasons))
  elseif now >= w.deadline then
    ctx:fail("%s is not ready %s: %s", w.text, after(w.timeout), join(why, w.reasons))
  end
end

-- The verdict of the kind's own function, where it has one, else of lib.status.
local function verdict(ctx, obj, ready)
  if ready then
    local is, why, count = ready(obj, ctx)
    if is == false then return false, why or "it is not ready", count end
    if is ~= nil or why ~= nil then return is, why end
  end
  return status.ready(obj, ctx)
end

local function look_for_reasons(ctx, w, obj, now)
  if now < w.look_at and now < w.deadline then return end
  w.look_at = now + LOOK_SECONDS
  w.reasons = reasons.of(ctx, obj)
end

local function never(ctx, w, obj, why)
  ctx:fail("%s will not become ready: %s", w.text, join(why, reasons.of(ctx, obj)))
end

-- Waits until the object of `ref` is ready, and returns it. options: timeout (seconds), ready (of a resource file).
-- Progress is said in lines. Ends with a sentence when the time is over, when the object goes away, or as
-- soon as it is clear that it will not become ready.
function M.until_ready(ctx, ref, options)
  options = options or {}
  local began = ctx:clock()
  local w = {
    text = ref.text or object.text(ref), timeout = options.timeout or TIMEOUT, reasons = {}, best = 0,
    said_at = began, warned = {}, warnings = 0, look_at = began + SAY_SECONDS,
  }
  w.deadline = began + w.timeout
  local obj, problem = look(ctx, ref)
  local known = obj or nil
  while true do
    local now = ctx:clock()
    if obj == nil then
      ctx:fail(known and "%s was deleted while it was waited for" or "%s is not there", w.text)
    end
    local why, count = NO_ANSWER .. tostring(problem), nil
    if obj then
      local ready
      known = obj
      ready, why, count = verdict(ctx, obj, options.ready)
      if ready then
        if why then ctx:line("%s: %s", w.text, why) end
        return obj
      end
      if ready == nil then never(ctx, w, obj, why) end
      look_for_reasons(ctx, w, obj, now)
    end
    now = ctx:clock()
    say(ctx, w, why, now)
    judge(ctx, w, why, count, now)
    local seconds = math.max(math.min(w.deadline - now, w.look_at - now), 0.05)
    if obj then
      obj, problem = change(ctx, ref, obj, seconds)
    else
      ctx:sleep(math.min(seconds, 1))
      obj, problem = look(ctx, ref)
    end
  end
end

-- What holds a deleted object: its finalizers in words.
local function held(obj)
  local finalizers = obj.metadata.finalizers
  if type(finalizers) ~= "table" or #finalizers == 0 then
    return obj.metadata.deletionTimestamp and "it is still ending" or "nobody deleted it"
  end
  return ("its finalizer%s %s hold%s it"):format(#finalizers > 1 and "s" or "", table.concat(finalizers, ", "),
    #finalizers > 1 and "" or "s")
end

-- Waits until the object of `ref` is gone, or another one has its name. options: timeout (seconds), uid.
function M.until_gone(ctx, ref, options)
  options = options or {}
  local text, timeout = ref.text or object.text(ref), options.timeout or TIMEOUT
  local deadline = ctx:clock() + timeout
  local obj, problem = look(ctx, ref)
  local uid = options.uid or obj and obj.metadata.uid
  while obj ~= nil do
    if obj and uid and obj.metadata.uid ~= uid then return end
    local left = deadline - ctx:clock()
    if left <= 0 then
      ctx:fail("%s is not gone %s: %s", text, after(timeout), obj and held(obj) or NO_ANSWER .. tostring(problem))
    end
    local seconds = math.min(left, LOOK_SECONDS)
    if obj then
      obj, problem = change(ctx, ref, obj, seconds)
    else
      ctx:sleep(math.min(seconds, 1))
      obj, problem = look(ctx, ref)
    end
  end
end

return M
