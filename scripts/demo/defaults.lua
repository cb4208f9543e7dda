-- demo/defaults.lua: what Kubernetes fills in where a manifest says nothing, for each kind.
local M = {}

local function default(t, key, value)
  if t[key] == nil then t[key] = value end
end

local function table_at(t, key)
  if type(t[key]) ~= "table" then t[key] = {} end
  return t[key]
end

local function probe(p)
  if type(p) ~= "table" then return end
  default(p, "timeoutSeconds", 1)
  default(p, "periodSeconds", 10)
  default(p, "successThreshold", 1)
  default(p, "failureThreshold", 3)
  if type(p.httpGet) == "table" then
    default(p.httpGet, "path", "/")
    default(p.httpGet, "scheme", "HTTP")
  end
end

local function quantity(value)
  return math.type(value) == "integer" and tostring(value) or value
end

local function container(c)
  if type(c) ~= "table" then return end
  local image = tostring(c.image or "")
  local plain = not image:find("@", 1, true) and not image:find(":[^/]*$")
  default(c, "imagePullPolicy", (plain or image:find(":latest$")) and "Always" or "IfNotPresent")
  default(c, "terminationMessagePath", "/dev/termination-log")
  default(c, "terminationMessagePolicy", "File")
  default(c, "resources", {})
  for _, port in ipairs(c.ports or {}) do default(port, "protocol", "TCP") end
  for _, e in ipairs(c.env or {}) do
    local from = type(e.valueFrom) == "table" and e.valueFrom.fieldRef
    if from then default(from, "apiVersion", "v1") end
  end
  for _, name in ipairs { "livenessProbe", "readinessProbe", "startupProbe" } do probe(c[name]) end
  local limits, requests = c.resources.limits, c.resources.requests
  for _, list_of in ipairs { limits or {}, requests or {} } do
    for name, value in next, list_of do list_of[name] = quantity(value) end
  end
  if type(limits) == "table" then
    local r = table_at(c.resources, "requests")
    for name, value in next, limits do default(r, name, value) end
  end
end

local MODES = { secret = true, configMap = true, downwardAPI = true, projected = true }

local function volume(v)
  local kind
  for key in next, v do
    if key ~= "name" then kind = key end
  end
  if not kind then v.emptyDir = {} end
  if MODES[kind] and type(v[kind]) == "table" then default(v[kind], "defaultMode", 420) end
  if kind == "hostPath" then default(v.hostPath, "type", "") end
end

local function pod_spec(spec)
  default(spec, "restartPolicy", "Always")
  default(spec, "terminationGracePeriodSeconds", 30)
  default(spec, "dnsPolicy", "ClusterFirst")
  default(spec, "securityContext", {})
  default(spec, "schedulerName", "default-scheduler")
  if spec.serviceAccountName then default(spec, "serviceAccount", spec.serviceAccountName) end
  if spec.serviceAccount then default(spec, "serviceAccountName", spec.serviceAccount) end
  for _, name in ipairs { "containers", "initContainers" } do
    for _, c in ipairs(spec[name] or {}) do container(c) end
  end
  for _, v in ipairs(spec.volumes or {}) do volume(v) end
end

local function template(spec)
  if type(spec.template) == "table" and type(spec.template.spec) == "table" then
    table_at(spec.template, "metadata")
    pod_spec(spec.template.spec)
  end
end

local function job_spec(spec)
  template(spec)
  if spec.completions == nil and spec.parallelism == nil then
    spec.completions, spec.parallelism = 1, 1
  end
  default(spec, "parallelism", 1)
  default(spec, "backoffLimit", 6)
  default(spec, "completionMode", "NonIndexed")
  default(spec, "suspend", false)
  default(spec, "podReplacementPolicy", "TerminatingOrFailed")
  default(spec, "manualSelector", false)
end

local function rolling(strategy, values)
  default(strategy, "type", "RollingUpdate")
  if strategy.type == "RollingUpdate" then
    local r = table_at(strategy, "rollingUpdate")
    for key, value in next, values do default(r, key, value) end
  end
end

local function subjects(obj)
  default(obj.roleRef or {}, "apiGroup", "rbac.authorization.k8s.io")
  for _, s in ipairs(obj.subjects or {}) do
    if s.kind == "User" or s.kind == "Group" then default(s, "apiGroup", "rbac.authorization.k8s.io") end
  end
end

local function claim_spec(spec)
  default(spec, "volumeMode", "Filesystem")
  local requests = type(spec.resources) == "table" and spec.resources.requests or {}
  for name, value in next, requests do requests[name] = quantity(value) end
end

local of = {}

function of.Pod(_, spec)
  pod_spec(spec)
  default(spec, "enableServiceLinks", true)
end

function of.Deployment(_, spec)
  template(spec)
  default(spec, "replicas", 1)
  default(spec, "revisionHistoryLimit", 10)
  default(spec, "progressDeadlineSeconds", 600)
  rolling(table_at(spec, "strategy"), { maxSurge = "25%", maxUnavailable = "25%" })
end

function of.ReplicaSet(_, spec)
  template(spec)
  default(spec, "replicas", 1)
end

function of.StatefulSet(_, spec)
  template(spec)
  default(spec, "replicas", 1)
  default(spec, "serviceName", "")
  default(spec, "revisionHistoryLimit", 10)
  default(spec, "podManagementPolicy", "OrderedReady")
  rolling(table_at(spec, "updateStrategy"), { partition = 0 })
  local keep = table_at(spec, "persistentVolumeClaimRetentionPolicy")
  default(keep, "whenDeleted", "Retain")
  default(keep, "whenScaled", "Retain")
  for _, claim in ipairs(spec.volumeClaimTemplates or {}) do
    default(claim, "apiVersion", "v1")
    default(claim, "kind", "PersistentVolumeClaim")
    claim_spec(table_at(claim, "spec"))
    default(claim, "status", { phase = "Pending" })
  end
end

function of.DaemonSet(obj, spec)
  default(table_at(obj.metadata, "annotations"), "deprecated.daemonset.template.generation", "1")
  template(spec)
  default(spec, "revisionHistoryLimit", 10)
  rolling(table_at(spec, "updateStrategy"), { maxSurge = 0, maxUnavailable = 1 })
end

function of.Job(_, spec)
  job_spec(spec)
end

function of.CronJob(_, spec)
  default(spec, "concurrencyPolicy", "Allow")
  default(spec, "suspend", false)
  default(spec, "successfulJobsHistoryLimit", 3)
  default(spec, "failedJobsHistoryLimit", 1)
  local job = table_at(spec, "jobTemplate")
  table_at(job, "metadata")
  if type(job.spec) == "table" and type(job.spec.template) == "table" then
    local s = job.spec
    template(s)
  end
end

function of.Service(_, spec)
  default(spec, "type", "ClusterIP")
  default(spec, "sessionAffinity", "None")
  if spec.type ~= "ExternalName" then default(spec, "internalTrafficPolicy", "Cluster") end
  if spec.type == "LoadBalancer" or spec.type == "NodePort" then
    default(spec, "externalTrafficPolicy", "Cluster")
  end
  if spec.type == "LoadBalancer" then default(spec, "allocateLoadBalancerNodePorts", true) end
  if spec.sessionAffinity == "ClientIP" then
    default(table_at(table_at(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds", 10800)
  end
  for _, port in ipairs(spec.ports or {}) do
    default(port, "protocol", "TCP")
    default(port, "targetPort", port.port)
  end
end

function of.Secret(obj)
  default(obj, "type", "Opaque")
end

function of.PersistentVolume(_, spec)
  default(spec, "volumeMode", "Filesystem")
  default(spec, "persistentVolumeReclaimPolicy", "Retain")
  if type(spec.hostPath) == "table" then default(spec.hostPath, "type", "") end
end

function of.PersistentVolumeClaim(_, spec)
  claim_spec(spec)
end

function of.NetworkPolicy(_, spec)
  if spec.policyTypes == nil then
    spec.policyTypes = list { "Ingress" }
    if spec.egress and #spec.egress > 0 then spec.policyTypes[2] = "Egress" end
  end
  for _, rules in ipairs { spec.ingress or {}, spec.egress or {} } do
    for _, rule in ipairs(rules) do
      for _, port in ipairs(rule.ports or {}) do default(port, "protocol", "TCP") end
    end
  end
end

function of.HorizontalPodAutoscaler(_, spec)
  default(spec, "minReplicas", 1)
  if not spec.metrics or #spec.metrics == 0 then
    spec.metrics = list { { type = "Resource", resource = { name = "cpu",
      target = { type = "Utilization", averageUtilization = 80 } } } }
  end
end

function of.Endpoints(obj)
  for _, subset in ipairs(obj.subsets or {}) do
    for _, port in ipairs(subset.ports or {}) do default(port, "protocol", "TCP") end
  end
end

function of.StorageClass(obj)
  default(obj, "reclaimPolicy", "Delete")
  default(obj, "volumeBindingMode", "Immediate")
end

function of.ClusterRoleBinding(obj)
  subjects(obj)
end

of.RoleBinding = of.ClusterRoleBinding

function of.CustomResourceDefinition(_, spec)
  default(spec, "scope", "Cluster")
  local names = table_at(spec, "names")
  default(names, "singular", tostring(names.kind or ""):lower())
  default(names, "listKind", tostring(names.kind or "") .. "List")
  default(table_at(spec, "conversion"), "strategy", "None")
end

function of.Namespace(obj)
  local name = obj.metadata.name
  if name then default(table_at(obj.metadata, "labels"), "kubernetes.io/metadata.name", name) end
end

-- Lists of Kubernetes' own kinds that are not written when they are empty.
local OMITTED = { env = true, envFrom = true, ports = true, volumeMounts = true, volumeDevices = true, args = true,
  command = true, volumes = true, tolerations = true, imagePullSecrets = true, initContainers = true,
  hostAliases = true, topologySpreadConstraints = true, volumeClaimTemplates = true, items = true, subsets = true }

-- Kubernetes' own kinds know no null: it is as if the field were not there.
local function without_null(value)
  if type(value) ~= "table" then return end
  for key, inner in next, value do
    if inner == null or OMITTED[key] and type(inner) == "table" and is_list(inner) and #inner == 0 then
      if not is_list(value) then value[key] = nil end
    else
      without_null(inner)
    end
  end
end

local NO_SPEC = { ConfigMap = true, Secret = true, ServiceAccount = true, Endpoints = true, Event = true,
  StorageClass = true, ClusterRole = true, ClusterRoleBinding = true, Role = true, RoleBinding = true }

-- Fields of an object's own level that are not written when they are empty.
local DROPPED = { "data", "binaryData", "labels", "annotations", "finalizers", "ownerReferences" }

-- Fills in what is missing, in place, and returns the object.
function M.fill(obj, kind)
  if not kind.custom then without_null(obj) end
  local meta = table_at(obj, "metadata")
  for _, at in ipairs { obj, meta } do
    for _, name in ipairs(DROPPED) do
      if type(at[name]) == "table" and next(at[name]) == nil then at[name] = nil end
    end
  end
  if kind.custom then return obj end
  if type(obj.stringData) == "table" and kind.kind == "Secret" then
    local data = table_at(obj, "data")
    for key, value in next, obj.stringData do data[key] = require("lib.base64").encode(value) end
    obj.stringData = nil
  end
  if not NO_SPEC[kind.kind] then table_at(obj, "spec") end
  if of[kind.kind] then of[kind.kind](obj, obj.spec) end
  return obj
end

return M
