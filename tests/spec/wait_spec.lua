-- What a wait says, when it gives up and why: with a ctx whose time is a number.

local scripts = require "tests.spec.support.scripts"
local load_module = scripts.loader()
local wait = load_module "lib.wait"
local reasons = load_module "lib.reasons"

local REF = { apiVersion = "apps/v1", kind = "Deployment", namespace = "shop", name = "web", text = "deployment.apps/web" }

local function deployment(ready, more)
  local obj = {
    apiVersion = "apps/v1", kind = "Deployment",
    metadata = { name = "web", namespace = "shop", uid = "d1", generation = 1, resourceVersion = tostring(ready) },
    spec = { replicas = 3, selector = { matchLabels = { app = "web" } } },
    status = { observedGeneration = 1, replicas = 3, updatedReplicas = 3, readyReplicas = ready, availableReplicas = ready },
  }
  for key, value in pairs(more or {}) do obj.status[key] = value end
  return obj
end

local SET = { metadata = { name = "web-5d", uid = "rs2", annotations = { ["deployment.kubernetes.io/revision"] = "2" },
  ownerReferences = { { uid = "d1" } } }, spec = { selector = { matchLabels = { app = "web", ["pod-template-hash"] = "5d" } } }, status = {} }
local OLD_SET = { metadata = { name = "web-1a", uid = "rs1", annotations = { ["deployment.kubernetes.io/revision"] = "1" },
  ownerReferences = { { uid = "d1" } } }, status = {} }

local function pod(name, state, owner)
  state.phase = state.phase or "Running"
  return { metadata = { name = name, namespace = "shop", uid = "uid-" .. name, ownerReferences = { { uid = owner or "rs2" } } },
    spec = {}, status = state }
end

local function container(state, more)
  local c = { name = "app", image = "x:1", restartCount = 0, ready = false, state = state }
  for key, value in pairs(more or {}) do c[key] = value end
  return { containerStatuses = { c } }
end

local function pulling(name)
  return pod(name, container { waiting = { reason = "ImagePullBackOff",
    message = 'Back-off pulling image "x:1": ErrImagePull: not found' } })
end

local function failure(fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  return why
end

describe("a wait", function()
  it("says each step once and ends when the object is ready", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(1) }, { at = 4, object = deployment(2) },
      { at = 5, object = deployment(2) }, { at = 9, object = deployment(3) } } }
    assert.equal(3, wait.until_ready(ctx, REF, { timeout = 60 }).status.readyReplicas)
    assert.same({ "deployment.apps/web: 1 of 3 replicas ready", "deployment.apps/web: 2 of 3 replicas ready" }, ctx.lines)
    assert.equal(1009, ctx.now)
  end)

  it("says no more than a line a second, however fast an object changes", function()
    local timeline = {}
    for i = 0, 99 do timeline[i + 1] = { at = i * 0.02, object = deployment(i % 3) } end
    timeline[101] = { at = 2.5, object = deployment(3) }
    local ctx = scripts.ctx { timeline = timeline }
    wait.until_ready(ctx, REF, { timeout = 60 })
    assert.is_true(#ctx.lines <= 3)
  end)

  it("that takes too long says how far it came and why", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(2) } }, lists = { ReplicaSet = { SET, OLD_SET },
      Pod = { pod("web-5d-1", container({ running = {} })) },
      Event = { { reason = "Unhealthy", message = "Readiness probe failed: HTTP 503", metadata = {} } } } }
    assert.equal("deployment.apps/web is not ready after 10 s: 2 of 3 replicas ready; Pod web-5d-1: container app: "
      .. "Readiness probe failed: HTTP 503", failure(wait.until_ready, ctx, REF, { timeout = 9.999 }))
    assert.is_true(ctx.now >= 1009.9 and ctx.now < 1010.2)
  end)

  it("that has no time left still looks once", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(3) } } }
    assert.is_table(wait.until_ready(ctx, REF, { timeout = 0 }))
    ctx = scripts.ctx { timeline = { { at = 0, object = deployment(2) } } }
    assert.equal("deployment.apps/web is not ready when the time is over: 2 of 3 replicas ready",
      failure(wait.until_ready, ctx, REF, { timeout = 0 }))
  end)

  it("gives up after 30 s in which nothing got better and an image could not be pulled", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0) } },
      lists = { ReplicaSet = { SET, OLD_SET }, Pod = { pulling "web-5d-1", pulling "web-5d-2", pod("web-1a-1", container({ running = {} }), "rs1") } } }
    local why = failure(wait.until_ready, ctx, REF, { timeout = 300 })
    local reason = 'Pod web-5d-1 (and 1 more): container app: image "x:1" cannot be pulled: Back-off pulling image "x:1": ErrImagePull: not found'
    assert.equal("deployment.apps/web does not become ready, and nothing got better for 30 s: 0 of 3 replicas ready; " .. reason, why)
    assert.is_true(ctx.now >= 1030 and ctx.now < 1036)
    assert.same({ "deployment.apps/web: " .. reason }, ctx.warnings)
  end)

  it("goes on while it gets better, whatever else is bad", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0) }, { at = 25, object = deployment(1) },
      { at = 50, object = deployment(2) }, { at = 75, object = deployment(3) } },
      lists = { ReplicaSet = { SET }, Pod = { pulling "web-5d-1" } } }
    assert.equal(3, wait.until_ready(ctx, REF, { timeout = 300 }).status.readyReplicas)
  end)

  it("goes on where the bad has passed", function()
    local function pods(_, now) return now < 1020 and { pulling "web-5d-1" } or {} end
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0) }, { at = 90, object = deployment(3) } },
      lists = { ReplicaSet = { SET }, Pod = pods } }
    assert.is_table(wait.until_ready(ctx, REF, { timeout = 300 }))
  end)

  it("waits for nodes that are on their way", function()
    local unscheduled = pod("web-5d-1", { phase = "Pending", conditions = { { type = "PodScheduled", status = "False",
      reason = "Unschedulable", message = "0/2 nodes are available" } } })
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0) }, { at = 120, object = deployment(3) } },
      lists = { ReplicaSet = { SET }, Pod = { unscheduled }, Event = { { reason = "TriggeredScaleUp", metadata = {} } } } }
    assert.is_table(wait.until_ready(ctx, REF, { timeout = 300 }))
    ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0) } }, lists = { ReplicaSet = { SET }, Pod = { unscheduled } } }
    assert.matches("Pod web%-5d%-1: it cannot be scheduled: 0/2 nodes are available$", failure(wait.until_ready, ctx, REF, { timeout = 300 }))
    assert.is_true(ctx.now < 1036)
  end)

  it("gives up at once where the quota leaves room for no Pod at all", function()
    local full = { metadata = SET.metadata, spec = SET.spec, status = { conditions = { { type = "ReplicaFailure", status = "True",
      message = 'pods "web-5d-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0' } } } }
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0, { replicas = 0 }) } }, lists = { ReplicaSet = { full } } }
    assert.equal("deployment.apps/web will not become ready: 0 of 3 replicas ready; ReplicaSet web-5d: no Pod is made: "
      .. 'pods "web-5d-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0',
      failure(wait.until_ready, ctx, REF, {}))
    assert.is_true(ctx.now < 1006)
    ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0, { replicas = 0 }) }, { at = 20, object = deployment(3) } },
      lists = { ReplicaSet = function(_, now) return { now < 1003 and full or SET } end } }
    assert.is_table(wait.until_ready(ctx, REF, {}))
  end)

  it("gives up at once where the controller has given up", function()
    local late = deployment(1, { conditions = { { type = "Progressing", status = "False", reason = "ProgressDeadlineExceeded" } } })
    local ctx = scripts.ctx { timeline = { { at = 0, object = late } }, lists = { ReplicaSet = { SET }, Pod = { pulling "web-5d-1" } } }
    assert.matches("^deployment%.apps/web will not become ready: 1 of 3 replicas ready, and no progress for 600 s; Pod web%-5d%-1: ",
      failure(wait.until_ready, ctx, REF, {}))
  end)

  it("says that the object was deleted meanwhile, or was never there", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(1) }, { at = 2, gone = true } } }
    assert.equal("deployment.apps/web was deleted while it was waited for", failure(wait.until_ready, ctx, REF, {}))
    assert.equal("deployment.apps/web is not there", failure(wait.until_ready, scripts.ctx(), REF, {}))
  end)

  it("outlasts an API server that does not answer for a while, and says so where it stays", function()
    local down = { code = "unreachable", status = 0, message = "connection refused" }
    local ctx = scripts.ctx { timeline = { { at = 0, refusal = down }, { at = 20, object = deployment(3) } } }
    assert.is_table(wait.until_ready(ctx, REF, { timeout = 60 }))
    ctx = scripts.ctx { timeline = { { at = 0, refusal = down } } }
    assert.equal("deployment.apps/web is not ready after 60 s: the API server does not answer: connection refused",
      failure(wait.until_ready, ctx, REF, { timeout = 60 }))
  end)

  it("asks a kind's own function first", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0) }, { at = 3, object = deployment(1) } } }
    local function ready(obj) return obj.status.readyReplicas == 1, "one is enough" end
    wait.until_ready(ctx, REF, { ready = ready })
    assert.equal("deployment.apps/web: one is enough", ctx.lines[1])
    ctx = scripts.ctx { timeline = { { at = 0, object = deployment(0) } } }
    wait.until_ready(ctx, REF, { ready = function() return true end })
    assert.same({}, ctx.lines)
    assert.matches("is not ready after 2 s: it is not ready$", failure(wait.until_ready, ctx, REF, { timeout = 2, ready = function() return false end }))
  end)
end)

describe("a wait for the end of an object", function()
  local function ending(finalizers)
    local obj = deployment(3)
    obj.metadata.deletionTimestamp, obj.metadata.finalizers = "2026-01-01T00:00:00Z", finalizers
    return obj
  end

  it("ends when it is gone, or another one has its name", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = ending() }, { at = 4, gone = true } } }
    wait.until_gone(ctx, REF, { timeout = 10 })
    local other = deployment(3)
    other.metadata.uid = "d2"
    ctx = scripts.ctx { timeline = { { at = 0, object = ending() }, { at = 4, object = other } } }
    wait.until_gone(ctx, REF, { timeout = 10 })
    assert.equal(1004, ctx.now)
  end)

  it("names the finalizers that hold it", function()
    local ctx = scripts.ctx { timeline = { { at = 0, object = ending { "a.io/x", "foregroundDeletion" } } } }
    assert.equal("deployment.apps/web is not gone after 10 s: its finalizers a.io/x, foregroundDeletion hold it",
      failure(wait.until_gone, ctx, REF, { timeout = 10 }))
  end)
end)

describe("the reasons", function()
  local function of(pods, events)
    local ctx = scripts.ctx { lists = { ReplicaSet = { SET }, Pod = pods, Event = events } }
    local texts = {}
    for i, reason in ipairs(reasons.of(ctx, deployment(0))) do texts[i] = reason.level .. " " .. reason.text end
    return texts, ctx
  end

  it("tell an image's name that is none, a crash with its exit code, and a missing ConfigMap", function()
    assert.same({ 'fatal Pod a: container app: image "X y" is no image name: couldn\'t parse image name' },
      (of { pod("a", container({ waiting = { reason = "InvalidImageName", message = "couldn't parse image name" } }, { image = "X y" })) }))
    assert.same({ "bad Pod a: container app: it crashes again and again (4 restarts), at last with exit code 137 (OOMKilled)" },
      (of { pod("a", container({ waiting = { reason = "CrashLoopBackOff" } },
        { restartCount = 4, lastState = { terminated = { exitCode = 137, reason = "OOMKilled" } } })) }))
    assert.same({ 'bad Pod a: container app: it cannot be started: configmap "x" not found' },
      (of { pod("a", container { waiting = { reason = "CreateContainerConfigError", message = 'configmap "x" not found' } }) }))
  end)

  it("take from the events what an older kubelet does not say in the status", function()
    local backing_off = pod("a", container { waiting = { reason = "ImagePullBackOff", message = 'Back-off pulling image "x:1"' } })
    assert.same({ 'bad Pod a: container app: image "x:1" cannot be pulled: Failed to pull image "x:1": not found' },
      (of({ backing_off }, { { reason = "Failed", message = 'Failed to pull image "x:1": not found', metadata = {} } })))
  end)

  it("tell a volume that is not mounted from the Pod's events", function()
    local creating = pod("a", { phase = "Pending" })
    local texts, ctx = of({ creating }, { { reason = "FailedMount", message = 'MountVolume.SetUp failed: secret "x" not found', metadata = {} } })
    assert.same({ 'note Pod a: MountVolume.SetUp failed: secret "x" not found' }, texts)
    assert.equal("Event?fieldSelector=involvedObject.uid%3Duid-a&limit=100", ctx.queries[3])
    assert.equal("Pod?labelSelector=app%3Dweb%2Cpod-template-hash%3D5d&limit=100", ctx.queries[2])
  end)

  it("are five at most, the worst first", function()
    local pods = {}
    for i = 1, 9 do
      pods[i] = pod("p" .. i, container({ waiting = { reason = "ErrImagePull", message = "no " .. i } }))
    end
    pods[10] = pod("p10", container({ waiting = { reason = "InvalidImageName", message = "bad" } }))
    local texts = of(pods)
    assert.equal(5, #texts)
    assert.matches("^fatal Pod p10", texts[1])
  end)

  it("let a Job's Pods fail as often as the Job allows", function()
    local job = { apiVersion = "batch/v1", kind = "Job", metadata = { name = "j", uid = "j1", namespace = "shop" },
      spec = { selector = { matchLabels = { job = "j" } } }, status = {} }
    local failed = pod("j-1", { phase = "Failed", containerStatuses = { { name = "app", state = { terminated = { exitCode = 3 } } } } }, "j1")
    local found = reasons.of(scripts.ctx { lists = { Pod = { failed } } }, job)
    assert.equal(1, #found)
    assert.equal("note", found[1].level)
    assert.equal("Pod j-1: container app: it ended with exit code 3", found[1].text)
  end)

  it("forget a failure to make Pods once one was made", function()
    local set = { apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "s", uid = "s1", namespace = "shop" },
      spec = { selector = { matchLabels = { app = "s" } } }, status = {} }
    local function event(reason, at) return { reason = reason, lastTimestamp = at, message = "create Pod: exceeded quota", metadata = {} } end
    local ctx = scripts.ctx { lists = { Event = { event("FailedCreate", "2026-01-01T00:00:01Z"), event("SuccessfulCreate", "2026-01-01T00:00:02Z") } } }
    assert.same({}, reasons.of(ctx, set))
    ctx.lists.Event = { event("SuccessfulCreate", "2026-01-01T00:00:01Z"), event("FailedCreate", "2026-01-01T00:00:02Z") }
    assert.equal("fatal", reasons.of(ctx, set)[1].level)
  end)
end)
