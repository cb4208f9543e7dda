-- demo/kinds.lua: what the demo cluster serves.
-- A kind: group, kind, plural, short, namespaced, versions (the first is preferred, and what is stored),
-- key (the store's name for it), and what it has: status and scale as subresources, a generation; `more`
-- subresources, each with its kind and its verb.
local M = {}

local CORE, APPS, BATCH, RBAC = "", "apps", "batch", "rbac.authorization.k8s.io"
local all, by_key = {}, {}

local function add(group, versions, kind, plural, options)
  local k = options or {}
  k.group, k.versions, k.kind, k.plural = group, versions, kind, plural
  k.namespaced = k.namespaced ~= false
  k.singular = kind:lower()
  k.key = group == "" and plural or plural .. "." .. group
  k.short = k.short or {}
  k.stored = versions[1]
  all[#all + 1] = k
  by_key[k.key] = k
end

add(CORE, { "v1" }, "ConfigMap", "configmaps", { short = { "cm" } })
add(CORE, { "v1" }, "Endpoints", "endpoints", { short = { "ep" } })
add(CORE, { "v1" }, "Event", "events", { short = { "ev" } })
add(CORE, { "v1" }, "Namespace", "namespaces", { short = { "ns" }, namespaced = false, status = true })
add(CORE, { "v1" }, "Node", "nodes", { short = { "no" }, namespaced = false, status = true })
add(CORE, { "v1" }, "PersistentVolumeClaim", "persistentvolumeclaims", { short = { "pvc" }, status = true })
add(CORE, { "v1" }, "PersistentVolume", "persistentvolumes",
  { short = { "pv" }, namespaced = false, status = true })
add(CORE, { "v1" }, "Pod", "pods", { short = { "po" }, status = true, all = true, generation = true,
  more = { { "eviction", { "policy", "v1", "Eviction" }, "create" }, { "log", { "", "v1", "Pod" }, "get" } } })
add(CORE, { "v1" }, "Secret", "secrets")
add(CORE, { "v1" }, "ServiceAccount", "serviceaccounts", { short = { "sa" } })
add(CORE, { "v1" }, "Service", "services", { short = { "svc" }, status = true, all = true })
add(APPS, { "v1" }, "ControllerRevision", "controllerrevisions")
add(APPS, { "v1" }, "DaemonSet", "daemonsets", { short = { "ds" }, status = true, all = true, generation = true })
add(APPS, { "v1" }, "Deployment", "deployments",
  { short = { "deploy" }, status = true, scale = true, all = true, generation = true })
add(APPS, { "v1" }, "ReplicaSet", "replicasets",
  { short = { "rs" }, status = true, scale = true, all = true, generation = true })
add(APPS, { "v1" }, "StatefulSet", "statefulsets",
  { short = { "sts" }, status = true, scale = true, all = true, generation = true })
add(BATCH, { "v1" }, "CronJob", "cronjobs", { short = { "cj" }, status = true, all = true, generation = true })
add(BATCH, { "v1" }, "Job", "jobs", { status = true, all = true, generation = true })
add("networking.k8s.io", { "v1" }, "Ingress", "ingresses", { short = { "ing" }, status = true, generation = true })
add("networking.k8s.io", { "v1" }, "NetworkPolicy", "networkpolicies", { short = { "netpol" }, generation = true })
add("policy", { "v1" }, "PodDisruptionBudget", "poddisruptionbudgets",
  { short = { "pdb" }, status = true, generation = true, old = "pdb", old_versions = { "v1beta1" } })
add("autoscaling", { "v2", "v1" }, "HorizontalPodAutoscaler", "horizontalpodautoscalers",
  { short = { "hpa" }, status = true, all = true, old = "hpa", old_versions = { "v1" } })
add("storage.k8s.io", { "v1" }, "StorageClass", "storageclasses", { short = { "sc" }, namespaced = false })
add(RBAC, { "v1" }, "ClusterRoleBinding", "clusterrolebindings", { namespaced = false })
add(RBAC, { "v1" }, "ClusterRole", "clusterroles", { namespaced = false })
add(RBAC, { "v1" }, "RoleBinding", "rolebindings")
add(RBAC, { "v1" }, "Role", "roles")
add("apiextensions.k8s.io", { "v1" }, "CustomResourceDefinition", "customresourcedefinitions",
  { short = { "crd", "crds" }, namespaced = false, status = true, generation = true })
add("coordination.k8s.io", { "v1" }, "Lease", "leases")

-- --serve-old leaves only the old versions.
for _, k in ipairs(all) do
  if k.old and store.old():find(k.old .. " ", 1, true) then k.versions = k.old_versions end
end

-- The kind that a CustomResourceDefinition makes.
local function of_crd(crd)
  local spec, versions, status, scale = crd.spec, {}, nil, nil
  for _, version in ipairs(spec.versions or {}) do
    if version.served then
      if version.storage then table.insert(versions, 1, version.name) else versions[#versions + 1] = version.name end
      local subresources = version.subresources or {}
      status, scale = status or subresources.status ~= nil, scale or subresources.scale ~= nil
    end
  end
  local names = spec.names
  return {
    group = spec.group, kind = names.kind, plural = names.plural,
    singular = names.singular or names.kind:lower(), short = names.shortNames or {},
    namespaced = spec.scope == "Namespaced", versions = versions, stored = versions[1],
    key = names.plural .. "." .. spec.group, status = status, scale = scale, generation = true, custom = true,
  }
end

-- All kinds that are served now, those of CRDs too.
function M.all()
  local found = table.move(all, 1, #all, 1, {})
  for _, crd in ipairs(store.list("customresourcedefinitions.apiextensions.k8s.io")) do
    found[#found + 1] = of_crd(crd)
  end
  return found
end

local function serves(kind, version)
  for _, v in ipairs(kind.versions) do
    if v == version then return true end
  end
  return false
end

-- By the words of a path; nil where it is not served.
function M.find(group, version, plural)
  local key = group == "" and plural or plural .. "." .. group
  local kind = by_key[key]
  if not kind then
    local crd = store.get("customresourcedefinitions.apiextensions.k8s.io", "", key)
    kind = crd and not crd.metadata.deletionTimestamp and of_crd(crd)
  end
  return kind and serves(kind, version) and kind or nil
end

function M.by_key(key)
  if by_key[key] then return by_key[key] end
  local crd = store.get("customresourcedefinitions.apiextensions.k8s.io", "", key)
  return crd and of_crd(crd)
end

function M.api_version(kind, version)
  return kind.group == "" and version or kind.group .. "/" .. version
end

return M
