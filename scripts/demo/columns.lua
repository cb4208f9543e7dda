-- demo/columns.lua: lists as tables, as kubectl get shows them.
local M = {}

local function age(obj)
  local at = store.time(obj.metadata.creationTimestamp)
  local _, now = store.now()
  local s = math.max(now - at, 0) // 1000
  if s < 120 then return s .. "s" end
  if s < 7200 then return s // 60 .. "m" end
  if s < 172800 then return s // 3600 .. "h" end
  return s // 86400 .. "d"
end

local function size(t)
  local n = 0
  for _ in next, t or {} do n = n + 1 end
  return n
end

local function s(obj)
  return obj.status or {}
end

local function counts(a, b)
  return ("%d/%d"):format(a or 0, b or 0)
end

local function pod_word(obj)
  local st = s(obj)
  if obj.metadata.deletionTimestamp then return "Terminating" end
  for _, c in ipairs(st.containerStatuses or {}) do
    local state = c.state or {}
    if state.waiting and state.waiting.reason then return state.waiting.reason end
    if state.terminated and state.terminated.reason then return state.terminated.reason end
  end
  return st.reason or st.phase
end

local function pod_ready(obj)
  local ready, all = 0, #(obj.spec.containers or {})
  for _, c in ipairs(s(obj).containerStatuses or {}) do ready = ready + (c.ready and 1 or 0) end
  return counts(ready, all)
end

local function restarts(obj)
  local n = 0
  for _, c in ipairs(s(obj).containerStatuses or {}) do n = n + (c.restartCount or 0) end
  return n
end

local function ports(obj)
  local texts = {}
  for i, p in ipairs(obj.spec.ports or {}) do
    texts[i] = (p.nodePort and "%d:%d/%s" or "%d/%s"):format(p.port, p.nodePort or p.protocol, p.protocol)
  end
  return #texts > 0 and table.concat(texts, ",") or "<none>"
end

local function condition(obj, kind)
  for _, c in ipairs(s(obj).conditions or {}) do
    if c.type == kind then return c.status == "True" end
  end
end

local function ref(r)
  return r and ("%s/%s"):format(r.kind, r.name) or "<none>"
end

-- kind → { name, type, function }…
local COLUMNS = {
  Pod = { { "Ready", pod_ready }, { "Status", pod_word }, { "Restarts", restarts } },
  Deployment = {
    { "Ready", function(o) return counts(s(o).readyReplicas, o.spec.replicas) end },
    { "Up-to-date", function(o) return s(o).updatedReplicas or 0 end },
    { "Available", function(o) return s(o).availableReplicas or 0 end },
  },
  ReplicaSet = {
    { "Desired", function(o) return o.spec.replicas or 0 end },
    { "Current", function(o) return s(o).replicas or 0 end },
    { "Ready", function(o) return s(o).readyReplicas or 0 end },
  },
  StatefulSet = { { "Ready", function(o) return counts(s(o).readyReplicas, o.spec.replicas) end } },
  ControllerRevision = { { "Revision", function(o) return o.revision end } },
  DaemonSet = {
    { "Desired", function(o) return s(o).desiredNumberScheduled or 0 end },
    { "Current", function(o) return s(o).currentNumberScheduled or 0 end },
    { "Ready", function(o) return s(o).numberReady or 0 end },
    { "Up-to-date", function(o) return s(o).updatedNumberScheduled or 0 end },
    { "Available", function(o) return s(o).numberAvailable or 0 end },
  },
  Job = {
    { "Status", function(o)
      return condition(o, "Complete") and "Complete" or condition(o, "Failed") and "Failed" or "Running"
    end },
    { "Completions", function(o) return counts(s(o).succeeded, o.spec.completions or 1) end },
  },
  CronJob = {
    { "Schedule", function(o) return o.spec.schedule end },
    { "Suspend", function(o) return tostring(o.spec.suspend or false) end },
    { "Active", function(o) return #(s(o).active or {}) end },
  },
  Service = {
    { "Type", function(o) return o.spec.type end },
    { "Cluster-IP", function(o) return o.spec.clusterIP or "<none>" end },
    { "External-IP", function() return "<none>" end },
    { "Port(s)", ports },
  },
  ConfigMap = { { "Data", function(o) return size(o.data) + size(o.binaryData) end } },
  Secret = { { "Type", function(o) return o.type end }, { "Data", function(o) return size(o.data) end } },
  ServiceAccount = { { "Secrets", function(o) return #(o.secrets or {}) end } },
  Namespace = { { "Status", function(o) return s(o).phase end } },
  Node = {
    { "Status", function(o)
      return (condition(o, "Ready") and "Ready" or "NotReady") .. (o.spec.unschedulable and ",SchedulingDisabled" or "")
    end },
    { "Roles", function() return "<none>" end },
    { "Version", function(o) return s(o).nodeInfo and s(o).nodeInfo.kubeletVersion or "" end },
  },
  PersistentVolume = {
    { "Capacity", function(o) return (o.spec.capacity or {}).storage or "" end },
    { "Status", function(o) return s(o).phase end },
    { "StorageClass", function(o) return o.spec.storageClassName or "" end },
  },
  PersistentVolumeClaim = {
    { "Status", function(o) return s(o).phase end },
    { "Volume", function(o) return o.spec.volumeName or "" end },
    { "Capacity", function(o) return (s(o).capacity or {}).storage or "" end },
    { "StorageClass", function(o) return o.spec.storageClassName or "" end },
  },
  Event = {
    { "Type", function(o) return o.type end }, { "Reason", function(o) return o.reason end },
    { "Object", function(o) return ref(o.involvedObject):lower() end },
    { "Message", function(o) return o.message end },
  },
  Ingress = {
    { "Class", function(o) return o.spec.ingressClassName or "<none>" end },
    { "Hosts", function(o)
      local hosts = {}
      for i, rule in ipairs(o.spec.rules or {}) do hosts[i] = rule.host or "*" end
      return #hosts > 0 and table.concat(hosts, ",") or "*"
    end },
  },
  PodDisruptionBudget = {
    { "Min Available", function(o) return tostring(o.spec.minAvailable or "N/A") end },
    { "Max Unavailable", function(o) return tostring(o.spec.maxUnavailable or "N/A") end },
    { "Allowed Disruptions", function(o) return s(o).disruptionsAllowed or 0 end },
  },
  HorizontalPodAutoscaler = {
    { "Reference", function(o) return ref(o.spec.scaleTargetRef) end },
    { "MinPods", function(o) return tostring(o.spec.minReplicas or 1) end },
    { "MaxPods", function(o) return o.spec.maxReplicas end },
    { "Replicas", function(o) return s(o).currentReplicas or 0 end },
  },
  StorageClass = { { "Provisioner", function(o) return o.provisioner end },
    { "ReclaimPolicy", function(o) return o.reclaimPolicy end } },
  RoleBinding = { { "Role", function(o) return ref(o.roleRef) end } },
  ClusterRoleBinding = { { "Role", function(o) return ref(o.roleRef) end } },
  Lease = { { "Holder", function(o) return o.spec.holderIdentity or "" end } },
}

local function definitions(kind)
  local found = list { { name = "Name", type = "string", format = "name", priority = 0,
    description = "Name must be unique within a namespace." } }
  for _, column in ipairs(COLUMNS[kind.kind] or {}) do
    found[#found + 1] = { name = column[1], type = "string", format = "", priority = 0, description = "" }
  end
  found[#found + 1] = { name = "Age", type = "string", format = "", priority = 0, description = "" }
  return found
end

-- One object as a row; `include` is None, Metadata or Object.
local function row(obj, kind, include)
  local cells = list { obj.metadata.name }
  for _, column in ipairs(COLUMNS[kind.kind] or {}) do
    local value = column[2](obj)
    cells[#cells + 1] = value == nil and null or value
  end
  cells[#cells + 1] = age(obj)
  local whole
  if include == "Object" then whole = obj
  elseif include ~= "None" then
    whole = { kind = "PartialObjectMetadata", apiVersion = "meta.k8s.io/v1", metadata = obj.metadata }
  end
  return { cells = cells, object = whole }
end

-- Objects as a Table. `headless`: an event of a watch after the first has no definitions.
function M.table(objects, kind, include, metadata, headless)
  local rows = list {}
  for i, obj in ipairs(objects) do rows[i] = row(obj, kind, include) end
  return { kind = "Table", apiVersion = "meta.k8s.io/v1", metadata = metadata or {},
    columnDefinitions = headless and null or definitions(kind), rows = rows }
end

return M
