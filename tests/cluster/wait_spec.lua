-- Waiting for what only a real control plane does: quotas, admission, claims, load balancers.

local support = require "tests.spec.support"
local cluster = require "tests.cluster.support"

local function wait(ns, manifest, ...)
  return cluster.cli({ "apply", "-f", "-", "-n", ns, "--wait", "--cluster-wide", ... }, { stdin = manifest, limit = support.seconds(90) })
end

local function workload(kind, name, spec, pod)
  return ("apiVersion: apps/v1\nkind: %s\nmetadata: { name: %s }\nspec: { %s selector: { matchLabels: { app: %s } }, template: { "
    .. "metadata: { labels: { app: %s } }, spec: { %s containers: [{ name: c, image: 'img:1' }] } } }\n"):format(
    kind, name, spec or "", name, name, pod or "")
end

local QUOTA = "apiVersion: v1\nkind: ResourceQuota\nmetadata: { name: none }\nspec: { hard: { pods: '0' } }\n"

describe("moonsail apply --wait on a real cluster #newest", function()
  it("gives up at once where the quota leaves room for no Pod, of a Deployment and of a StatefulSet", function()
    local ns = cluster.namespace()
    wait(ns, QUOTA)
    support.eventually("the quota counts", function()
      return cluster.get("resourcequota", "none", ns).status.hard
    end)
    for _, kind in ipairs { "Deployment", "StatefulSet" } do
      local result = wait(ns, workload(kind, kind:lower()), "--timeout", "60")
      assert.equal(1, result.code)
      assert.matches(("%s%%.apps/%s will not become ready: 0 of 1 replicas %%w+; "):format(kind:lower(), kind:lower()), result.stderr)
      assert.matches("no Pod is made: .*exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0", result.stderr)
    end
  end)

  it("gives up at once where the namespace's policy admits no such Pod", function()
    local ns = cluster.namespace()
    cluster.kubectl { "label", "namespace", ns, "pod-security.kubernetes.io/enforce=restricted" }
    local result = wait(ns, workload("Deployment", "lax"), "--timeout", "60")
    assert.equal(1, result.code)
    assert.matches("deployment%.apps/lax will not become ready: 0 of 1 replicas %w+; ReplicaSet lax%-%w+: no Pod is made: "
      .. ".*violates PodSecurity", result.stderr)
  end)

  it("does not wait for a claim that its class binds with the first Pod, and says so", function()
    local ns = cluster.namespace()
    local result = wait(ns, ([[
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: late-%s }
provisioner: example.com/none
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec: { storageClassName: late-%s, accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
]]):format(ns, ns), "--timeout", "30")
    assert.equal(0, result.code)
    assert.matches("persistentvolumeclaim/data: it is bound when the first Pod uses it (WaitForFirstConsumer)", result.stdout, 1, true)
  end)

  it("says that no load balancer has given a Service its address", function()
    local ns = cluster.namespace()
    local result = wait(ns, "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { type: LoadBalancer, ports: [{ port: 80 }] }\n",
      "--timeout", "2")
    assert.equal(1, result.code)
    assert.matches("service/web is not ready after 2 s: no load balancer has given it an address", result.stderr, 1, true)
  end)

  it("believes the conditions of any kind, and waits until a CRD is served", function()
    local ns = cluster.namespace()
    local made = wait(ns, [[
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: things.wait.moonsail.dev }
spec:
  group: wait.moonsail.dev
  scope: Namespaced
  names: { kind: Thing, plural: things }
  versions:
  - name: v1
    served: true
    storage: true
    subresources: { status: {} }
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
---
apiVersion: wait.moonsail.dev/v1
kind: Thing
metadata: { name: one }
]], "--timeout", "30")
    assert.equal(0, made.code)
    local function set_ready(condition)
      cluster.kubectl { "patch", "things.wait.moonsail.dev", "one", "-n", ns, "--subresource", "status", "--type", "merge",
        "-p", support.json.encode { status = { conditions = { condition } } } }
    end
    set_ready { type = "Ready", status = "False", reason = "NoRoom", message = "it is full" }
    local manifest = "apiVersion: wait.moonsail.dev/v1\nkind: Thing\nmetadata: { name: one }\n"
    local result = wait(ns, manifest, "--timeout", "2")
    assert.equal(1, result.code)
    assert.matches("thing.wait.moonsail.dev/one is not ready after 2 s: NoRoom: it is full", result.stderr, 1, true)
    set_ready { type = "Ready", status = "True" }
    assert.equal(0, wait(ns, manifest, "--timeout", "30").code)
  end)

  it("outlasts an API server that goes away and comes back meanwhile", function()
    local ns = cluster.namespace()
    local running = support.start_cli({ "apply", "-f", "-", "-n", ns, "--wait", "--timeout", "60" }, {
      stdin = workload("Deployment", "back", "", "nodeSelector: { late: 'true' },"), env = { KUBECONFIG = cluster.kubeconfig() } })
    support.eventually("the Deployment is there", function() return cluster.get("deployment", "back", ns) end)
    cluster.stop_apiserver()
    cluster.start_apiserver()
    cluster.kubectl { "patch", "deployment", "back", "-n", ns, "--type", "json",
      "-p", '[{ "op": "remove", "path": "/spec/template/spec/nodeSelector" }]' }
    local result = running:finish()
    assert.equal("", result.stderr:match("failed.*") or "")
    assert.equal(0, result.code)
  end)
end)

describe("a StatefulSet that is made anew #newest", function()
  it("goes on with the Pods that it has", function()
    local ns = cluster.namespace()
    local function set(policy)
      return workload("StatefulSet", "db", ("serviceName: db, replicas: 2, podManagementPolicy: %s,"):format(policy))
    end
    local function pods()
      local found = {}
      local names = cluster.kubectl { "get", "pods", "-n", ns, "-o", "jsonpath={range .items[*]}{.metadata.name}={.metadata.uid} {end}" }
      for name, uid in names:gmatch("(%S+)=(%S+)") do found[name] = uid end
      return found
    end
    assert.equal(0, wait(ns, set "OrderedReady", "--timeout", "60").code)
    local before = pods()
    assert.is_string(before["db-1"])
    assert.equal(0, wait(ns, set "Parallel", "--recreate", "--timeout", "60").code)
    assert.same(before, pods())
  end)
end)
