-- lib/reasons.lua: why an object does not become ready, from its Pods, its conditions and the events.
--
-- A reason is { text, level }: "fatal" cannot end well, "bad" cannot where it stays, "note" only explains.
local pods = require "lib.pods"

local M = {}

local MOST = 5        -- reasons that are given
local PODS_ASKED = 3  -- Pods whose events are read
local EVENTS = 100

local function map(value) return type(value) == "table" and value or {} end
local function text(value) return type(value) == "string" and value ~= "" and value or nil end

local function when(event)
  return text(map(event.series).lastObservedTime) or text(event.lastTimestamp) or text(event.eventTime)
    or event.metadata.creationTimestamp or ""
end

-- The events of an object, the newest first; none where they may not be read.
local function events(ctx, obj)
  local found = ctx:try(function()
    return ctx:list({ apiVersion = "v1", kind = "Event", namespace = obj.metadata.namespace },
      { query = ("fieldSelector=involvedObject.uid%%3D%s&limit=%d"):format(obj.metadata.uid, EVENTS) })
  end)
  found = map(found)
  table.sort(found, function(a, b) return when(a) > when(b) end)
  return found
end

-- The newest event whose reason is one of these, or nil.
local function newest(found, reasons)
  for _, event in ipairs(found) do
    if reasons[event.reason] then return event end
  end
end

local SCALES_UP = { TriggeredScaleUp = true, Nominated = true }
local FAILS_TO_START = {
  FailedMount = true, FailedAttachVolume = true, FailedMapVolume = true, FailedCreatePodSandBox = true,
  NetworkNotReady = true,
}

-- What the Pod's status leaves open is asked of its events.
local function by_events(ctx, pod, problem)
  local found = events(ctx, pod)
  if problem.pull then
    local event = newest(found, { Failed = true })
    if event and not problem.text:find("ErrImagePull", 1, true) and text(event.message)
      and event.message:find("pull", 1, true) then
      problem.text = problem.text:match("^(.-cannot be pulled: )") .. pods.short(event.message)
    end
  elseif problem.unscheduled then
    -- Nodes are on their way, and that takes longer than anything else that is waited for.
    if newest(found, SCALES_UP) then problem.level = "note" end
  elseif problem.unready then
    local event = newest(found, { Unhealthy = true })
    if event then problem.text = pods.short(event.message) end
  elseif problem.pending then
    local event = newest(found, FAILS_TO_START)
    if event then problem.text = pods.short(event.message) end
  end
  return problem
end

local function wants_events(problem)
  return problem.pull or problem.unscheduled or problem.unready or problem.pending
end

-- One reason for all Pods that have the same one. `may_crash`: it is tried again so often as its maker allows.
local function of_pods(ctx, found, reasons, may_crash)
  local asked, by_text = 0, {}
  for _, pod in ipairs(found) do
    local problem = not text(pod.metadata.deletionTimestamp) and pods.problem(pod)
    if problem and wants_events(problem) and asked < PODS_ASKED then
      asked = asked + 1
      problem = by_events(ctx, pod, problem)
    end
    if problem and problem.crash and may_crash then problem.level = "note" end
    if problem and problem.text then
      local said = (problem.prefix or "") .. problem.text
      local same = by_text[said]
      if same then
        same.more = same.more + 1
      else
        same = { level = problem.level, name = pod.metadata.name, said = said, more = 0 }
        by_text[said] = same
        reasons[#reasons + 1] = same
      end
    end
  end
  for _, reason in ipairs(reasons) do
    local more = reason.more > 0 and (" (and %d more)"):format(reason.more) or ""
    reason.text = ("Pod %s%s: %s"):format(reason.name, more, reason.said)
  end
end

local NO_PODS = { FailedCreate = true, SuccessfulCreate = true }

-- Why no Pods are made: a ReplicaSet says it itself, of the others only events do.
local function not_made(ctx, owner)
  for _, c in ipairs(map(map(owner.status).conditions)) do
    if c.type == "ReplicaFailure" and c.status == "True" then return text(c.message) end
  end
  if owner.kind == "ReplicaSet" then return nil end
  local event = newest(events(ctx, owner), NO_PODS)
  return event and event.reason == "FailedCreate" and text(event.message) or nil
end

-- Nothing but a change of the quota or of the manifest helps where not one Pod is there.
local function is_hopeless(message)
  return message:find("exceeded quota", 1, true) or message:find("violates PodSecurity", 1, true)
end

local MAKERS = { Deployment = true, ReplicaSet = true, StatefulSet = true, DaemonSet = true, Job = true }

-- Has the workload no Pod at all? Those of an older template run on while there is no room for new ones.
local function has_none(obj, found)
  return #found == 0 and (math.tointeger(map(obj.status).replicas) or 0) == 0
end

local function of_workload(ctx, obj, reasons)
  local owner = obj.kind == "Deployment" and pods.newest_set(ctx, obj) or obj
  owner.kind = owner.kind or "ReplicaSet" -- a list's items do not say it
  local found = pods.of(ctx, owner)
  of_pods(ctx, found, reasons, obj.kind == "Job")
  local message = not_made(ctx, owner)
  if message then
    table.insert(reasons, 1, {
      level = has_none(obj, found) and is_hopeless(message) and "fatal" or "bad",
      text = ("%s %s: no Pod is made: %s"):format(owner.kind, owner.metadata.name, pods.short(message)),
    })
  end
end

local TELLING = {
  ProvisioningFailed = true, FailedBinding = true, SyncLoadBalancerFailed = true, FailedGetResourceMetric = true,
  FailedGetScale = true, ExternalProvisioning = true,
}

-- Of other objects: what the newest of their events says that tells of a failure.
local function of_other(ctx, obj, reasons)
  local event = newest(events(ctx, obj), TELLING)
  if event then
    reasons[1] = { level = "note", text = ("%s: %s"):format(event.reason, pods.short(event.message)) }
  end
end

local WORST = { fatal = 1, bad = 2, note = 3 }

-- Why an object that is not ready is not: at most five reasons, the worst first. Reads only; what the user
-- may not read is left out.
function M.of(ctx, obj)
  local reasons, kept = {}, {}
  if MAKERS[obj.kind] then
    of_workload(ctx, obj, reasons)
  elseif obj.kind == "Pod" then
    of_pods(ctx, { obj }, reasons)
  elseif text(obj.metadata.uid) then
    of_other(ctx, obj, reasons)
  end
  for rank = 1, 3 do
    for _, reason in ipairs(reasons) do
      if WORST[reason.level] == rank and #kept < MOST then kept[#kept + 1] = reason end
    end
  end
  return kept
end

return M
