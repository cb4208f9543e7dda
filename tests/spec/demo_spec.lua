-- The demo cluster: what it promises beyond answering as an API server does (tests/both has that).

local support = require "tests.spec.support"
local client = require "tests.both.support.client"
local demo = require "tests.both.support.demo"

local function deployment(name, replicas, notes, more)
  local spec = { replicas = replicas, selector = { matchLabels = { app = name } },
    template = { metadata = { labels = { app = name }, annotations = notes },
      spec = { containers = support.json.list { { name = "web", image = "example/web:1" } } } } }
  for key, value in pairs(more or {}) do spec[key] = value end
  return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name }, spec = spec }
end

local DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"

local function condition(obj, kind)
  for _, c in ipairs(obj.status and obj.status.conditions or {}) do
    if c.type == kind then return c end
  end
end

describe("a demo cluster", function()
  local one, api

  setup(function()
    one = demo.start()
    api = client.new(one.kubeconfig)
  end)

  local function get(path)
    return api:request("GET", path).json()
  end

  local function eventually(what, path, test)
    return support.eventually(what, function()
      local answer = api:request("GET", path)
      local obj = answer.status == 200 and answer.json()
      return obj and test(obj) and obj
    end, support.seconds(20))
  end

  it("says where it listens and where its kubeconfig is, which is its user's alone", function()
    assert.matches("^http://127.0.0.1:%d+$", one.url)
    local stat = support.run { "stat", "-c", "%a", one.kubeconfig }
    assert.equal("600\n", stat.stdout)
  end)

  it("lets nobody in without its token", function()
    local stranger = setmetatable({ token = "another" }, { __index = api })
    assert.equal(401, stranger:request("GET", "/api/v1/namespaces").status)
    assert.equal(401, stranger:request("POST", "/api/v1/namespaces", "{}").status)
  end)

  it("refuses a body of more than 3 MiB in words that arrive", function()
    local answer = api:request("POST", "/api/v1/namespaces/default/configmaps", ("x"):rep(4 * 1024 * 1024))
    assert.equal(413, answer.status)
    assert.equal("Request entity too large: limit is 3145728", answer.json().message)
  end)

  it("is not empty: a shop runs in it on two nodes", function()
    assert.equal(2, #get("/api/v1/nodes").items)
    eventually("the storefront is ready", "/apis/apps/v1/namespaces/shop/deployments/storefront", function(obj)
      return obj.status.readyReplicas == 2
    end)
    assert.equal(4, #get("/api/v1/namespaces/shop/pods").items)
  end)

  it("rolls a Deployment out, and over to a new image without losing a Pod that is needed", function()
    api:request("POST", DEPLOYMENTS, deployment("rolls", 3))
    local path = DEPLOYMENTS .. "/rolls"
    local first = eventually("it is out", path, function(obj)
      return obj.status.availableReplicas == 3 and condition(obj, "Progressing").reason == "NewReplicaSetAvailable"
    end)
    assert.equal("1", first.metadata.annotations["deployment.kubernetes.io/revision"])
    api:request("PATCH", path, '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"example/web:2"}]',
      { type = "application/json-patch+json" })
    local least = 3
    local second = eventually("it is over", path, function(obj)
      least = math.min(least, obj.status.availableReplicas or 0)
      return obj.status.updatedReplicas == 3 and obj.status.replicas == 3 and obj.status.availableReplicas == 3
        and obj.metadata.annotations["deployment.kubernetes.io/revision"] == "2"
    end)
    assert.is_true(least >= 3, "fewer than 3 available: " .. least)
    assert.equal(2, second.status.observedGeneration)
    for _, pod in ipairs(get("/api/v1/namespaces/default/pods?labelSelector=app%3Drolls").items) do
      if not pod.metadata.deletionTimestamp then assert.equal("example/web:2", pod.spec.containers[1].image) end
    end
  end)

  it("lets one fail that says so, as a registry without the image would", function()
    api:request("POST", DEPLOYMENTS, deployment("fails", 1, { ["demo/fail"] = "image-pull" }, { progressDeadlineSeconds = 2 }))
    local failed = eventually("it has timed out", DEPLOYMENTS .. "/fails", function(obj)
      local c = condition(obj, "Progressing")
      return c and c.reason == "ProgressDeadlineExceeded"
    end)
    assert.equal("False", condition(failed, "Progressing").status)
    local pod = get("/api/v1/namespaces/default/pods?labelSelector=app%3Dfails").items[1]
    assert.equal("ImagePullBackOff", pod.status.containerStatuses[1].state.waiting.reason)
    local reasons = {}
    for _, event in ipairs(get("/api/v1/namespaces/default/events").items) do reasons[event.reason] = true end
    assert.is_true(reasons.Failed and reasons.BackOff)
  end)

  it("takes its time where a Pod says so", function()
    api:request("POST", DEPLOYMENTS, deployment("slow", 1, { ["demo/start-seconds"] = "2" }))
    eventually("its Pod runs and is not ready", "/api/v1/namespaces/default/pods?labelSelector=app%3Dslow", function(found)
      local pod = found.items[1]
      return pod and pod.status.phase == "Running" and condition(pod, "Ready").status == "False"
    end)
    eventually("it is ready", DEPLOYMENTS .. "/slow", function(obj) return obj.status.readyReplicas == 1 end)
  end)

  it("runs a Job to its end", function()
    api:request("POST", "/apis/batch/v1/namespaces/default/jobs", { apiVersion = "batch/v1", kind = "Job",
      metadata = { name = "once" }, spec = { completions = 2, template = { spec = { restartPolicy = "Never",
        containers = support.json.list { { name = "c", image = "example/c:1" } } } } } })
    local job = eventually("it is complete", "/apis/batch/v1/namespaces/default/jobs/once", function(obj)
      local c = condition(obj, "Complete")
      return c and c.status == "True"
    end)
    assert.equal(2, job.status.succeeded)
  end)

  it("makes a StatefulSet's Pods one after the other, with their claims bound", function()
    api:request("POST", "/apis/apps/v1/namespaces/default/statefulsets", { apiVersion = "apps/v1", kind = "StatefulSet",
      metadata = { name = "db" }, spec = { serviceName = "db", replicas = 2, selector = { matchLabels = { app = "db" } },
        template = deployment("db", 1).spec.template, volumeClaimTemplates = support.json.list { { metadata = { name = "data" },
          spec = { accessModes = support.json.list { "ReadWriteOnce" }, resources = { requests = { storage = "1Gi" } } } } } } })
    eventually("both are ready", "/apis/apps/v1/namespaces/default/statefulsets/db", function(obj)
      return obj.status.readyReplicas == 2
    end)
    assert.equal(200, api:request("GET", "/api/v1/namespaces/default/pods/db-1").status)
    eventually("the claim is bound", "/api/v1/namespaces/default/persistentvolumeclaims/data-db-0", function(obj)
      return obj.status.phase == "Bound"
    end)
  end)

  it("puts a Pod of a DaemonSet on each node", function()
    api:request("POST", "/apis/apps/v1/namespaces/default/daemonsets", { apiVersion = "apps/v1", kind = "DaemonSet",
      metadata = { name = "each" }, spec = { selector = { matchLabels = { app = "each" } },
        template = deployment("each", 1).spec.template } })
    eventually("both are ready", "/apis/apps/v1/namespaces/default/daemonsets/each", function(obj)
      return obj.status.numberReady == 2
    end)
  end)

  it("takes a Namespace away with all that is in it, and a Deployment with its Pods", function()
    api:request("POST", "/api/v1/namespaces", { metadata = { name = "gone" } })
    api:request("POST", "/apis/apps/v1/namespaces/gone/deployments", deployment("web", 2))
    eventually("it runs", "/apis/apps/v1/namespaces/gone/deployments/web", function(obj) return obj.status.readyReplicas == 2 end)
    assert.equal("Terminating", api:request("DELETE", "/api/v1/namespaces/gone").json().status.phase)
    assert.equal(403, api:request("POST", "/api/v1/namespaces/gone/configmaps", { metadata = { name = "late" } }).status)
    support.eventually("it is gone", function()
      return api:request("GET", "/api/v1/namespaces/gone").status == 404
    end)
    assert.equal(0, #get("/api/v1/namespaces/gone/pods").items)
    api:request("DELETE", DEPLOYMENTS .. "/rolls")
    eventually("its Pods are gone", "/api/v1/namespaces/default/pods?labelSelector=app%3Drolls", function(found)
      return #found.items == 0
    end)
  end)

  it("serves what a CustomResourceDefinition defines, at once", function()
    local crd = { apiVersion = "apiextensions.k8s.io/v1", kind = "CustomResourceDefinition", metadata = { name = "boats.demo.dev" },
      spec = { group = "demo.dev", scope = "Namespaced", names = { kind = "Boat", plural = "boats" },
        versions = support.json.list { { name = "v1", served = true, storage = true,
          schema = { openAPIV3Schema = { type = "object", ["x-kubernetes-preserve-unknown-fields"] = true } } } } } }
    assert.equal(201, api:request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).status)
    local made = api:request("POST", "/apis/demo.dev/v1/namespaces/default/boats",
      { apiVersion = "demo.dev/v1", kind = "Boat", metadata = { name = "argo" }, spec = { oars = 50 } })
    assert.equal(201, made.status)
    assert.equal(50, get("/apis/demo.dev/v1/namespaces/default/boats/argo").spec.oars)
  end)

  it("gives a long list in pieces", function()
    for i = 1, 5 do
      api:request("POST", "/api/v1/namespaces/kube-public/configmaps", { metadata = { name = "piece-" .. i } })
    end
    local path, names = "/api/v1/namespaces/kube-public/configmaps?limit=2", {}
    local at = ""
    repeat
      local found = get(path .. at)
      assert.is_true(#found.items <= 2)
      for _, item in ipairs(found.items) do names[#names + 1] = item.metadata.name end
      at = "&continue=" .. (found.metadata.continue or "")
    until not found.metadata.continue
    assert.same({ "piece-1", "piece-2", "piece-3", "piece-4", "piece-5" }, names)
  end)

  it("shows a watch every change after a list, in order, until its time is over", function()
    local path = "/api/v1/namespaces/kube-public/configmaps"
    local revision = get(path).metadata.resourceVersion
    local watching = support.start { "curl", "-sSN", "--max-time", "30", "-H", "Authorization: Bearer " .. api.token,
      ("%s%s?watch=1&timeoutSeconds=3&resourceVersion=%s"):format(api.server, path, revision) }
    api:request("POST", path, { metadata = { name = "seen" }, data = { n = "1" } })
    api:request("PATCH", path .. "/seen", '{"data":{"n":"2"}}', { type = "application/merge-patch+json" })
    api:request("DELETE", path .. "/seen")
    local result = watching:finish(support.seconds(20))
    local seen = {}
    for line in result.stdout:gmatch("[^\n]+") do
      local event = support.json.decode(line)
      seen[#seen + 1] = event.type .. " " .. event.object.metadata.name .. " " .. event.object.data.n
    end
    assert.same({ "ADDED seen 1", "MODIFIED seen 2", "DELETED seen 2" }, seen)
    assert.equal(0, result.code)
  end)

  it("shows a watch that begins anew what there is, and one with a selector only what it chooses", function()
    local path = "/api/v1/namespaces/kube-public/configmaps"
    local url = "%s?watch=1&timeoutSeconds=1&labelSelector=pick%%3Dme"
    api:request("POST", path, { metadata = { name = "picked", labels = { pick = "me" } } })
    local watching = support.start { "curl", "-sSN", "--max-time", "30", "-H", "Authorization: Bearer " .. api.token,
      api.server .. url:format(path) }
    local result = watching:finish(support.seconds(20))
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do lines[#lines + 1] = support.json.decode(line) end
    assert.equal(1, #lines)
    assert.same({ "ADDED", "picked" }, { lines[1].type, lines[1].object.metadata.name })
  end)

  it("says in a dry-run that it checks less than a real cluster", function()
    local answer = api:request("PATCH", "/api/v1/namespaces/default/configmaps/dry?fieldManager=a&dryRun=All&fieldValidation=Strict",
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"dry"}}', { type = "application/apply-patch+yaml" })
    assert.equal(201, answer.status)
    assert.matches('Warning: 299 - "the demo cluster checks no schema, admission or quota', answer.headers, 1, true)
  end)

  it("ends with SIGTERM, exit code 0, and leaves no folder behind", function()
    local own = demo.start()
    local result = own.process:signal("TERM"):finish(support.seconds(20))
    assert.equal(0, result.code)
    assert.equal("", result.stderr)
    assert.is_nil(io.open(own.kubeconfig))
  end)

  it("has all its objects after a kill -9, and a roll-out goes on where it was", function()
    local dir = support.tree()
    local own = demo.start { "--data", dir .. "/demo" }
    local before = client.new(own.kubeconfig)
    assert.equal(201, before:request("POST", DEPLOYMENTS, deployment("kept", 2)).status)
    own.process:kill()
    local again = demo.start { "--data", dir .. "/demo" }
    local second = support.cli { "demo-cluster", "--data", dir .. "/demo" }
    assert.equal(2, second.code)
    assert.matches("another demo cluster runs with this folder", second.stderr, 1, true)
    local after = client.new(again.kubeconfig)
    support.eventually("it is out", function()
      local found = after:request("GET", DEPLOYMENTS .. "/kept").json()
      return found.status and found.status.readyReplicas == 2
    end, support.seconds(20))
    again.process:signal("TERM"):finish(support.seconds(20))
  end)

  it("serves only the old versions where it is told so", function()
    local own = demo.start { "--serve-old", "pdb,hpa" }
    local old = client.new(own.kubeconfig)
    assert.equal(404, old:request("GET", "/apis/policy/v1/poddisruptionbudgets").status)
    assert.equal(200, old:request("GET", "/apis/policy/v1beta1/poddisruptionbudgets").status)
    local hpa = old:request("POST", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", {
      apiVersion = "autoscaling/v1", kind = "HorizontalPodAutoscaler", metadata = { name = "h" },
      spec = { maxReplicas = 3, targetCPUUtilizationPercentage = 60, scaleTargetRef = { kind = "Deployment", name = "x" } } })
    assert.equal(201, hpa.status)
    assert.equal(60, hpa.json().spec.targetCPUUtilizationPercentage)
    assert.equal(404, old:request("GET", "/apis/autoscaling/v2").status)
    own.process:signal("TERM"):finish(support.seconds(20))
  end)

  it("listens on loopback only, and names a flag that it does not know", function()
    assert.equal(2, support.cli({ "demo-cluster", "--listen", "0.0.0.0:0" }).code)
    assert.equal(2, support.cli({ "demo-cluster", "--serve-old", "pods" }).code)
  end)
end)

describe("a host without a cluster", function()
  local function manifest()
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\n"
  end

  local function children(pid)
    local file = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
    local text = file and file:read("a") or ""
    return math.tointeger(tonumber(text:match("%d+")))
  end

  it("starts the demo cluster, marks it, works with it, and takes it along when it ends", function()
    local host = support.serve { demo = true }
    local status = host:get("/api/cluster/status").json()
    assert.is_true(status.connected)
    assert.is_true(status.demo)
    assert.equal("demo", status.context)
    local child = assert(children(host.process.pid), "the host has no child")
    local run = host:start { command = "__k8s-apply-yaml", intent = "apply-yaml", mode = "apply",
      kubernetesEquivalent = true, namespace = "default", yaml = manifest(), label = "x" }
    local events = run:to_end()
    assert.equal("succeeded", events[#events].status)
    host:stop()
    support.eventually("the demo cluster is gone", function() return not io.open(("/proc/%d/stat"):format(child)) end)
  end)

  it("has the same objects when it is started again", function()
    local host = support.serve { demo = true }
    local apply = { command = "__k8s-apply-yaml", intent = "apply-yaml", mode = "apply",
      kubernetesEquivalent = true, namespace = "default", yaml = manifest(), label = "x" }
    local first = host:start(apply):to_end()
    host:restart()
    local second = host:start(apply):to_end()
    local function said(events)
      for _, e in ipairs(events) do
        if e.type == "line" then return e.text end
      end
    end
    assert.equal("configmap/x created", said(first))
    assert.equal("configmap/x unchanged", said(second))
    host:stop()
  end)

  it("does not leave it behind when it is killed", function()
    local host = support.serve { demo = true }
    local child = assert(children(host.process.pid))
    host:kill()
    support.eventually("the demo cluster is gone", function()
      local stat = io.open(("/proc/%d/stat"):format(child))
      return not stat or stat:read("a"):find(") Z", 1, true)
    end, support.seconds(10))
  end)
end)

describe("a host whose kubeconfig names a dead cluster", function()
  it("says so, and has no demo cluster in its place", function()
    local dir = support.tree { kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: dead\n"
      .. "contexts: [{ name: dead, context: { cluster: dead, user: dead } }]\n"
      .. "clusters: [{ name: dead, cluster: { server: 'http://127.0.0.1:1' } }]\nusers: [{ name: dead, user: {} }]\n" }
    local host = support.serve { env = { KUBECONFIG = dir .. "/kubeconfig" } }
    local status = host:get("/api/cluster/status").json()
    assert.is_false(status.connected)
    assert.is_false(status.demo)
    assert.equal("dead", status.context)
    host:stop()
  end)
end)
