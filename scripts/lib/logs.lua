-- lib/logs.lua: the logs of a workload's Pods, as they are or as they come.
local flows = require "lib.flow"
local jobs = require "lib.job"
local object = require "lib.object"
local pods = require "lib.pods"

local M = {}

local PODS_MOST = 16     -- followed at once
local STREAMS_MOST = 60  -- the same; a flow has 64 tasks
local LISTED_MOST = 500
local TAIL = 100         -- lines of the past where a log is followed
local LOOK_SECONDS = 30  -- Pods are looked for when their workload changes, and so often
local CHANGE_SECONDS = 2 -- and no more often
local AGAIN_SECONDS, AGAIN_MOST = 2, 15

local function map(value) return type(value) == "table" and value or {} end

-- ---- which Pods and containers ----

-- The labels that the target's Pods have, as a query.
local function query_of(ctx, live)
  local selector = map(live.spec).selector
  if live.kind == "Service" then selector = { matchLabels = selector } end
  local query = pods.query(map(selector))
  if not query then ctx:fail("%s chooses its Pods by no label, so it has no logs", object.text(live)) end
  return query
end

local function has_ended(pod)
  local phase = map(pod.status).phase
  return phase == "Succeeded" or phase == "Failed"
end

-- The target's Pods, by name; those that have ended last.
local function pods_of(ctx, live)
  if live.kind == "Pod" then return { live } end
  local found = ctx:list({ apiVersion = "v1", kind = "Pod", namespace = ctx.target.namespace },
    { query = ("labelSelector=%s&limit=%d"):format(query_of(ctx, live), LISTED_MOST) })
  for _, pod in ipairs(found) do pod.apiVersion, pod.kind = "v1", "Pod" end -- items of a list have neither
  table.sort(found, function(a, b)
    if has_ended(a) ~= has_ended(b) then return has_ended(b) end
    return a.metadata.name < b.metadata.name
  end)
  return found
end

-- The names of a Pod's containers, in the order in which they start; `wanted` alone where it is said.
local function containers_of(pod, wanted)
  local names = {}
  for _, group in ipairs { "initContainers", "containers", "ephemeralContainers" } do
    for _, container in ipairs(map(map(pod.spec)[group])) do
      if not wanted or container.name == wanted then names[#names + 1] = container.name end
    end
  end
  return names
end

local function all_containers(ctx, list, wanted)
  local count, seen, known = 0, {}, {}
  for _, pod in ipairs(list) do
    count = count + #containers_of(pod, wanted)
    for _, name in ipairs(containers_of(pod)) do
      if not seen[name] then known[#known + 1] = name end
      seen[name] = true
    end
  end
  if wanted and #list > 0 and count == 0 then
    ctx:fail("%s has no container %s; it has: %s", ctx.target.text, wanted, table.concat(known, ", "))
  end
  return count
end

local function status_of(pod, name)
  for _, group in ipairs { "initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses" } do
    for _, status in ipairs(map(map(pod.status)[group])) do
      if status.name == name then return status end
    end
  end
end

local function title(pod, name) return ("%s/%s"):format(pod.metadata.name, name) end

-- ---- as they are ----

-- One container's log, to its end. Whether it could be read.
local function show_one(ctx, input, pod, name, prefixed)
  local done, err = ctx:try(function()
    local _, _, why = ctx:logs(object.ref(pod), {
      container = name, tail = input.tail, since = input.since, previous = input.previous or nil,
      timestamps = input.timestamps, prefix = prefixed and ("[%s] "):format(title(pod, name)) or nil,
    })
    return { why = why }
  end)
  local problem = not done and err.message or done and done.why and "it broke off: " .. done.why
  if problem then ctx:warn("%s: %s", title(pod, name), problem) end
  return not problem
end

-- Brings them one after the other. What cannot be brought is said, and keeps nothing else back.
function M.show(ctx, input)
  local list = pods_of(ctx, flows.live(ctx))
  local count, read = all_containers(ctx, list, input.container), 0
  if #list == 0 then
    ctx:warn("%s has no Pods", ctx.target.text)
    return
  end
  if #list == LISTED_MOST then ctx:warn("only the first %d Pods are looked at", LISTED_MOST) end
  for i, pod in ipairs(list) do
    ctx:phase("Reading logs…", { detail = pod.metadata.name, progress = i, total = #list })
    for _, name in ipairs(containers_of(pod, input.container)) do
      if show_one(ctx, input, pod, name, count > 1) then read = read + 1 end
    end
  end
  if read == 0 then ctx:fail("no log could be read") end
end

-- ---- as they come ----

-- A stream is one container that is followed: { pod, name, title, prefix, after = the time of its newest line,
-- moved = whether anything came, told = what was said last, restarted = when it last ended }.
local function warn_once(ctx, stream, text)
  if stream.told ~= text then ctx:warn("%s: %s", stream.title, text) end
  stream.told = text
end

-- Brings what it writes until it ends or the connection does. Whether to go on.
local function read(ctx, input, stream)
  local result, err = ctx:try(function()
    local lines, last, why = ctx:logs(object.ref(stream.pod), {
      container = stream.name, follow = true, timestamps = input.timestamps, prefix = stream.prefix,
      after = stream.after, tail = not stream.after and (input.tail or TAIL) or nil,
      since = not stream.after and input.since or nil,
    })
    return { lines = lines, last = last, why = why }
  end)
  if result then
    stream.after, stream.moved = result.last or stream.after, result.lines > 0
    if result.lines > 0 then stream.told = nil end
    if result.why then warn_once(ctx, stream, "it broke off, and is asked for again: " .. result.why) end
    return true
  end
  stream.moved = false
  warn_once(ctx, stream, err.message)
  return err.status ~= 404 and err.status ~= 403 and err.code ~= "forbidden"
end

local function ended(terminated)
  local reason = terminated.reason
  return ("it ended with exit code %s%s"):format(math.tointeger(terminated.exitCode) or "?",
    reason and reason ~= "Error" and reason ~= "Completed" and " (" .. reason .. ")" or "")
end

-- Will the container not run again, as the Pod's status says? A sentence why.
local function is_over(ctx, stream)
  local pod, err = ctx:try(function() return ctx:get(object.ref(stream.pod)) or false end)
  if pod == nil then
    warn_once(ctx, stream, err.message)
    return nil -- it is asked for again
  end
  if not pod or pod.metadata.uid ~= stream.pod.metadata.uid then return "its Pod is gone" end
  local status = map(status_of(pod, stream.name))
  local terminated = map(status.state).terminated
  if not terminated then
    local last = map(map(status.lastState).terminated)
    if last.exitCode and last.finishedAt ~= stream.restarted then
      stream.restarted = last.finishedAt
      warn_once(ctx, stream, ended(last) .. " and is started again")
    end
    return has_ended(pod) and "its Pod has ended" or nil
  end
  local policy = map(pod.spec).restartPolicy or "Always"
  local init = false
  for _, c in ipairs(map(map(pod.spec).initContainers)) do init = init or c.name == stream.name end
  local for_good = has_ended(pod) or pod.metadata.deletionTimestamp or policy == "Never"
    or terminated.exitCode == 0 and (init or policy == "OnFailure")
  return for_good and ended(terminated) or nil
end

local function follow_one(ctx, input, state, stream)
  local pause = AGAIN_SECONDS
  while read(ctx, input, stream) do
    local why = is_over(ctx, stream)
    if why then
      ctx:warn("%s: %s", stream.title, why)
      break
    end
    pause = stream.moved and AGAIN_SECONDS or math.min(pause * 2, AGAIN_MOST)
    ctx:sleep(pause)
  end
  state.streams = state.streams - 1
  state.of[stream.pod.metadata.uid] = state.of[stream.pod.metadata.uid] - 1
  if state.of[stream.pod.metadata.uid] == 0 then state.pods = state.pods - 1 end
end

local function begin(ctx, input, state, pod, names)
  local uid = pod.metadata.uid
  state.seen[uid], state.of[uid] = true, #names
  state.pods, state.streams = state.pods + 1, state.streams + #names
  if state.looks > 1 then ctx:warn("pod %s has come", pod.metadata.name) end
  for _, name in ipairs(names) do
    local stream = {
      pod = { apiVersion = "v1", kind = "Pod", metadata = {
        name = pod.metadata.name, namespace = pod.metadata.namespace, uid = uid } },
      name = name, title = title(pod, name), prefix = state.prefixed and ("[%s] "):format(title(pod, name)) or nil,
      restarted = map(map(map(status_of(pod, name)).lastState).terminated).finishedAt,
    }
    ctx:spawn(function() follow_one(ctx, input, state, stream) end)
  end
end

-- Begins with the Pods that are new, as far as there is room.
local function look(ctx, input, state, live)
  local waiting, list = 0, pods_of(ctx, live)
  state.looks = state.looks + 1
  all_containers(ctx, list, input.container)
  for _, pod in ipairs(list) do
    local names = containers_of(pod, input.container)
    if not state.seen[pod.metadata.uid] and #names > 0 then
      if has_ended(pod) and live.kind ~= "Pod" and live.kind ~= "Job" then
        state.seen[pod.metadata.uid] = true
      elseif state.pods >= PODS_MOST or state.streams + #names > STREAMS_MOST then
        waiting = waiting + 1
      else
        begin(ctx, input, state, pod, names)
      end
    end
  end
  if waiting > 0 and waiting ~= state.waiting then
    ctx:warn("%d more Pods are not followed before others end: %d at once are the most", waiting, state.pods)
  end
  state.waiting = waiting
  if #list == 0 and state.looks == 1 then ctx:warn("%s has no Pods yet", ctx.target.text) end
  ctx:phase("Following logs…", { detail = ("%s: %d Pods"):format(ctx.target.text, state.pods) })
end

-- Will no Pod come any more?
local function is_complete(live)
  return live.kind == "Pod" or live.kind == "Job" and jobs.ended(live) ~= nil
end

-- The target when it has changed or some time has passed; nil where it is gone.
local function next_state(ctx, state, live)
  -- A Service does not change when its Pods do, and room for one more is no change either.
  local seconds = (live.kind == "Service" or state.waiting > 0) and CHANGE_SECONDS or LOOK_SECONDS
  ctx:sleep(CHANGE_SECONDS)
  local _, refused = ctx:try(function()
    ctx:next_change(ctx.target, live.metadata.resourceVersion, seconds)
    return true
  end)
  if refused then ctx:sleep(seconds) end -- what cannot be watched can still be asked for
  local found, err = ctx:try(function() return ctx:get(ctx.target) or false end)
  if found == nil then
    if err.status ~= 0 and err.status ~= 429 and err.status < 500 then error(err, 0) end
    if state.problem ~= err.message then ctx:warn("no new Pods are seen: %s", err.message) end
  end
  state.problem = found == nil and err.message or nil
  return found == nil and live or found or nil
end

-- Follows all of them until none is left that could write: of a Pod and of a Job until they end, of others until
-- they are deleted.
function M.follow(ctx, input)
  local live = flows.live(ctx)
  local state = { seen = {}, of = {}, pods = 0, streams = 0, looks = 0, waiting = 0,
    prefixed = live.kind ~= "Pod" or #containers_of(live, input.container) > 1 }
  while live do
    if not state.problem then look(ctx, input, state, live) end
    if state.waiting == 0 and is_complete(live) then break end
    live = next_state(ctx, state, live)
  end
  if not live then ctx:warn("%s is gone", ctx.target.text) end
  ctx:all()
end

return M
