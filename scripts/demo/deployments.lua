-- demo/deployments.lua: roll-outs: a ReplicaSet a template, and replicas moved from the old ones to the new.
local fields = require "demo.fields"
local write = require "demo.write"

local M = {}

local KEY, SETS = "deployments.apps", "replicasets.apps"
local REVISION = "deployment.kubernetes.io/revision"

local function revision_of(obj)
  return math.tointeger(tonumber((obj.metadata.annotations or {})[REVISION])) or 0
end

-- "25%" or a number, of `whole`.
local function share(value, whole, up)
  local percent = type(value) == "string" and tonumber(value:match("^(%d+)%%$"))
  if not percent then return math.tointeger(value) or 0 end
  return math.tointeger(up and -(-percent * whole // 100) or percent * whole // 100)
end

local function template_of(set)
  local template = fields.copy(set.spec.template)
  if template.metadata.labels then template.metadata.labels["pod-template-hash"] = nil end
  return template
end

local function sets_of(deployment)
  local new, old = nil, {}
  local wanted = fields.copy(deployment.spec.template)
  wanted.metadata.creationTimestamp = nil
  for _, set in ipairs(write.owned(SETS, deployment)) do
    local has = template_of(set)
    has.metadata.creationTimestamp = nil
    if not new and fields.same(has, wanted) then new = set else old[#old + 1] = set end
  end
  table.sort(old, function(a, b) return revision_of(a) < revision_of(b) end)
  return new, old
end

local function scaled(set, deployment, replicas)
  if (set.spec.replicas or 0) == replicas then return set end
  local up = replicas > (set.spec.replicas or 0)
  write.event(deployment, "Normal", "ScalingReplicaSet", ("Scaled %s replica set %s from %d to %d"):format(
    up and "up" or "down", set.metadata.name, set.spec.replicas or 0, replicas), "deployment-controller")
  return write.change(SETS, set, "", function(copy) copy.spec.replicas = replicas end)
end

local function notes(deployment, revision)
  local found = {}
  for key, value in next, deployment.metadata.annotations or {} do
    if key ~= "kubectl.kubernetes.io/last-applied-configuration" then found[key] = value end
  end
  found[REVISION] = tostring(revision)
  return found
end

local function new_set(deployment, revision)
  local spec = deployment.spec
  local hash = store.hash(spec.template)
  local template = fields.copy(spec.template)
  local labels = { ["pod-template-hash"] = hash }
  for key, value in next, template.metadata.labels or {} do labels[key] = value end
  template.metadata.labels = labels
  local selector = fields.copy(spec.selector)
  selector.matchLabels = selector.matchLabels or {}
  selector.matchLabels["pod-template-hash"] = hash
  return write.create(SETS, {
    apiVersion = "apps/v1", kind = "ReplicaSet",
    metadata = { name = deployment.metadata.name .. "-" .. hash, namespace = deployment.metadata.namespace,
      labels = fields.copy(labels), annotations = notes(deployment, revision),
      ownerReferences = write.owner_reference(deployment) },
    spec = { replicas = 0, selector = selector, template = template, minReadySeconds = spec.minReadySeconds },
  })
end

local function sum(sets, of)
  local n = 0
  for _, set in ipairs(sets) do n = n + (of(set) or 0) end
  return n
end

local function spec_replicas(set) return set.spec.replicas end
local function available(set) return (set.status or {}).availableReplicas end

-- One step of a rolling update; the next follows when Pods have come or gone.
local function roll(deployment, new, old)
  local spec = deployment.spec
  local strategy = spec.strategy.rollingUpdate or {}
  local wanted = spec.replicas
  local surge = share(strategy.maxSurge, wanted, true)
  local missing = share(strategy.maxUnavailable, wanted, false)
  if surge == 0 and missing == 0 then missing = 1 end
  local all = { new, table.unpack(old) }
  local room = wanted + surge - sum(all, spec_replicas)
  local short = wanted - new.spec.replicas
  if short < 0 then new = scaled(new, deployment, wanted)
  elseif short > 0 and room > 0 then new = scaled(new, deployment, new.spec.replicas + math.min(short, room)) end
  all[1] = new
  local unready = new.spec.replicas - (available(new) or 0)
  local spare = sum(all, spec_replicas) - (wanted - missing) - unready
  for i, set in ipairs(old) do -- first what does not run anyway
    local broken = set.spec.replicas - (available(set) or 0)
    local less = math.min(broken, spare)
    if less > 0 then
      old[i] = scaled(set, deployment, set.spec.replicas - less)
      spare = spare - less
    end
  end
  -- What is available is told late, how many there shall be is not: never more than that allows.
  local free = math.min(sum(all, available) - (wanted - missing), spare)
  for i, set in ipairs(old) do
    local less = math.min(old[i].spec.replicas, free)
    if less > 0 then
      old[i] = scaled(set, deployment, old[i].spec.replicas - less)
      free = free - less
    end
  end
  return new
end

local function recreate(deployment, new, old)
  local left = 0
  for i, set in ipairs(old) do
    old[i] = scaled(set, deployment, 0)
    left = left + #write.owned("pods", set)
  end
  if left > 0 then
    store.due(KEY, deployment.metadata.namespace, deployment.metadata.name, 200)
    return new
  end
  return scaled(new, deployment, deployment.spec.replicas)
end

-- Old ReplicaSets beyond the history that is kept.
local function forget(deployment, old)
  local idle = {}
  for _, set in ipairs(old) do
    if set.spec.replicas == 0 and ((set.status or {}).replicas or 0) == 0 then idle[#idle + 1] = set end
  end
  for i = 1, #idle - (deployment.spec.revisionHistoryLimit or 10) do write.delete(SETS, idle[i]) end
end

-- Progress, with its deadline. Milliseconds until that, where it runs.
local function progress(deployment, s, new, done)
  local conditions, now = deployment.status.conditions, store.now()
  local before
  for _, c in ipairs(conditions or {}) do
    if c.type == "Progressing" then before = c end
  end
  local word = { lastUpdateTime = now }
  local name = new.metadata.name
  if done then
    return write.condition(conditions, "Progressing", "True", "NewReplicaSetAvailable",
      ('ReplicaSet "%s" has successfully progressed.'):format(name), word)
  end
  local old = deployment.status
  local moved = old.updatedReplicas ~= s.updatedReplicas or old.readyReplicas ~= s.readyReplicas
    or old.availableReplicas ~= s.availableReplicas or (old.replicas or 0) > (s.replicas or 0)
    or old.observedGeneration ~= s.observedGeneration
  local limit = deployment.spec.progressDeadlineSeconds * 1000
  local since = before and store.time(before.lastUpdateTime or "") or 0
  local _, ms = store.now()
  local left = since + limit - ms
  if not before or moved then
    return write.condition(conditions, "Progressing", "True", before and "ReplicaSetUpdated" or "NewReplicaSetCreated",
      ('ReplicaSet "%s" is progressing.'):format(name), word), limit
  elseif before.status == "False" or left <= 0 and before.reason ~= "NewReplicaSetAvailable" then
    return write.condition(conditions, "Progressing", "False", "ProgressDeadlineExceeded",
      ('ReplicaSet "%s" has timed out progressing.'):format(name), word)
  end
  return write.condition(conditions, "Progressing", "True", "ReplicaSetUpdated",
    ('ReplicaSet "%s" is progressing.'):format(name), word), math.max(left, 50)
end

local function report(deployment, new, old)
  local all, wanted = { new, table.unpack(old) }, deployment.spec.replicas
  local function total(name)
    local n = sum(all, function(set) return (set.status or {})[name] end)
    return n > 0 and n or nil
  end
  local updated = (new.status or {}).replicas or 0
  local s = { observedGeneration = deployment.metadata.generation, replicas = total "replicas",
    updatedReplicas = updated > 0 and updated or nil, readyReplicas = total "readyReplicas",
    availableReplicas = total "availableReplicas" }
  local missing = wanted - (s.availableReplicas or 0)
  s.unavailableReplicas = missing > 0 and missing or nil
  local done = updated == wanted and (s.replicas or 0) == wanted and (s.availableReplicas or 0) == wanted
  local wait
  s.conditions, wait = progress(deployment, s, new, done)
  local strategy = deployment.spec.strategy
  local rolling = strategy.type == "RollingUpdate" and strategy.rollingUpdate
  local least = wanted - (rolling and share(rolling.maxUnavailable, wanted, false) or 0)
  local enough = (s.availableReplicas or 0) >= least
  s.conditions = write.condition(s.conditions, "Available", enough and "True" or "False",
    enough and "MinimumReplicasAvailable" or "MinimumReplicasUnavailable",
    enough and "Deployment has minimum availability." or "Deployment does not have minimum availability.",
    { lastUpdateTime = store.now() })
  write.status(KEY, deployment, s)
  if wait then store.due(KEY, deployment.metadata.namespace, deployment.metadata.name, wait) end
end

function M.run(deployment)
  if deployment.metadata.deletionTimestamp then return end
  local new, old = sets_of(deployment)
  local newest = old[#old] and revision_of(old[#old]) or 0
  if not new then
    if deployment.spec.paused then return end
    new = new_set(deployment, newest + 1)
    if not new then return end
  end
  local revision = math.max(revision_of(new), newest + (#old > 0 and revision_of(new) <= newest and 1 or 0), 1)
  if revision_of(new) ~= revision then
    new = write.change(SETS, new, "", function(copy) copy.metadata.annotations[REVISION] = tostring(revision) end)
  end
  if revision_of(deployment) ~= revision then
    deployment = write.change(KEY, deployment, "", function(copy)
      copy.metadata.annotations = copy.metadata.annotations or {}
      copy.metadata.annotations[REVISION] = tostring(revision)
    end)
  end
  if not deployment.spec.paused then
    if deployment.spec.strategy.type == "Recreate" then new = recreate(deployment, new, old)
    else new = roll(deployment, new, old) end
  end
  forget(deployment, old)
  report(deployment, new, old)
end

return M
