-- demo/daemonsets.lua: a Pod on each node.
local revisions = require "demo.revisions"
local write = require "demo.write"

local M = {}

local KEY = "daemonsets.apps"

local function make(set, node, hash)
  local pod = write.pod_of(set, set.spec.template, { generateName = set.metadata.name .. "-", labels = {
    ["controller-revision-hash"] = hash } })
  pod.spec.nodeName = node.metadata.name
  return write.create("pods", pod)
end

local function fits(set, node)
  for key, value in next, set.spec.template.spec.nodeSelector or {} do
    if (node.metadata.labels or {})[key] ~= value then return false end
  end
  return true
end

function M.run(set)
  if set.metadata.deletionTimestamp then return end
  local hash, on = store.hash(set.spec.template), {}
  local pods = write.owned("pods", set)
  for _, pod in ipairs(pods) do on[pod.spec.nodeName or ""] = pod end
  revisions.keep(set, set.metadata.name .. "-" .. hash, hash, pods)
  local s = { observedGeneration = set.metadata.generation, desiredNumberScheduled = 0, currentNumberScheduled = 0,
    numberReady = 0, numberMisscheduled = 0 }
  local updated, available, busy, stale = 0, 0, false, nil
  for _, node in ipairs(store.list("nodes")) do
    local pod = on[node.metadata.name]
    if fits(set, node) then
      s.desiredNumberScheduled = s.desiredNumberScheduled + 1
      if not pod then pod = make(set, node, hash) end
    end
    if pod then
      local current = pod.metadata.labels["controller-revision-hash"] == hash
      local ready = write.is_ready(pod)
      s.currentNumberScheduled = s.currentNumberScheduled + 1
      s.numberReady = s.numberReady + (ready and 1 or 0)
      available = available + (write.is_available(pod, set.spec.minReadySeconds) and 1 or 0)
      updated = updated + (current and 1 or 0)
      busy = busy or not ready and current or pod.metadata.deletionTimestamp ~= nil
      if not current and not pod.metadata.deletionTimestamp then stale = stale or pod end
    end
  end
  if stale and not busy and set.spec.updateStrategy.type == "RollingUpdate" then write.delete("pods", stale) end
  s.updatedNumberScheduled = updated > 0 and updated or nil
  s.numberAvailable = available > 0 and available or nil
  local missing = s.desiredNumberScheduled - available
  s.numberUnavailable = missing > 0 and missing or nil
  write.status(KEY, set, s)
end

return M
