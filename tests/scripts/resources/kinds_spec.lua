-- What is the same for every shipped kind: its file says what it is, and an object of it goes to the cluster as
-- the manifest has it.
local testing = require "moonsail.testing"

local POD = { metadata = { labels = { app = "a" } }, spec = { containers = { { name = "c", image = "nginx:1.27" } } } }
local JOB_POD = { spec = { restartPolicy = "Never", containers = { { name = "c", image = "busybox:1.37" } } } }
local SELECTOR = { matchLabels = { app = "a" } }
local RULES = { { apiGroups = { "" }, resources = { "pods" }, verbs = { "get" } } }
local ROLE_REF = { apiGroup = "rbac.authorization.k8s.io", kind = "ClusterRole", name = "view" }
local RBAC = "rbac.authorization.k8s.io/v1"

-- name → kind, apiVersion, the rest of an object, where it says something: a change of it.
local KINDS = {
  certificates = { "Certificate", "cert-manager.io/v1",
    { spec = { secretName = "tls", issuerRef = { name = "ca" }, dnsNames = { "a.example.com" } } } },
  clusterrolebindings = { "ClusterRoleBinding", RBAC, { roleRef = ROLE_REF,
    subjects = { { kind = "Group", name = "ops", apiGroup = "rbac.authorization.k8s.io" } } } },
  clusterroles = { "ClusterRole", RBAC, { rules = RULES } },
  configmaps = { "ConfigMap", "v1", { data = { a = "1" } } },
  cronjobs = { "CronJob", "batch/v1",
    { spec = { schedule = "0 3 * * *", jobTemplate = { spec = { template = JOB_POD } } } } },
  customresourcedefinitions = { "CustomResourceDefinition", "apiextensions.k8s.io/v1",
    { spec = { group = "example.com", scope = "Namespaced", names = { plural = "gears", kind = "Gear" },
      versions = { { name = "v1", served = true, storage = true, schema = { openAPIV3Schema = { type = "object" } } } } } },
    name = "gears.example.com" },
  daemonsets = { "DaemonSet", "apps/v1", { spec = { selector = SELECTOR, template = POD } } },
  deployments = { "Deployment", "apps/v1", { spec = { replicas = 2, selector = SELECTOR, template = POD } } },
  hpa = { "HorizontalPodAutoscaler", "autoscaling/v2",
    { spec = { maxReplicas = 3, scaleTargetRef = { apiVersion = "apps/v1", kind = "Deployment", name = "a" } } } },
  ingress = { "Ingress", "networking.k8s.io/v1",
    { spec = { defaultBackend = { service = { name = "a", port = { number = 80 } } } } } },
  jobs = { "Job", "batch/v1", { spec = { template = JOB_POD } } },
  namespaces = { "Namespace", "v1", {} },
  networkpolicy = { "NetworkPolicy", "networking.k8s.io/v1", { spec = { podSelector = {}, policyTypes = { "Ingress" } } } },
  pdb = { "PodDisruptionBudget", "policy/v1", { spec = { minAvailable = 1, selector = SELECTOR } } },
  persistentvolumeclaims = { "PersistentVolumeClaim", "v1",
    { spec = { accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = "1Gi" } } } } },
  persistentvolumes = { "PersistentVolume", "v1",
    { spec = { capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, hostPath = { path = "/data" } } } },
  pods = { "Pod", "v1", { spec = POD.spec } },
  replicasets = { "ReplicaSet", "apps/v1", { spec = { selector = SELECTOR, template = POD } } },
  rolebindings = { "RoleBinding", RBAC, { roleRef = ROLE_REF, subjects = { { kind = "ServiceAccount", name = "a" } } } },
  roles = { "Role", RBAC, { rules = RULES } },
  secrets = { "Secret", "v1", { stringData = { password = "geheim" } } },
  serviceaccounts = { "ServiceAccount", "v1", {} },
  services = { "Service", "v1", { spec = { selector = { app = "a" }, ports = { { port = 80 } } } } },
  statefulsets = { "StatefulSet", "apps/v1", { spec = { serviceName = "a", selector = SELECTOR, template = POD } } },
  storageclasses = { "StorageClass", "storage.k8s.io/v1", { provisioner = "example.com/disk" } },
}

local CLUSTER_SCOPED = { ClusterRole = true, ClusterRoleBinding = true, CustomResourceDefinition = true,
  Namespace = true, PersistentVolume = true, StorageClass = true }

local function object(row)
  local obj = { apiVersion = row[2], kind = row[1], metadata = { name = row.name or "a" } }
  for key, value in pairs(row[3]) do obj[key] = value end
  return testing.object(obj)
end

-- Does `whole` hold everything that `part` does?
local function holds(whole, part)
  if type(part) ~= "table" then return whole == part end
  if type(whole) ~= "table" then return false end
  for key, value in pairs(part) do
    if not holds(whole[key], value) then return false end
  end
  return true
end

for name, row in pairs(KINDS) do
  describe(name, function()
    local resource = testing.resource(name)

    it("say what they are", function()
      assert.equal(name, resource.name)
      assert.equal(row[1], resource.kind)
      assert.equal(row[2], resource.versions[1])
      assert.matches("^%u.+%.$", resource.help)
      local kind = row[1]:lower()
      local answers = {}
      for _, alias in ipairs(resource.aliases) do answers[alias] = true end
      answers[name] = true
      assert.is_true(answers[kind], "kubectl's singular is an alias")
    end)

    it("are created, found unchanged, and changed", function()
      local t = testing.new()
      assert.equal("created", t:apply(resource, object(row)))
      assert.equal("unchanged", t:apply(resource, object(row)))
      local labelled = object(row)
      labelled.metadata.labels = { owner = "shop" }
      assert.equal("configured", t:apply(resource, labelled))
      local live = t:get(labelled)
      assert.equal("shop", live.metadata.labels.owner)
      assert.equal(not CLUSTER_SCOPED[row[1]] and "default" or nil, live.metadata.namespace)
      if name ~= "secrets" then assert.is_true(holds(live, object(row))) end
      assert.same({ created = 1, unchanged = 1, configured = 1, deleted = 0 }, t.counts)
    end)

    it("are not there after a dry-run", function()
      local t = testing.new { dry_run = true }
      assert.equal("created", t:apply(resource, object(row)))
      assert.is_nil(t:get(object(row)))
    end)
  end)
end
