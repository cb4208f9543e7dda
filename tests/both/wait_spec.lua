-- `moonsail apply --wait`: what becomes ready is waited for, what does not is told with its reason.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local function workload(kind, name, options)
  options = options or {}
  local template = ("{ metadata: { labels: { app: %s%s }, annotations: { %s } }, spec: { %s containers: [{ name: c, image: 'img:1' }] } }"):format(
    name, options.labels or "", options.notes or "", options.spec or "")
  if kind == "Job" then
    return ("apiVersion: batch/v1\nkind: Job\nmetadata: { name: %s }\nspec: { backoffLimit: 0, template: %s }\n"):format(name, template)
  end
  return ("apiVersion: apps/v1\nkind: %s\nmetadata: { name: %s }\nspec: { selector: { matchLabels: { app: %s } }, %s template: %s }\n"):format(
    kind, name, name, options.more or "replicas: 2,", template)
end

local NOWHERE = "nodeSelector: { no: where },"

local function wait(ns, manifest, ...)
  return cluster.cli({ "apply", "-f", "-", "-n", ns, "--wait", ... }, { stdin = manifest, limit = support.seconds(90) })
end

describe("moonsail apply --wait #newest", function()
  local ns

  setup(function() ns = cluster.namespace() end)

  it("ends when every workload of the bundle is ready", function()
    local result = wait(ns, table.concat({
      workload("Deployment", "web"), workload("StatefulSet", "db", { more = "serviceName: db, replicas: 2," }),
      workload("DaemonSet", "agent", { more = " " }), workload("Job", "once", { spec = "restartPolicy: Never," }),
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\n",
    }, "---\n"), "--timeout", "60")
    assert.equal("", result.stderr:match("failed.*") or "")
    assert.equal(0, result.code)
    assert.matches("Waiting for readiness…", result.stderr, 1, true)
    assert.equal(2, cluster.get("deployment", "web", ns).status.readyReplicas)
    assert.equal(2, cluster.get("statefulset", "db", ns).status.readyReplicas)
    local agents = cluster.get("daemonset", "agent", ns).status
    assert.equal(agents.desiredNumberScheduled, agents.numberReady)
    assert.equal(1, cluster.get("job", "once", ns).status.succeeded)
  end)

  it("waits for a roll-out to its end, not only for Pods that are ready", function()
    wait(ns, workload("Deployment", "rolls"), "--timeout", "60")
    local result = wait(ns, workload("Deployment", "rolls", { labels = ", to: two" }), "--timeout", "60")
    assert.equal(0, result.code)
    local status = cluster.get("deployment", "rolls", ns).status
    assert.equal(2, status.updatedReplicas)
    assert.equal(2, status.replicas)
  end)

  it("says after its time why a Deployment is not ready: its Pods fit no node", function()
    local result = wait(ns, workload("Deployment", "lost", { spec = NOWHERE }), "--timeout", "4")
    assert.equal(1, result.code)
    assert.matches("deployment%.apps/lost is not ready after 4 s: 0 of 2 replicas ready; Pod lost%-%w+%-%w+ %(and 1 more%): "
      .. "it cannot be scheduled: 0/2 nodes are available: 2 node%(s%) didn't match Pod's node affinity/selector", result.stderr)
    assert.matches("deployment.apps/lost created", result.stdout, 1, true)
  end)

  it("gives up as soon as a Job has failed", function()
    local job = workload("Job", "fails", { spec = "restartPolicy: Never,", notes = "demo/fail: crash",
      labels = ", pod-container-running-failed.stage.kwok.x-k8s.io: 'true'" })
    local result = wait(ns, job, "--timeout", "60")
    assert.equal(1, result.code)
    assert.matches("job.batch/fails will not become ready: it failed: BackoffLimitExceeded: Job has reached the specified backoff limit",
      result.stderr, 1, true)
    assert.matches("; Pod fails%-%w+: container c: it ended with exit code ", result.stderr)
  end)

  it("says when what it waits for is deleted", function()
    local running = support.start_cli({ "apply", "-f", "-", "-n", ns, "--wait", "--timeout", "60" },
      { stdin = workload("Deployment", "gone", { spec = NOWHERE }), env = { KUBECONFIG = cluster.kubeconfig() } })
    support.eventually("the Deployment is there", function() return cluster.get("deployment", "gone", ns) end)
    cluster.request("DELETE", cluster.path("deployment", ns) .. "/gone")
    local result = running:finish()
    assert.equal(1, result.code)
    assert.matches("deployment.apps/gone was deleted while it was waited for", result.stderr, 1, true)
  end)

  it("waits with --delete until all is gone, and names the finalizers that hold an object", function()
    local held = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: held, finalizers: [example.com/hold] }\n"
    local free = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: free }\n"
    assert.equal(0, wait(ns, held .. "---\n" .. free).code)
    local result = wait(ns, held .. "---\n" .. free, "--delete", "--timeout", "2")
    assert.matches("Waiting until it is gone… 0/2", result.stderr, 1, true)
    assert.equal(1, result.code)
    assert.matches("configmap/held is not gone after 2 s: its finalizer example.com/hold holds it", result.stderr, 1, true)
    assert.is_nil(cluster.get("configmap", "free", ns))
    cluster.patch("configmap", "held", ns, { metadata = { finalizers = support.json.null } }, { type = "merge" })
    assert.is_nil(cluster.get("configmap", "held", ns))
  end)

  it("asks nothing of a dry-run", function()
    local result = wait(ns, workload("Deployment", "dry", { spec = NOWHERE }), "--timeout", "30", "--dry-run")
    assert.equal(0, result.code)
    assert.is_nil(result.stderr:find("Waiting for readiness", 1, true))
  end)

  if not cluster.real then
    it("names an image that cannot be pulled, when the Deployment has given up", function()
      local result = wait(ns, workload("Deployment", "nopull", { notes = "demo/fail: image-pull",
        more = "replicas: 1, progressDeadlineSeconds: 4," }), "--timeout", "60")
      assert.equal(1, result.code)
      assert.matches("deployment%.apps/nopull will not become ready: 0 of 1 replicas ready, and no progress for 4 s; "
        .. 'Pod nopull%-%w+%-%w+: container c: image "img:1" cannot be pulled: ', result.stderr)
    end)

    it("gives up on a crash that does not end long before its time", function()
      local result = wait(ns, workload("Deployment", "crash", { notes = "demo/fail: crash" }), "--timeout", "5m")
      assert.equal(1, result.code)
      assert.matches("deployment.apps/crash does not become ready, and nothing got better for 30 s: ", result.stderr, 1, true)
      assert.matches("container c: it crashes again and again %(%d+ restarts%), at last with exit code 1", result.stderr)
    end)
  end
end)
