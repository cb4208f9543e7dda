-- demo/replicasets.lua: as many Pods as a ReplicaSet says.
local write = require "demo.write"

local M = {}

local KEY = "replicasets.apps"

-- Those that go first when there are too many: not ready before ready, young before old.
local function by_worth(a, b)
  local x, y = write.is_ready(a), write.is_ready(b)
  if x ~= y then return not x end
  return a.metadata.creationTimestamp > b.metadata.creationTimestamp
end

local function live(pods)
  local found = {}
  for _, pod in ipairs(pods) do
    local phase = (pod.status or {}).phase
    if not pod.metadata.deletionTimestamp and phase ~= "Failed" and phase ~= "Succeeded" then
      found[#found + 1] = pod
    end
  end
  return found
end

local function count(rs, pods)
  local s = { replicas = #pods, fullyLabeledReplicas = #pods > 0 and #pods or nil,
    observedGeneration = rs.metadata.generation }
  local ready, available, soonest = 0, 0, nil
  for _, pod in ipairs(pods) do
    if write.is_ready(pod) then ready = ready + 1 end
    local yes, left = write.is_available(pod, rs.spec.minReadySeconds)
    if yes then available = available + 1 end
    if left then soonest = math.min(soonest or left, left) end
  end
  s.readyReplicas = ready > 0 and ready or nil
  s.availableReplicas = available > 0 and available or nil
  return s, soonest
end

function M.run(rs)
  if rs.metadata.deletionTimestamp then return end
  local pods = live(write.owned("pods", rs))
  local wanted = rs.spec.replicas or 0
  for _ = #pods + 1, math.min(wanted, #pods + 5) do
    local pod = write.create("pods", write.pod_of(rs, rs.spec.template, { generateName = rs.metadata.name .. "-" }))
    if not pod then return end
    pods[#pods + 1] = pod
    write.event(rs, "Normal", "SuccessfulCreate", "Created pod: " .. pod.metadata.name, "replicaset-controller")
  end
  if wanted > #pods then store.due(KEY, rs.metadata.namespace, rs.metadata.name, 50) end
  table.sort(pods, by_worth)
  while #pods > wanted do
    local pod = table.remove(pods, 1)
    write.delete("pods", pod)
    write.event(rs, "Normal", "SuccessfulDelete", "Deleted pod: " .. pod.metadata.name, "replicaset-controller")
  end
  local state, soonest = count(rs, pods)
  write.status(KEY, rs, state)
  if soonest then store.due(KEY, rs.metadata.namespace, rs.metadata.name, math.ceil(soonest)) end
end

return M
