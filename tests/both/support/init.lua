--- The cluster that the specs here run against: MOONSAIL_CLUSTER says demo (also when it says nothing), real or
-- old (real too, the oldest one, without controllers). What is true of all is asked of all; `cluster.real` is
-- for the few things that only a real one can show, the tag #newest for what the old one has nobody to do.

local support = require "tests.spec.support"
local client = require "tests.both.support.client"

local which = os.getenv("MOONSAIL_CLUSTER")
local cluster = { real = which == "real" or which == "old", old = which == "old" }
cluster.context = cluster.real and "test" or "demo"
local backend = require(cluster.real and "tests.cluster.support" or "tests.both.support.demo")

--- The path of a kubeconfig; the names of others are a real cluster's.
function cluster.kubeconfig(name)
  return backend.kubeconfig(name)
end

local shared

local function api()
  -- The client needs a token; the real cluster's first kubeconfig has a certificate.
  local path = backend.kubeconfig(cluster.real and "kubeconfig-token" or nil)
  if not shared or shared.path ~= path then
    shared = client.new(path)
    shared.path = path
  end
  return shared
end

--- One request to the API server, as client.lua takes it.
function cluster.request(method, path, body, options)
  return api():request(method, path, body, options)
end

local function must(method, path, body, options)
  local answer = cluster.request(method, path, body, options)
  if answer.status >= 300 then
    error(("%s %s: %d %s"):format(method, path, answer.status, answer.text), 3)
  end
  return answer
end

local PATHS = {
  configmap = "/api/v1/namespaces/%s/configmaps", secret = "/api/v1/namespaces/%s/secrets",
  service = "/api/v1/namespaces/%s/services", pod = "/api/v1/namespaces/%s/pods",
  deployment = "/apis/apps/v1/namespaces/%s/deployments",
  statefulset = "/apis/apps/v1/namespaces/%s/statefulsets", daemonset = "/apis/apps/v1/namespaces/%s/daemonsets",
  job = "/apis/batch/v1/namespaces/%s/jobs", event = "/api/v1/namespaces/%s/events",
  lease = "/apis/coordination.k8s.io/v1/namespaces/%s/leases", namespace = "/api/v1/namespaces",
  crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}

--- The collection's path of a resource, in a namespace.
function cluster.path(resource, namespace)
  local path = PATHS[resource] or resource
  return path:find("%%s") and path:format(namespace or "default") or path
end

--- An object as the API server has it, or nil. `resource`: a short word of the table above, or a path.
function cluster.get(resource, name, namespace)
  local answer = cluster.request("GET", cluster.path(resource, namespace) .. "/" .. name)
  return answer.status ~= 404 and answer.json() or nil
end

--- The objects of a resource in a namespace.
function cluster.list(resource, namespace)
  return must("GET", cluster.path(resource, namespace)).json().items
end

--- Creates an object, a table or YAML, in somebody's name.
function cluster.create(resource, namespace, object, manager)
  local options = type(object) == "string" and { type = "application/yaml" } or nil
  return must("POST", cluster.path(resource, namespace) .. "?fieldManager=" .. (manager or "spec"), object, options).json()
end

--- A Deployment as `kubectl apply` makes it: by kubectl itself, or (it wants TLS to send a token) by the
-- request that it would send. `manifest`: YAML with `metadata: {` on a line.
function cluster.kubectl_apply(namespace, manifest)
  if cluster.real then return backend.kubectl({ "apply", "-n", namespace, "-f", "-" }, manifest) end
  local noted = manifest:gsub("metadata: {", "metadata: { annotations: { kubectl.kubernetes.io/last-applied-configuration: '{}' },", 1)
  return cluster.create("deployment", namespace, noted, "kubectl-client-side-apply")
end

function cluster.stop_apiserver()
  backend.stop_apiserver()
end

function cluster.start_apiserver()
  backend.start_apiserver()
end

--- A patch in somebody's name: options.type ("strategic-merge" unless said), options.manager, options.sub.
function cluster.patch(resource, name, namespace, patch, options)
  options = options or {}
  local path = cluster.path(resource, namespace) .. "/" .. name .. (options.sub and "/" .. options.sub or "")
  return must("PATCH", path .. "?fieldManager=" .. (options.manager or "spec"), patch,
    { type = ("application/%s-patch+json"):format(options.type or "strategic-merge") }).json()
end

local made = 0

--- A namespace of its own for a spec.
function cluster.namespace()
  made = made + 1
  local name = ("spec-%d-%d"):format(support.pid, made)
  cluster.create("namespace", nil, { metadata = { name = name } })
  return name
end

--- Waits until a CustomResourceDefinition's kinds are served.
function cluster.established(name)
  support.eventually(name .. " is established", function()
    local crd = cluster.get("crd", name)
    for _, condition in ipairs(crd and crd.status and crd.status.conditions or {}) do
      if condition.type == "Established" and condition.status == "True" then return true end
    end
  end)
end

-- cluster.cli and cluster.serve: the command line and a host with this cluster's kubeconfig.
support.with_kubeconfig(cluster)

return cluster
