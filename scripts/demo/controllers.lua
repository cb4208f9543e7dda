-- demo/controllers.lua: who looks at an object after a change. Each run looks at one object as it is now
-- and takes the next step; what is not done yet is due again later. So a restart forgets nothing.
local M = {}

local RUNS = {
  ["pods"] = "demo.pods", ["replicasets.apps"] = "demo.replicasets", ["deployments.apps"] = "demo.deployments",
  ["statefulsets.apps"] = "demo.statefulsets", ["daemonsets.apps"] = "demo.daemonsets", ["jobs.batch"] = "demo.jobs",
  ["cronjobs.batch"] = "demo.cronjobs",
  ["namespaces"] = "demo.namespaces", ["persistentvolumeclaims"] = "demo.volumes",
  ["persistentvolumes"] = "demo.volumes", ["poddisruptionbudgets.policy"] = "demo.disruption",
}

-- Owners look at all of their Pods, so a while after the first change and not after each.
local SOON_MS, OWNER_MS = 20, 100
local KEY_OF = { ReplicaSet = "replicasets.apps", Deployment = "deployments.apps", StatefulSet = "statefulsets.apps",
  DaemonSet = "daemonsets.apps", Job = "jobs.batch", CronJob = "cronjobs.batch" }

-- Called for each change that is kept.
function M.touched(kind, obj, change)
  local meta = obj.metadata
  local ns = meta.namespace or ""
  if change ~= "DELETED" and RUNS[kind.key] then
    local ending = kind.key == "pods" and meta.deletionTimestamp
    store.due(kind.key, ns, meta.name, ending and 800 or kind.key == "namespaces" and 300 or SOON_MS)
  end
  for _, owner in ipairs(meta.ownerReferences or {}) do
    if owner.controller and KEY_OF[owner.kind] then store.due(KEY_OF[owner.kind], ns, owner.name, OWNER_MS) end
  end
  if kind.key == "nodes" and change ~= "DELETED" then
    for _, pod in ipairs(store.list "pods") do -- what has found no node may find one now
      if not pod.spec.nodeName then store.due("pods", pod.metadata.namespace, pod.metadata.name, SOON_MS) end
    end
  end
  if kind.key == "pods" then
    for _, budget in ipairs(store.list("poddisruptionbudgets.policy", ns)) do
      store.due("poddisruptionbudgets.policy", ns, budget.metadata.name, 2 * OWNER_MS)
    end
  end
end

-- Called by the timer for what is due.
function M.run(key, ns, name)
  local obj = store.get(key, ns, name)
  if obj and RUNS[key] then require(RUNS[key]).run(obj) end
end

return M
