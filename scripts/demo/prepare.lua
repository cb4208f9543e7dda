-- demo/prepare.lua: what the API server itself decides about an object: addresses, first status, generation.
local M = {}

local FIRST_STATUS = {
  Namespace = { phase = "Active" }, PersistentVolumeClaim = { phase = "Pending" },
  PersistentVolume = { phase = "Pending" }, Service = { loadBalancer = {} }, Ingress = { loadBalancer = {} },
  Deployment = {}, Job = {}, CronJob = {}, ReplicaSet = { replicas = 0 },
  StatefulSet = { replicas = 0, availableReplicas = 0 },
  DaemonSet = { currentNumberScheduled = 0, desiredNumberScheduled = 0, numberMisscheduled = 0, numberReady = 0 },
  HorizontalPodAutoscaler = { desiredReplicas = 0, currentMetrics = null },
  PodDisruptionBudget = { currentHealthy = 0, desiredHealthy = 0, disruptionsAllowed = 0, expectedPods = 0 },
  Pod = { phase = "Pending" },
}

local function address()
  local taken = {}
  for _, service in ipairs(store.list("services")) do taken[service.spec.clusterIP or ""] = true end
  local ip
  repeat ip = ("10.96.%d.%d"):format(math.random(1, 254), math.random(1, 254)) until not taken[ip]
  return ip
end

local function service(spec, live)
  local was = live and live.spec or {}
  if spec.type == "ExternalName" then return end
  spec.clusterIP = spec.clusterIP or was.clusterIP or address()
  spec.clusterIPs = spec.clusterIPs or was.clusterIPs or list { spec.clusterIP }
  spec.ipFamilies = spec.ipFamilies or was.ipFamilies or list { "IPv4" }
  spec.ipFamilyPolicy = spec.ipFamilyPolicy or was.ipFamilyPolicy or "SingleStack"
  if spec.type == "NodePort" or spec.type == "LoadBalancer" then
    for i, port in ipairs(spec.ports or {}) do
      local old = was.ports and was.ports[i]
      port.nodePort = port.nodePort or old and old.nodePort or math.random(30000, 32767)
    end
  end
end

local function qos(spec)
  local any, all = false, true
  for _, c in ipairs(spec.containers or {}) do
    local r = c.resources or {}
    any = any or next(r.requests or {}) ~= nil or next(r.limits or {}) ~= nil
    for _, name in ipairs { "cpu", "memory" } do
      local limit = r.limits and r.limits[name]
      all = all and limit ~= nil and (r.requests or {})[name] == limit
    end
  end
  return all and "Guaranteed" or any and "Burstable" or "BestEffort"
end

local function pod(obj)
  local spec = obj.spec
  spec.serviceAccountName = spec.serviceAccountName or "default"
  spec.serviceAccount = spec.serviceAccount or spec.serviceAccountName
  spec.priority = spec.priority or 0
  spec.preemptionPolicy = spec.preemptionPolicy or "PreemptLowerPriority"
  obj.status.qosClass = qos(spec)
end

local function job(obj)
  local spec, uid, name = obj.spec, obj.metadata.uid, obj.metadata.name
  if spec.selector then return end
  spec.selector = { matchLabels = { ["batch.kubernetes.io/controller-uid"] = uid } }
  local meta = spec.template.metadata
  meta.labels = meta.labels or {}
  for key, value in next, { ["batch.kubernetes.io/controller-uid"] = uid, ["controller-uid"] = uid,
    ["batch.kubernetes.io/job-name"] = name, ["job-name"] = name } do
    meta.labels[key] = value
  end
  if not obj.metadata.labels then obj.metadata.labels = require("demo.fields").copy(meta.labels) end
end

local function daemonset(obj, live)
  local notes, key = obj.metadata.annotations, "deprecated.daemonset.template.generation"
  local before = math.tointeger(tonumber((live.metadata.annotations or {})[key])) or 1
  local same = require("demo.fields").same(obj.spec.template, live.spec.template)
  notes[key] = tostring(same and before or before + 1)
end

local function crd(obj)
  local names, now, versions = obj.spec.names, store.now(), list {}
  for _, v in ipairs(obj.spec.versions or {}) do
    if v.storage then versions[#versions + 1] = v.name end
  end
  -- At once; a real API server takes a moment for it.
  obj.status = {
    conditions = list {
      { type = "NamesAccepted", status = "True", reason = "NoConflicts", message = "no conflicts found",
        lastTransitionTime = now },
      { type = "Established", status = "True", reason = "InitialNamesAccepted",
        message = "the initial names have been accepted", lastTransitionTime = now },
    },
    acceptedNames = names, storedVersions = versions,
  }
end

-- A new object, after its defaults.
function M.create(obj, kind)
  obj.status = not kind.custom and require("demo.fields").copy(FIRST_STATUS[kind.kind]) or nil
  if kind.generation then obj.metadata.generation = 1 end
  if kind.kind == "Service" then service(obj.spec)
  elseif kind.kind == "Pod" then pod(obj)
  elseif kind.kind == "Job" then job(obj)
  elseif kind.kind == "CustomResourceDefinition" then crd(obj)
  elseif kind.kind == "Namespace" then obj.spec.finalizers = list { "kubernetes" }
  elseif kind.kind == "PersistentVolumeClaim" and obj.spec.storageClassName == nil then
    for _, class in ipairs(store.list("storageclasses.storage.k8s.io")) do
      local notes = class.metadata.annotations or {}
      if notes["storageclass.kubernetes.io/is-default-class"] == "true" then
        obj.spec.storageClassName = class.metadata.name
      end
    end
  end
  local guard = kind.kind == "PersistentVolumeClaim" and "pvc" or kind.kind == "PersistentVolume" and "pv"
  if guard then
    obj.metadata.finalizers = obj.metadata.finalizers or list { "kubernetes.io/" .. guard .. "-protection" }
  end
end

-- What an update may not say stays as it was, in the part that it is for.
function M.update(obj, live, kind, part)
  if part == "status" then
    local state = obj.status
    local managed, version = obj.metadata.managedFields, obj.metadata.resourceVersion
    for key in next, obj do obj[key] = nil end
    for key, value in next, live do obj[key] = value end
    local meta = {}
    for key, value in next, live.metadata do meta[key] = value end
    meta.managedFields, meta.resourceVersion = managed, version
    obj.metadata, obj.status = meta, state
    return
  end
  if kind.status or not kind.custom then obj.status = live.status end
  if kind.kind == "Service" then service(obj.spec, live)
  elseif kind.kind == "Pod" then pod(obj)
  elseif kind.kind == "DaemonSet" then daemonset(obj, live)
  elseif kind.kind == "Job" then obj.spec.selector = obj.spec.selector or live.spec.selector
  elseif kind.kind == "Namespace" then obj.spec.finalizers = live.spec.finalizers
  elseif kind.kind == "CustomResourceDefinition" then crd(obj)
    obj.status.conditions = live.status.conditions
  end
  if kind.kind == "PersistentVolumeClaim" then
    obj.spec.volumeName = obj.spec.volumeName or live.spec.volumeName
    obj.spec.storageClassName = obj.spec.storageClassName or live.spec.storageClassName
  end
end

return M
