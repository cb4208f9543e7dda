-- The flows that are shipped, each as a person runs it.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"
local json = support.json

local CRONJOBS = "/apis/batch/v1/namespaces/%s/cronjobs"

local DEPLOYMENT = [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME }
spec:
  replicas: 1
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec: { containers: [ { name: web, image: "example/web:1" } ] }
]]

local JOB = [[
apiVersion: batch/v1
kind: Job
metadata: { name: NAME }
spec:
  suspend: true
  template:
    metadata: { labels: { task: NAME } }
    spec: { restartPolicy: Never, containers: [ { name: work, image: "example/work:1" } ] }
]]

local CRONJOB = [[
apiVersion: batch/v1
kind: CronJob
metadata: { name: NAME }
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    metadata: { labels: { of: NAME } }
    spec: { template: { spec: { restartPolicy: Never, containers: [ { name: work, image: "example/work:1" } ] } } }
]]

describe("the flow", function()
  local ns, host

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)
  teardown(function() host:stop() end)

  local function apply(manifest, name)
    local result = support.cli({ "apply", "-f", "-", "-n", ns, "--server", host:url "" }, { stdin = (manifest:gsub("NAME", name)) })
    assert.equal(0, result.code, result.stderr)
  end

  local function flow(...)
    return support.cli { "flow", "-n", ns, "--server", host:url "", ... }
  end

  -- Runs it for real, and gives what it says on stdout.
  local function done(...)
    local result = flow(...)
    assert.equal(0, result.code, result.stderr)
    return result.stdout
  end

  it("restart rolls the Pods and waits until they are ready #newest", function()
    apply(DEPLOYMENT, "rolled")
    assert.matches("deployment.apps/rolled validated (dry-run, no changes persisted): would be restarted",
      done("restart", "deploy/rolled", "--dry-run"), 1, true)
    local function stamp()
      return (cluster.get("deployment", "rolled", ns).spec.template.metadata.annotations or {})["kubectl.kubernetes.io/restartedAt"]
    end
    assert.is_nil(stamp())
    local result = flow("restart", "deploy/rolled", "--timeout", "60")
    assert.equal(0, result.code, result.stderr)
    assert.matches("deployment.apps/rolled restarted", result.stdout, 1, true)
    assert.matches("1 configured", result.stderr, 1, true)
    assert.matches("Z$", stamp())
    local status = cluster.get("deployment", "rolled", ns).status
    assert.equal(1, status.updatedReplicas)
    assert.equal(1, status.availableReplicas)
  end)

  it("scale says from where to where", function()
    apply(DEPLOYMENT, "scaled")
    assert.equal("deployment.apps/scaled validated (dry-run, no changes persisted): would be scaled from 1 to 3\n",
      done("scale", "deployments/scaled", "-i", "replicas=3", "--dry-run"))
    assert.equal("deployment.apps/scaled scaled from 1 to 3\n",
      done("scale", "deployments/scaled", "-i", "replicas=3", "-i", "timeout=0"))
    assert.equal(3, cluster.get("deployment", "scaled", ns).spec.replicas)
    assert.equal("deployment.apps/scaled has 3 replicas already\n", done("scale", "deployments/scaled", "-i", "replicas=3"))
    local wrong = flow("scale", "deployments/scaled", "-i", "replicas=many")
    assert.equal(1, wrong.code)
    assert.matches('input replicas must be a whole number, not "many"', wrong.stderr, 1, true)
  end)

  it("delete says what holds an object, and waits until it is gone", function()
    cluster.create("configmap", ns, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "free" } })
    assert.equal("configmap/free validated (dry-run, no changes persisted): would be deleted\n",
      done("delete", "cm/free", "--dry-run"))
    assert.is_table(cluster.get("configmap", "free", ns))
    assert.equal("configmap/free deleted\n", done("delete", "cm/free"))
    assert.is_nil(cluster.get("configmap", "free", ns))
    assert.equal("configmap/free: it is not there\n", done("delete", "cm/free"))
    cluster.create("configmap", ns, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "held",
      finalizers = { "example.com/wait" } } })
    local held = flow("delete", "cm/held", "--timeout", "1")
    assert.equal(1, held.code)
    assert.matches("configmap/held is not gone after 1 s: its finalizer example.com/wait holds it", held.stderr, 1, true)
    cluster.request("PATCH", cluster.path("configmap", ns) .. "/held", { metadata = { finalizers = json.null } },
      { type = "application/merge-patch+json" })
  end)

  it("rollback goes to the revision before, or names those that there are #newest", function()
    apply(DEPLOYMENT, "back")
    done("restart", "deploy/back")
    apply((DEPLOYMENT:gsub("web:1", "web:2")), "back")
    support.eventually("a third revision", function()
      local meta = cluster.get("deployment", "back", ns).metadata
      return meta.annotations and meta.annotations["deployment.kubernetes.io/revision"] == "3"
    end)
    local none = flow("rollback", "deploy/back", "-i", "revision=9")
    assert.equal(1, none.code)
    assert.matches("has no revision 9; there are: 1 (example/web:1); 2 (example/web:1); 3 (example/web:2)", none.stderr, 1, true)
    assert.matches("would be rolled back from revision 3 to 2", done("rollback", "deploy/back", "--dry-run"), 1, true)
    assert.matches("deployment.apps/back rolled back from revision 3 to 2 (example/web:1)", done("rollback", "deploy/back"), 1, true)
    assert.equal("example/web:1", cluster.get("deployment", "back", ns).spec.template.spec.containers[1].image)
  end)

  it("rollback knows the revisions of a StatefulSet and of a DaemonSet #newest", function()
    for kind, resource in pairs { StatefulSet = "statefulset", DaemonSet = "daemonset" } do
      local manifest = DEPLOYMENT:gsub("kind: Deployment", "kind: " .. kind)
      manifest = manifest:gsub("replicas: 1", kind == "StatefulSet" and "replicas: 0\n  serviceName: none" or "minReadySeconds: 0")
      local function revisions(count)
        support.eventually(count .. " revisions of the " .. kind, function()
          local found = 0
          for _, one in ipairs(cluster.list("/apis/apps/v1/namespaces/%s/controllerrevisions", ns)) do
            if one.metadata.ownerReferences[1].kind == kind then found = found + 1 end
          end
          return found == count
        end)
      end
      apply(manifest, resource)
      revisions(1)
      apply((manifest:gsub("web:1", "web:2")), resource)
      revisions(2)
      local said = done("rollback", resource .. "s/" .. resource, "-i", "timeout=0")
      assert.equal(resource .. ".apps/" .. resource .. " rolled back from revision 2 to 1 (example/web:1)\n", said)
      assert.equal("example/web:1", cluster.get(resource, resource, ns).spec.template.spec.containers[1].image)
    end
  end)

  it("run-now makes a Job from a CronJob; suspend and resume hold it", function()
    apply(CRONJOB, "nightly")
    assert.equal("job.batch/one validated (dry-run, no changes persisted): would be created\n",
      done("run-now", "cj/nightly", "-i", "name=one", "--dry-run"))
    assert.equal("job.batch/one created\n", done("run-now", "cj/nightly", "-i", "name=one"))
    local job = cluster.get("job", "one", ns)
    assert.equal("nightly", job.metadata.ownerReferences[1].name)
    assert.equal("nightly", job.metadata.labels.of)
    assert.equal("cronjob.batch/nightly suspended\n", done("suspend", "cj/nightly"))
    assert.is_true(cluster.get(CRONJOBS, "nightly", ns).spec.suspend)
    assert.equal("cronjob.batch/nightly is suspended already\n", done("suspend", "cj/nightly"))
    assert.equal("cronjob.batch/nightly resumed\n", done("resume", "cj/nightly"))
    assert.is_not_true(cluster.get(CRONJOBS, "nightly", ns).spec.suspend)
  end)

  it("rerun-job makes a Job beside the old one", function()
    apply(JOB, "once")
    assert.equal("job.batch/twice created\n", done("rerun-job", "job/once", "-i", "name=twice"))
    local old, new = cluster.get("job", "once", ns), cluster.get("job", "twice", ns)
    assert.equal("once", new.spec.template.metadata.labels.task)
    assert.not_equal(old.metadata.uid, new.metadata.uid)
    assert.is_not_true(new.spec.suspend)
    local both = flow("rerun-job", "job/once", "-i", "replace=true")
    assert.equal(1, both.code)
    assert.matches("job.batch/once still runs", both.stderr, 1, true)
  end)

  it("migrate-ownership makes the fields of another manager ours", function()
    cluster.create("configmap", ns, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "owned" }, data = { a = "1" } }, "somebody")
    local none = flow("migrate-ownership", "cm/owned", "-i", "from=nobody")
    assert.equal(1, none.code)
    assert.matches("nobody owns no field that could be taken; its managers are: somebody", none.stderr, 1, true)
    assert.equal("configmap/owned: the fields of somebody would be managed by moonsail\n",
      done("migrate-ownership", "cm/owned", "-i", "from=somebody", "--dry-run"))
    assert.equal("configmap/owned: the fields of somebody are now managed by moonsail\n",
      done("migrate-ownership", "cm/owned", "-i", "from=somebody"))
    local entries = cluster.get("configmap", "owned", ns).metadata.managedFields
    assert.equal("moonsail Apply", entries[1].manager .. " " .. entries[1].operation)
    assert.equal(1, #entries)
  end)

  it("drain cordons a node, evicts what a controller brings back, and leaves what none would #newest", function()
    apply(DEPLOYMENT, "moved")
    local function pod()
      for _, one in ipairs(cluster.list("pod", ns)) do
        if one.metadata.labels.app == "moved" and one.spec.nodeName and not one.metadata.deletionTimestamp then return one end
      end
    end
    local first = support.eventually("a Pod on a node", pod)
    local node = "nodes/" .. first.spec.nodeName
    local narrow = flow("cordon", node)
    assert.equal(3, narrow.code)
    assert.matches("allowClusterWide", narrow.stderr, 1, true)
    assert.matches("would be cordoned", done("cordon", node, "--cluster-wide", "--dry-run"), 1, true)
    local said = done("drain", node, "--cluster-wide", "-i", "force=true", "--timeout", "60")
    assert.matches(("pod %s/%s evicted"):format(ns, first.metadata.name), said, 1, true)
    assert.matches("drained: %d+ Pods", said)
    assert.is_true(cluster.get("/api/v1/nodes", first.spec.nodeName).spec.unschedulable)
    assert.not_equal(first.spec.nodeName, support.eventually("a Pod on a node", pod).spec.nodeName)
    assert.matches("uncordoned", done("uncordon", node, "--cluster-wide"), 1, true)
    assert.is_not_true(cluster.get("/api/v1/nodes", first.spec.nodeName).spec.unschedulable)
  end)

  it("drain asks again for what a disruption budget refuses, and says so when the time is over #newest", function()
    apply(DEPLOYMENT, "kept")
    local budgets = "/apis/policy/v1/namespaces/%s/poddisruptionbudgets"
    cluster.create(budgets, ns, { apiVersion = "policy/v1", kind = "PodDisruptionBudget", metadata = { name = "kept" },
      spec = { minAvailable = 1, selector = { matchLabels = { app = "kept" } } } })
    local node = support.eventually("a ready Pod that its budget counts", function()
      local status = cluster.get(budgets, "kept", ns).status
      for _, one in ipairs(cluster.list("pod", ns)) do
        if one.metadata.labels.app == "kept" and status and status.currentHealthy == 1 then return one.spec.nodeName end
      end
    end, support.seconds(20))
    local result = flow("drain", "nodes/" .. node, "--cluster-wide", "-i", "force=true", "--timeout", "3")
    flow("uncordon", "nodes/" .. node, "--cluster-wide")
    assert.equal(1, result.code)
    assert.matches("pod %S+/kept%S+: not yet: Cannot evict pod as it would violate the pod's disruption budget", result.stderr)
    assert.matches("Pods are still there after 3 s, the first is %S+/kept%S+; the node stays cordoned", result.stderr)
  end)

  it("says what it needs where no object is named, and what an object looks like", function()
    local alone = flow "scale"
    assert.equal(2, alone.code)
    assert.matches("-i replicas=integer  how many there are to be; required", alone.stderr, 1, true)
    assert.matches('"web" is no object: RESOURCE/OBJECT', flow("restart", "web").stderr, 1, true)
    assert.matches("did you mean \"restart\"", flow("restrat", "deploy/web").stderr, 1, true)
    local listed = cluster.cli { "flow", "--json" }
    assert.equal("cordon", json.decode(listed.stdout)[1].name)
  end)
end)
