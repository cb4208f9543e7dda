-- demo/seed.lua: what stands in a new demo cluster: two nodes and a small shop, made as a client makes it.
local server = require "demo.server"

local M = {}

local function send(method, path, body)
  local answer = server.handle { method = method, path = path, query = { fieldManager = "demo-seed" }, accept = "",
    content_type = "application/json", user_agent = "demo", body = store.write(body) }
  if answer.status ~= 201 and answer.status ~= 200 then error(path .. ": " .. store.write(answer.body), 0) end
  return answer.body
end

local function node(name)
  local obj = send("POST", "/api/v1/nodes", { metadata = { name = name, labels = {
    ["kubernetes.io/hostname"] = name, ["kubernetes.io/os"] = "linux", ["kubernetes.io/arch"] = "amd64" } } })
  local now = store.now()
  obj.status = {
    capacity = { cpu = "8", memory = "32Gi", pods = "110" }, allocatable = { cpu = "8", memory = "32Gi", pods = "110" },
    conditions = list { { type = "Ready", status = "True", reason = "KubeletReady", message = "kubelet is ready",
      lastHeartbeatTime = now, lastTransitionTime = now } },
    addresses = list { { type = "InternalIP", address = "10.0.0.1" }, { type = "Hostname", address = name } },
    nodeInfo = { kubeletVersion = "v1.34.0-demo", osImage = "Demo", operatingSystem = "linux", architecture = "amd64",
      containerRuntimeVersion = "demo://1", kernelVersion = "", kubeProxyVersion = "", machineID = "", systemUUID = "",
      bootID = "" },
  }
  send("PUT", "/api/v1/nodes/" .. name .. "/status", obj)
end

local function workload(name, image, port, replicas)
  return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name, labels = { app = name } },
    spec = { replicas = replicas, selector = { matchLabels = { app = name } },
      template = { metadata = { labels = { app = name } }, spec = { containers = list {
        { name = name, image = image, ports = list { { name = "http", containerPort = port } },
          envFrom = list { { configMapRef = { name = "shop" } } } } } } } } }
end

local function shop(ns)
  local core, apps = "/api/v1/namespaces/" .. ns, "/apis/apps/v1/namespaces/" .. ns
  send("POST", core .. "/configmaps", { metadata = { name = "shop" }, data = { currency = "EUR", theme = "sea" } })
  send("POST", core .. "/secrets", { metadata = { name = "shop-db" }, stringData = { user = "shop" } })
  send("POST", apps .. "/deployments", workload("storefront", "registry.example/storefront:2.3.0", 8080, 2))
  send("POST", apps .. "/deployments", workload("checkout", "registry.example/checkout:1.9.4", 8081, 2))
  for name, port in next, { storefront = 8080, checkout = 8081 } do
    send("POST", core .. "/services", { metadata = { name = name }, spec = { selector = { app = name },
      ports = list { { name = "http", port = 80, targetPort = port } } } })
  end
  send("POST", "/apis/policy/" .. (store.old():find("pdb", 1, true) and "v1beta1" or "v1") .. "/namespaces/" .. ns
    .. "/poddisruptionbudgets", { metadata = { name = "storefront" },
    spec = { minAvailable = 1, selector = { matchLabels = { app = "storefront" } } } })
end

function M.plant()
  for _, name in ipairs { "default", "kube-system", "kube-public", "kube-node-lease", "shop" } do
    send("POST", "/api/v1/namespaces", { metadata = { name = name } })
  end
  node("demo-1")
  node("demo-2")
  send("POST", "/apis/storage.k8s.io/v1/storageclasses", { provisioner = "demo/volumes", metadata = { name = "standard",
    annotations = { ["storageclass.kubernetes.io/is-default-class"] = "true" } } })
  shop("shop")
end

return M
