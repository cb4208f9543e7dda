-- demo/pods.lua: the life of a Pod: scheduled, created, running, ready, done or failed.
-- What goes otherwise is said by annotations: demo/fail: image-pull (its image never comes), demo/fail: crash
-- (its containers end with 1), demo/start-seconds: "5" (it takes so long to become ready, or to finish).
local write = require "demo.write"

local M = {}

local STEP_MS, PULL_MS, RUN_MS = 150, 400, 1000

local function again(pod, ms)
  store.due("pods", pod.metadata.namespace, pod.metadata.name, ms)
end

local function note(pod, name)
  return (pod.metadata.annotations or {})["demo/" .. name]
end

local turn = 0

-- The nodes that fit take turns. Where there is none: nil and why, as the scheduler says it.
local function choose_node(pod)
  local fitting, closed, other = {}, 0, 0
  for _, node in ipairs(store.list("nodes")) do
    local fits = true
    for key, value in next, pod.spec.nodeSelector or {} do
      fits = fits and (node.metadata.labels or {})[key] == value
    end
    if node.spec.unschedulable then closed = closed + 1
    elseif not fits then other = other + 1
    else fitting[#fitting + 1] = node end
  end
  turn = turn + 1
  if #fitting > 0 then return fitting[turn % #fitting + 1] end
  local reasons = {}
  if other > 0 then reasons[1] = ("%d node(s) didn't match Pod's node affinity/selector"):format(other) end
  if closed > 0 then reasons[#reasons + 1] = ("%d node(s) were unschedulable"):format(closed) end
  return nil, ("0/%d nodes are available: %s."):format(closed + other, table.concat(reasons, ", "))
end

-- Something that its node does with one of its containers.
local function container_event(pod, container, kind, reason, message)
  write.event(pod, kind, reason, message, "kubelet", ("spec.containers{%s}"):format(container.name))
end

local function set_state(pod, phase, ready, states, more)
  return write.change("pods", pod, "status", function(copy)
    local s = copy.status
    s.phase = phase
    local c = s.conditions
    local why = not ready and (phase == "Succeeded" and "PodCompleted" or "ContainersNotReady") or nil
    c = write.condition(c, "PodReadyToStartContainers", "True")
    c = write.condition(c, "Initialized", "True")
    c = write.condition(c, "Ready", ready and "True" or "False", why)
    c = write.condition(c, "ContainersReady", ready and "True" or "False", why)
    s.conditions = write.condition(c, "PodScheduled", "True")
    if states then s.containerStatuses = states end
    for key, value in next, more or {} do s[key] = value end
  end, "kubelet")
end

local function states(pod, make)
  local found = list {}
  for i, c in ipairs(pod.spec.containers) do
    local state = { name = c.name, image = c.image, imageID = "", restartCount = 0, ready = false, started = false }
    make(state, (pod.status.containerStatuses or {})[i] or {})
    found[i] = state
  end
  return found
end

local function schedule(pod)
  local node, why = choose_node(pod)
  if not node then
    local told = (pod.status.conditions or {})[1]
    write.change("pods", pod, "status", function(copy)
      copy.status.conditions = write.condition(copy.status.conditions, "PodScheduled", "False", "Unschedulable",
        why)
    end, "kube-scheduler")
    if not told or told.message ~= why then
      write.event(pod, "Warning", "FailedScheduling", why, "default-scheduler")
    end
    return
  end
  pod = write.change("pods", pod, "", function(copy) copy.spec.nodeName = node.metadata.name end, "kube-scheduler")
  write.change("pods", pod, "status", function(copy)
    copy.status.conditions = write.condition(copy.status.conditions, "PodScheduled", "True")
  end, "kube-scheduler")
  write.event(pod, "Normal", "Scheduled", ("Successfully assigned %s/%s to %s"):format(pod.metadata.namespace,
    pod.metadata.name, node.metadata.name), "default-scheduler")
  again(pod, STEP_MS)
end

local function create(pod)
  set_state(pod, "Pending", false, states(pod, function(s)
    s.state = { waiting = { reason = "ContainerCreating" } }
  end), { startTime = store.now(), hostIP = "10.0.0.1", hostIPs = list { { ip = "10.0.0.1" } } })
  for _, c in ipairs(pod.spec.containers) do
    container_event(pod, c, "Normal", "Pulling", ('Pulling image "%s"'):format(c.image))
  end
  again(pod, PULL_MS)
end

local function fail_pull(pod, was)
  local first = pod.spec.containers[1]
  local image = first.image
  local back_off = was == "ErrImagePull"
  local message = ('Failed to pull image "%s": not found (the annotation demo/fail says so)'):format(image)
  set_state(pod, "Pending", false, states(pod, function(s)
    s.state = { waiting = { reason = back_off and "ImagePullBackOff" or "ErrImagePull",
      message = back_off and ('Back-off pulling image "%s"'):format(s.image) or message } }
  end))
  if back_off then
    container_event(pod, first, "Normal", "BackOff", ('Back-off pulling image "%s"'):format(image))
    container_event(pod, first, "Warning", "Failed", "Error: ImagePullBackOff")
  else
    container_event(pod, first, "Warning", "Failed", message)
    container_event(pod, first, "Warning", "Failed", "Error: ErrImagePull")
    again(pod, RUN_MS)
  end
end

local function start(pod)
  local now = store.now()
  local ready = not note(pod, "start-seconds") and note(pod, "fail") ~= "crash"
  local ip = ("10.244.%d.%d"):format(math.random(0, 254), math.random(1, 254))
  set_state(pod, "Running", ready, states(pod, function(s, was)
    s.state, s.ready, s.started = { running = { startedAt = now } }, ready, true
    s.restartCount, s.imageID = was.restartCount or 0, "demo://" .. s.image
    s.containerID, s.lastState = "demo://" .. store.random(12), was.lastState
  end), { podIP = ip, podIPs = list { { ip = ip } } })
  for _, c in ipairs(pod.spec.containers) do
    container_event(pod, c, "Normal", "Pulled", ('Successfully pulled image "%s"'):format(c.image))
    container_event(pod, c, "Normal", "Created", "Created container: " .. c.name)
    container_event(pod, c, "Normal", "Started", "Started container " .. c.name)
  end
  again(pod, RUN_MS)
end

local function finish(pod, code)
  local now = store.now()
  set_state(pod, code == 0 and "Succeeded" or "Failed", false, states(pod, function(s, was)
    s.state = { terminated = { exitCode = code, reason = code == 0 and "Completed" or "Error", finishedAt = now,
      startedAt = was.state and was.state.running and was.state.running.startedAt or now } }
    s.imageID, s.restartCount = was.imageID or "", was.restartCount or 0
  end))
end

local CRASHES_MOST = 5

local function crash(pod)
  local first = pod.status.containerStatuses[1]
  if pod.spec.restartPolicy == "Never" then finish(pod, 1) return end
  local count = (first.restartCount or 0) + 1
  set_state(pod, "Running", false, states(pod, function(s, was)
    local now = store.now()
    s.state = { waiting = { reason = "CrashLoopBackOff", message = "back-off restarting failed container" } }
    s.lastState = { terminated = { exitCode = 1, reason = "Error", finishedAt = now, containerID = was.containerID,
      startedAt = was.state and was.state.running and was.state.running.startedAt or now } }
    s.restartCount, s.imageID = count, was.imageID or ""
  end))
  container_event(pod, first, "Warning", "BackOff", ("Back-off restarting failed container %s in pod %s"):format(
    first.name, pod.metadata.name))
end

-- After each crash it waits longer, and after some for ever. A change of the Pod makes this look early.
local function restart(pod, first)
  local count = first.restartCount or 0
  if count >= CRASHES_MOST then return end
  local _, now = store.now()
  local left = store.time(first.lastState.terminated.finishedAt) + 2000 * count - now
  if left > 0 then again(pod, left) else start(pod) end
end

local function elapsed(pod)
  local running = pod.status.containerStatuses[1].state.running
  local _, now = store.now()
  return running and now - store.time(running.startedAt) or 0
end

-- A running Pod: is it ready by now, has it finished?
local function go_on(pod)
  local seconds = tonumber(note(pod, "start-seconds") or "")
  local job, crashes = pod.spec.restartPolicy ~= "Always", note(pod, "fail") == "crash"
  local left = (seconds or (job or crashes) and RUN_MS / 1000 or 0) * 1000 - elapsed(pod)
  if left > 0 then
    again(pod, math.ceil(left))
  elseif crashes then
    crash(pod)
  elseif job then
    finish(pod, 0)
  elseif not write.is_ready(pod) then
    set_state(pod, "Running", true, states(pod, function(s, was)
      for key, value in next, was do s[key] = value end
      s.ready = true
    end))
  end
end

function M.run(pod)
  local s = pod.status or {}
  local first = (s.containerStatuses or {})[1]
  if pod.metadata.deletionTimestamp then
    if #(pod.metadata.finalizers or {}) > 0 then return end
    for _, c in ipairs(first and first.state.running and pod.spec.containers or {}) do
      container_event(pod, c, "Normal", "Killing", "Stopping container " .. c.name)
    end
    write.remove("pods", pod)
  elseif not pod.spec.nodeName then
    schedule(pod)
  elseif s.phase == "Succeeded" or s.phase == "Failed" then
    return
  elseif not first then
    create(pod)
  elseif first.state.waiting then
    local why = first.state.waiting.reason
    if why == "CrashLoopBackOff" then
      restart(pod, first)
    elseif note(pod, "fail") == "image-pull" then
      if why ~= "ImagePullBackOff" then fail_pull(pod, why) end
    else
      start(pod)
    end
  else
    go_on(pod)
  end
end

return M
