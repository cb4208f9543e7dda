-- lib/status.lua: is an object ready, by what its status says?
--
-- ready(obj, ctx) → true and a remark or nil · false, why not yet, how much of it is · nil, why it never will be.
-- Of the workloads as `kubectl rollout status` sees them, of the rest as kstatus does, but for what those two
-- would wait for in vain (suspended Jobs, paused Deployments, claims that wait for their first Pod).
local M = {}

local function map(value) return type(value) == "table" and value or {} end
local function number(value, otherwise) return math.tointeger(value) or otherwise or 0 end
local function text(value) return type(value) == "string" and value ~= "" and value or nil end

-- The condition of a type, or nil.
function M.condition(obj, kind)
  for _, condition in ipairs(map(map(obj.status).conditions)) do
    if condition.type == kind then return condition end
  end
end

local condition = M.condition

-- "Reason: message", whatever of it there is.
local function words(found)
  local reason, message = text(found.reason), text(found.message)
  if reason and message then return reason .. ": " .. message end
  return message or reason or found.type .. " is " .. tostring(found.status)
end

-- Has the controller seen what was last written? Those that say so are believed.
local function behind(obj)
  local seen = math.tointeger(map(obj.status).observedGeneration)
  local generation = math.tointeger(obj.metadata.generation)
  return seen and generation and seen < generation
end

local UNSEEN = "its controller has not seen the change yet"
local ON_DELETE = "its Pods are renewed when they are deleted (OnDelete)"

local function unseen(obj)
  return behind(obj) or math.tointeger(map(obj.status).observedGeneration) == nil
end

-- The sentence, and how far that is: a later stage is further than all of an earlier one.
local function of(have, want, what, stage)
  return ("%d of %d %s"):format(have, want, what), have + (stage or 0) * want
end

local function old_ones(old, want)
  return ("%d old replica%s still to end"):format(old, old == 1 and "" or "s"), 4 * want - old
end

local function replicas_ready(s, want)
  local ready, available = number(s.readyReplicas), number(s.availableReplicas)
  if ready < want then return false, of(ready, want, "replicas ready", 1) end
  if available < want then return false, of(available, want, "replicas ready for long enough", 2) end
  return true
end

local function deployment(obj)
  local s, spec = map(obj.status), map(obj.spec)
  local want, updated = number(spec.replicas, 1), number(s.updatedReplicas)
  local progressing = condition(obj, "Progressing")
  if unseen(obj) then return false, UNSEEN end
  if progressing and progressing.reason == "ProgressDeadlineExceeded" then
    return nil, ("%d of %d replicas ready, and no progress for %d s"):format(number(s.readyReplicas), want,
      number(spec.progressDeadlineSeconds, 600))
  end
  if updated < want then
    if spec.paused == true then return true, "it is paused: nothing rolls out until it is resumed" end
    return false, of(updated, want, "replicas updated")
  end
  local ready, why, count = replicas_ready(s, want)
  if not ready then return ready, why, count end
  local old = number(s.replicas) - updated
  if old > 0 then return false, old_ones(old, want) end
  return true
end

-- With a partition only the Pods above it are replaced, with OnDelete none.
local function statefulset(obj)
  local s, spec = map(obj.status), map(obj.spec)
  local want, strategy = number(spec.replicas, 1), map(spec.updateStrategy)
  if unseen(obj) then return false, UNSEEN end
  local partition = number(map(strategy.rollingUpdate).partition)
  local renewed = math.max(want - partition, 0)
  if strategy.type ~= "OnDelete" and s.currentRevision ~= s.updateRevision
    and number(s.updatedReplicas) < renewed then
    return false, of(number(s.updatedReplicas), renewed, "replicas updated")
  end
  -- availableReplicas came later than StatefulSets did: absent is not none.
  local available = s.availableReplicas == nil and s.readyReplicas or s.availableReplicas
  local ready, why, count = replicas_ready({ readyReplicas = s.readyReplicas, availableReplicas = available }, want)
  if not ready then return ready, why, count end
  local old = number(s.replicas) - want
  if old > 0 then return false, old_ones(old, want) end
  if strategy.type == "OnDelete" and number(s.updatedReplicas) < want and s.currentRevision ~= s.updateRevision then
    return true, ON_DELETE
  end
  return true
end

local function daemonset(obj)
  local s = map(obj.status)
  local want = number(s.desiredNumberScheduled)
  if unseen(obj) then return false, UNSEEN end
  local on_delete = map(map(obj.spec).updateStrategy).type == "OnDelete"
  if not on_delete and number(s.updatedNumberScheduled) < want then
    return false, of(number(s.updatedNumberScheduled), want, "Pods updated")
  end
  if number(s.numberReady) < want then return false, of(number(s.numberReady), want, "Pods ready", 1) end
  if number(s.numberAvailable) < want then
    return false, of(number(s.numberAvailable), want, "Pods ready for long enough", 2)
  end
  if on_delete and number(s.updatedNumberScheduled) < want then return true, ON_DELETE end
  return true
end

local function replicaset(obj)
  local want = number(map(obj.spec).replicas, 1)
  if unseen(obj) then return false, UNSEEN end
  local ready, why, count = replicas_ready(map(obj.status), want)
  if not ready then return ready, why, count end
  local old = number(map(obj.status).replicas) - want
  if old > 0 then return false, old_ones(old, want) end
  return true
end

local function is_true(found) return found ~= nil and found.status == "True" end

local function job(obj)
  local s, spec = map(obj.status), map(obj.spec)
  local failed = condition(obj, "Failed")
  if is_true(condition(obj, "Complete")) then return true end
  if is_true(failed) then return nil, "it failed: " .. words(failed) end
  if spec.suspend == true then return true, "it is suspended: nothing runs until it is resumed" end
  return false, of(number(s.succeeded), number(spec.completions, 1), "Pods finished")
end

local function pod(obj)
  local s = map(obj.status)
  if s.phase == "Succeeded" then return true end
  if s.phase == "Failed" then
    return nil, "it failed" .. (text(s.message or s.reason) and ": " .. text(s.message or s.reason) or "")
  end
  if is_true(condition(obj, "Ready")) then return true end
  if s.phase ~= "Running" then return false, "it is " .. (text(s.phase) or "not seen by a node yet") end
  local ready = 0
  local containers = map(s.containerStatuses)
  for _, container in ipairs(containers) do ready = ready + (container.ready == true and 1 or 0) end
  return false, of(ready, #containers, "containers ready")
end

-- Is the claim's class one that binds with the first Pod? Only where it can be looked at.
local function waits_for_pod(obj, ctx)
  local class = text(map(obj.spec).storageClassName)
  if not class or not ctx then return false end
  local found = ctx:try(function()
    return ctx:get { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", name = class }
  end)
  return found and found.volumeBindingMode == "WaitForFirstConsumer"
end

local function claim(obj, ctx)
  local phase = map(obj.status).phase
  if phase == "Bound" then return true end
  if phase == "Lost" then return nil, "its volume is lost" end
  if waits_for_pod(obj, ctx) then return true, "it is bound when the first Pod uses it (WaitForFirstConsumer)" end
  return false, "it is not bound"
end

local function volume(obj)
  local s = map(obj.status)
  if s.phase == "Failed" then return nil, text(s.message) or "it failed" end
  if s.phase == "Available" or s.phase == "Bound" or s.phase == "Released" then return true end
  return false, "it is " .. (text(s.phase) or "Pending")
end

local function crd(obj)
  local accepted, established = condition(obj, "NamesAccepted"), condition(obj, "Established")
  if accepted and accepted.status == "False" then return nil, "its names are not accepted: " .. words(accepted) end
  if is_true(established) then return true end
  return false, "its kind is not served yet"
end

local function service(obj)
  local spec = map(obj.spec)
  if spec.type ~= "LoadBalancer" or #map(spec.externalIPs) > 0 then return true end
  if #map(map(map(obj.status).loadBalancer).ingress) > 0 then return true end
  return false, "no load balancer has given it an address"
end

local function hpa(obj)
  -- v1 keeps its conditions in an annotation.
  if obj.apiVersion == "autoscaling/v1" then return true end
  local able, active = condition(obj, "AbleToScale"), condition(obj, "ScalingActive")
  if able and able.status ~= "True" then return false, words(able) end
  if active and active.status ~= "True" and active.reason ~= "ScalingDisabled" then return false, words(active) end
  if not able and not active then return false, UNSEEN end
  return true
end

local function disruption_budget(obj)
  if unseen(obj) then return false, UNSEEN end
  return true
end

local function namespace(obj)
  local phase = map(obj.status).phase
  if phase == "Active" then return true end
  return false, "it is " .. (text(phase) or "not active yet")
end

-- The verdict of one condition that must be True. `absent`: what is said where it is not there yet.
local function by_condition(obj, kind, absent)
  local found = condition(obj, kind)
  if not found then return false, absent end
  local seen, generation = math.tointeger(found.observedGeneration), math.tointeger(obj.metadata.generation)
  if seen and generation and seen < generation then return false, UNSEEN end
  if found.status == "True" then return true end
  return false, words(found)
end

-- A `ready` for a kind whose controller sets a condition but not at once: not ready before it is there.
function M.when(kind)
  return function(obj)
    if behind(obj) then return false, UNSEEN end
    return by_condition(obj, kind, UNSEEN)
  end
end

-- Any other object. Reconciling and Stalled are kstatus' own; without any condition there is nothing to wait for.
local function other(obj)
  local reconciling, stalled = condition(obj, "Reconciling"), condition(obj, "Stalled")
  if is_true(reconciling) then return false, words(reconciling) end
  if is_true(stalled) then return nil, words(stalled) end
  for _, kind in ipairs { "Ready", "Available" } do
    if condition(obj, kind) then return by_condition(obj, kind) end
  end
  return true
end

local function at_once() return true end

local BY_KIND = {
  ["apps/Deployment"] = deployment, ["apps/StatefulSet"] = statefulset, ["apps/DaemonSet"] = daemonset,
  ["apps/ReplicaSet"] = replicaset, ["/ReplicationController"] = replicaset,
  ["batch/Job"] = job, ["batch/CronJob"] = at_once, ["/Pod"] = pod,
  ["/PersistentVolumeClaim"] = claim, ["/PersistentVolume"] = volume, ["/Namespace"] = namespace,
  ["/Service"] = service, ["networking.k8s.io/Ingress"] = at_once,
  ["apiextensions.k8s.io/CustomResourceDefinition"] = crd,
  ["apiregistration.k8s.io/APIService"] = M.when "Available",
  ["autoscaling/HorizontalPodAutoscaler"] = hpa, ["policy/PodDisruptionBudget"] = disruption_budget,
}

-- See above.
function M.ready(obj, ctx)
  if text(obj.metadata.deletionTimestamp) then return false, "it is being deleted" end
  local group = obj.apiVersion:match("^(.*)/") or ""
  local by_kind = BY_KIND[group .. "/" .. obj.kind]
  if by_kind then return by_kind(obj, ctx) end
  if behind(obj) then return false, UNSEEN end
  return other(obj)
end

return M
