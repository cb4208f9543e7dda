-- demo/statefulsets.lua: Pods with numbers, made in order and replaced from the last one down.
local fields = require "demo.fields"
local revisions = require "demo.revisions"
local write = require "demo.write"

local M = {}

local KEY = "statefulsets.apps"

local function ordinal(pod)
  return math.tointeger(tonumber(pod.metadata.name:match("%-(%d+)$"))) or 0
end

local function claims(set, n)
  for _, template in ipairs(set.spec.volumeClaimTemplates or {}) do
    local claim = fields.copy(template)
    claim.apiVersion, claim.kind, claim.status = "v1", "PersistentVolumeClaim", nil
    claim.metadata = { name = ("%s-%s-%d"):format(template.metadata.name, set.metadata.name, n),
      namespace = set.metadata.namespace, labels = set.spec.selector.matchLabels }
    write.create("persistentvolumeclaims", claim)
  end
end

local function make(set, n, hash)
  claims(set, n)
  local name = ("%s-%d"):format(set.metadata.name, n)
  local pod = write.pod_of(set, set.spec.template, { name = name, labels = {
    ["controller-revision-hash"] = hash, ["statefulset.kubernetes.io/pod-name"] = name,
    ["apps.kubernetes.io/pod-index"] = tostring(n) } })
  pod.spec.hostname = name
  if write.create("pods", pod) then
    write.event(set, "Normal", "SuccessfulCreate", ("create Pod %s in StatefulSet %s successful"):format(name,
      set.metadata.name), "statefulset-controller")
  end
end

-- What is to be done next: one Pod at a time, unless the set says Parallel.
local function step(set, by, hash)
  local wanted, parallel = set.spec.replicas, set.spec.podManagementPolicy == "Parallel"
  for n = 0, wanted - 1 do
    if not by[n] then
      make(set, n, hash)
      if not parallel then return end
    elseif not parallel and not write.is_ready(by[n]) then
      -- One that is broken and of an old template may still be replaced.
      if by[n].metadata.labels["controller-revision-hash"] == hash then return end
    end
  end
  local last = wanted - 1
  for n in next, by do last = math.max(last, n) end
  for n = last, wanted, -1 do
    if by[n] then
      if not by[n].metadata.deletionTimestamp then write.delete("pods", by[n]) end
      return
    end
  end
  if set.spec.updateStrategy.type ~= "RollingUpdate" then return end
  for n = wanted - 1, (set.spec.updateStrategy.rollingUpdate or {}).partition or 0, -1 do
    local pod = by[n]
    if not pod or pod.metadata.deletionTimestamp then return end
    if pod.metadata.labels["controller-revision-hash"] ~= hash then
      write.delete("pods", pod)
      return
    end
    if not write.is_ready(pod) then return end
  end
end

function M.run(set)
  if set.metadata.deletionTimestamp then return end
  local hash = set.metadata.name .. "-" .. store.hash(set.spec.template)
  local by = {}
  for _, pod in ipairs(write.owned("pods", set)) do by[ordinal(pod)] = pod end
  step(set, by, hash)
  local replicas, ready, available, updated, soonest = 0, 0, 0, 0, nil
  local pods = write.owned("pods", set)
  revisions.keep(set, hash, hash, pods)
  for _, pod in ipairs(pods) do
    local yes, left = write.is_available(pod, set.spec.minReadySeconds)
    replicas = replicas + 1
    ready = ready + (write.is_ready(pod) and 1 or 0)
    available = available + (yes and 1 or 0)
    if left then soonest = math.min(soonest or left, left) end
    if pod.metadata.labels["controller-revision-hash"] == hash then updated = updated + 1 end
  end
  local before = set.status or {}
  local done = updated == set.spec.replicas and ready == updated and replicas == updated
  local current = (done or not before.currentRevision) and hash or before.currentRevision
  local same = current == hash
  write.status(KEY, set, { observedGeneration = set.metadata.generation, replicas = replicas,
    readyReplicas = ready > 0 and ready or nil, availableReplicas = available,
    updatedReplicas = updated > 0 and updated or nil, currentRevision = current, updateRevision = hash,
    currentReplicas = (same and updated or replicas - updated) > 0 and (same and updated or replicas - updated) or nil,
    collisionCount = 0 })
  if soonest then store.due(KEY, set.metadata.namespace, set.metadata.name, math.ceil(soonest)) end
end

return M
