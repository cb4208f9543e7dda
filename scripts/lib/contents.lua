-- lib/contents.lua: what would go with a Namespace or a CustomResourceDefinition that is deleted.
local object = require "lib.object"

local M = {}

local LISTED_MOST = 500

-- The kinds of a Namespace's objects that somebody makes; what controllers make belongs to one of them.
local KINDS = {
  ["v1"] = { "Pod", "Service", "ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim", "LimitRange",
    "ResourceQuota", "ReplicationController" },
  ["apps/v1"] = { "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet" },
  ["batch/v1"] = { "Job", "CronJob" },
  ["networking.k8s.io/v1"] = { "Ingress", "NetworkPolicy" },
  ["autoscaling/v2"] = { "HorizontalPodAutoscaler" }, ["autoscaling/v1"] = { "HorizontalPodAutoscaler" },
  ["policy/v1"] = { "PodDisruptionBudget" }, ["policy/v1beta1"] = { "PodDisruptionBudget" },
  ["rbac.authorization.k8s.io/v1"] = { "Role", "RoleBinding" },
  ["coordination.k8s.io/v1"] = { "Lease" },
}

local function map(value) return type(value) == "table" and value or {} end

-- What the cluster itself puts into every Namespace.
local function is_furniture(obj)
  return obj.kind == "ConfigMap" and obj.metadata.name == "kube-root-ca.crt"
    or obj.kind == "ServiceAccount" and obj.metadata.name == "default"
    or obj.kind == "Secret" and obj.type == "kubernetes.io/service-account-token"
end

local function is_owned(obj)
  for _, ref in ipairs(map(obj.metadata.ownerReferences)) do
    if ref.controller == true then return true end
  end
  return false
end

-- The first object of a kind that is not going anyway, as "pod/x"; nil where there is none. `gone`: uids; `custom`:
-- the kind is a CustomResourceDefinition's, so it is served, but may be too new to be known here.
local function first_of(ctx, target, gone, custom)
  local found, err = ctx:try(function() return ctx:list(target, { query = "limit=" .. LISTED_MOST }) end)
  if not found then
    if err.status == 404 and not custom then return nil end -- not served here
    ctx:fail("what would go with it cannot be seen: %s%s", err.message,
      err.status == 404 and " (a new kind is known within a minute)" or "")
  end
  for _, obj in ipairs(map(found)) do
    obj.apiVersion, obj.kind = target.apiVersion, target.kind
    if not gone[obj.metadata.uid] and not obj.metadata.deletionTimestamp and not is_owned(obj)
      and not is_furniture(obj) then
      return object.text(obj)
    end
  end
end

-- The kind of a CustomResourceDefinition's objects, in a version that is served.
local function custom_kind(crd, namespace)
  for _, version in ipairs(map(crd.spec.versions)) do
    if version.served == true then
      return { apiVersion = crd.spec.group .. "/" .. version.name, kind = crd.spec.names.kind, namespace = namespace }
    end
  end
end

-- An object in the Namespace that somebody else would lose with it, as text; or nil.
function M.of_namespace(ctx, name, gone)
  for version, kinds in next, KINDS do
    for _, kind in ipairs(kinds) do
      local found = first_of(ctx, { apiVersion = version, kind = kind, namespace = name }, gone)
      if found then return found end
    end
  end
  local crds = ctx:list({ apiVersion = "apiextensions.k8s.io/v1", kind = "CustomResourceDefinition" })
  for _, crd in ipairs(crds) do
    local target = crd.spec.scope == "Namespaced" and custom_kind(crd, name)
    local found = target and first_of(ctx, target, gone, true)
    if found then return found end
  end
end

-- The same of a CustomResourceDefinition: an object of its kind.
function M.of_crd(ctx, crd, gone)
  local target = custom_kind(crd, "*")
  return target and first_of(ctx, target, gone, true)
end

return M
