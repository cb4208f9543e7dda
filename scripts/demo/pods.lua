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

-- The nodes that fit take turns.
local function choose_node(pod)
  local fitting = {}
  for _, node in ipairs(store.list("nodes")) do
    local fits = not node.spec.unschedulable
    for key, value in next, pod.spec.nodeSelector or {} do
      fits = fits and (node.metadata.labels or {})[key] == value
    end
    if fits then fitting[#fitting + 1] = node end
  end
  turn = turn + 1
  return fitting[turn % math.max(#fitting, 1) + 1]
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
  local node = choose_node(pod)
  if not node then
    write.change("pods", pod, "status", function(copy)
      copy.status.conditions = write.condition(copy.status.conditions, "PodScheduled", "False", "Unschedulable",
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.")
    end, "kube-scheduler")
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
    write.event(pod, "Normal", "Pulling", ('Pulling image "%s"'):format(c.image), "kubelet")
  end
  again(pod, PULL_MS)
end

local function fail_pull(pod, was)
  local image = pod.spec.containers[1].image
  local back_off = was == "ErrImagePull"
  local message = ('failed to pull image "%s": not found (the annotation demo/fail says so)'):format(image)
  set_state(pod, "Pending", false, states(pod, function(s)
    s.state = { waiting = { reason = back_off and "ImagePullBackOff" or "ErrImagePull",
      message = back_off and ('Back-off pulling image "%s"'):format(s.image) or message } }
  end))
  if back_off then
    write.event(pod, "Normal", "BackOff", ('Back-off pulling image "%s"'):format(image), "kubelet")
  else
    write.event(pod, "Warning", "Failed", "Failed to pull image: " .. message, "kubelet")
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
    s.containerID = "demo://" .. store.random(12)
  end), { podIP = ip, podIPs = list { { ip = ip } } })
  for _, c in ipairs(pod.spec.containers) do
    write.event(pod, "Normal", "Pulled", ('Successfully pulled image "%s"'):format(c.image), "kubelet")
    write.event(pod, "Normal", "Started", "Started container " .. c.name, "kubelet")
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
    s.state = { waiting = { reason = "CrashLoopBackOff", message = "back-off restarting failed container" } }
    s.lastState = { terminated = { exitCode = 1, reason = "Error", finishedAt = store.now() } }
    s.restartCount, s.imageID = count, was.imageID or ""
  end))
  write.event(pod, "Warning", "BackOff", ("Back-off restarting failed container %s"):format(first.name), "kubelet")
  if count < CRASHES_MOST then again(pod, 2000 * count) end
end

local function elapsed(pod)
  local running = pod.status.containerStatuses[1].state.running
  local _, now = store.now()
  return running and now - store.time(running.startedAt) or 0
end

-- A running Pod: is it ready by now, has it finished?
local function go_on(pod)
  local seconds = tonumber(note(pod, "start-seconds") or "")
  local job = pod.spec.restartPolicy ~= "Always"
  local left = (seconds or job and RUN_MS / 1000 or 0) * 1000 - elapsed(pod)
  if left > 0 then
    again(pod, math.ceil(left))
  elseif note(pod, "fail") == "crash" then
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
    if #(pod.metadata.finalizers or {}) == 0 then write.remove("pods", pod) end
  elseif not pod.spec.nodeName then
    schedule(pod)
  elseif s.phase == "Succeeded" or s.phase == "Failed" then
    return
  elseif not first then
    create(pod)
  elseif first.state.waiting then
    local why = first.state.waiting.reason
    if why == "CrashLoopBackOff" then
      if (first.restartCount or 0) < CRASHES_MOST then start(pod) end
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
