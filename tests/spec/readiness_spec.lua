-- When an object counts as ready, by what its status says.

local scripts = require "tests.spec.support.scripts"
local status = scripts.loader()("lib.status")

local function object(kind, spec, state, generation)
  local version, name = kind:match("^(.*)/(%w+)$")
  return { apiVersion = version, kind = name, metadata = { name = "x", generation = generation or 2 }, spec = spec, status = state }
end

local function condition(kind, value, reason, message)
  return { type = kind, status = value, reason = reason, message = message }
end

local function verdict(obj, ctx)
  local is, why = status.ready(obj, ctx)
  return { is, why }
end

local UNSEEN = "its controller has not seen the change yet"

describe("a Deployment is ready", function()
  local function deployment(state, spec)
    state.observedGeneration = state.observedGeneration or 2
    spec = spec or {}
    spec.replicas = spec.replicas or 3
    return object("apps/v1/Deployment", spec, state)
  end

  it("when all its replicas are of the new template, ready and available, and the old ones are gone", function()
    local all = { replicas = 3, updatedReplicas = 3, readyReplicas = 3, availableReplicas = 3 }
    assert.same({ true }, verdict(deployment(all)))
    all.replicas = 4
    assert.same({ false, "1 old replica still to end" }, verdict(deployment(all)))
  end)

  it("not before its controller has seen the change", function()
    local seen = { observedGeneration = 1, replicas = 3, updatedReplicas = 3, readyReplicas = 3, availableReplicas = 3 }
    assert.same({ false, UNSEEN }, verdict(deployment(seen)))
    assert.same({ false, UNSEEN }, verdict(object("apps/v1/Deployment", { replicas = 1 }, nil)))
  end)

  it("by how many are ready, in words", function()
    assert.same({ false, "1 of 3 replicas updated" }, verdict(deployment { replicas = 4, updatedReplicas = 1, readyReplicas = 3 }))
    assert.same({ false, "2 of 3 replicas ready" }, verdict(deployment { replicas = 3, updatedReplicas = 3, readyReplicas = 2 }))
    assert.same({ false, "2 of 3 replicas ready for long enough" },
      verdict(deployment { replicas = 3, updatedReplicas = 3, readyReplicas = 3, availableReplicas = 2 }))
  end)

  it("never where its progress deadline has passed", function()
    local late = deployment({ replicas = 3, updatedReplicas = 3, readyReplicas = 1, conditions = {
      condition("Progressing", "False", "ProgressDeadlineExceeded", "…") } }, { progressDeadlineSeconds = 60 })
    assert.same({ nil, "1 of 3 replicas ready, and no progress for 60 s" }, verdict(late))
  end)

  it("at once where it has no replicas, and where it is paused", function()
    assert.same({ true }, verdict(deployment({}, { replicas = 0 })))
    assert.same({ true, "it is paused: nothing rolls out until it is resumed" }, verdict(deployment({ updatedReplicas = 1 }, { paused = true })))
  end)
end)

describe("a StatefulSet is ready", function()
  local function set(state, strategy)
    state.observedGeneration = 2
    state.updateRevision, state.currentRevision = "new", state.currentRevision or "old"
    return object("apps/v1/StatefulSet", { replicas = 3, updateStrategy = strategy or { type = "RollingUpdate" } }, state)
  end

  it("when all Pods are of the new revision and ready", function()
    assert.same({ false, "2 of 3 replicas updated" }, verdict(set { replicas = 3, updatedReplicas = 2, readyReplicas = 3 }))
    assert.same({ false, "2 of 3 replicas ready" }, verdict(set { replicas = 3, updatedReplicas = 3, readyReplicas = 2 }))
    assert.same({ true }, verdict(set { replicas = 3, updatedReplicas = 3, readyReplicas = 3, availableReplicas = 3 }))
    assert.same({ true }, verdict(set { replicas = 3, readyReplicas = 3, currentRevision = "new" }))
  end)

  it("with a partition when the Pods above it are renewed", function()
    local strategy = { type = "RollingUpdate", rollingUpdate = { partition = 2 } }
    assert.same({ false, "0 of 1 replicas updated" }, verdict(set({ replicas = 3, readyReplicas = 3 }, strategy)))
    assert.same({ true }, verdict(set({ replicas = 3, updatedReplicas = 1, readyReplicas = 3 }, strategy)))
  end)

  it("with OnDelete without renewing any, and says so", function()
    assert.same({ true, "its Pods are renewed when they are deleted (OnDelete)" },
      verdict(set({ replicas = 3, readyReplicas = 3 }, { type = "OnDelete" })))
  end)
end)

describe("of the other kinds", function()
  it("a DaemonSet is ready when each node has a new Pod that is", function()
    local function daemon(state)
      state.observedGeneration, state.desiredNumberScheduled = 2, 2
      return object("apps/v1/DaemonSet", {}, state)
    end
    assert.same({ false, "1 of 2 Pods updated" }, verdict(daemon { updatedNumberScheduled = 1 }))
    assert.same({ false, "1 of 2 Pods ready" }, verdict(daemon { updatedNumberScheduled = 2, numberReady = 1 }))
    assert.same({ true }, verdict(daemon { updatedNumberScheduled = 2, numberReady = 2, numberAvailable = 2 }))
  end)

  it("a Job is ready when it is complete, never when it failed, and not waited for while it is suspended", function()
    local function job(spec, state) return verdict(object("batch/v1/Job", spec, state)) end
    assert.same({ false, "1 of 2 Pods finished" }, job({ completions = 2 }, { succeeded = 1 }))
    assert.same({ true }, job({}, { conditions = { condition("Complete", "True") } }))
    assert.same({ nil, "it failed: BackoffLimitExceeded: limit" },
      job({}, { conditions = { condition("Failed", "True", "BackoffLimitExceeded", "limit") } }))
    assert.same({ true, "it is suspended: nothing runs until it is resumed" }, job({ suspend = true }, {}))
  end)

  it("a Pod is ready when it is Ready or has succeeded, and never when it failed", function()
    local function pod(state) return verdict(object("v1/Pod", {}, state)) end
    assert.same({ true }, pod { phase = "Running", conditions = { condition("Ready", "True") } })
    assert.same({ true }, pod { phase = "Succeeded" })
    assert.same({ nil, "it failed: Evicted" }, pod { phase = "Failed", reason = "Evicted" })
    assert.same({ false, "it is Pending" }, pod { phase = "Pending" })
    assert.same({ false, "1 of 2 containers ready" }, pod { phase = "Running", containerStatuses = { { ready = true }, { ready = false } } })
  end)

  it("a claim is ready when it is bound, or at once where its class waits for the first Pod", function()
    local claim = object("v1/PersistentVolumeClaim", { storageClassName = "local" }, { phase = "Pending" })
    local ctx = scripts.ctx { others = { ["StorageClass/local"] = { volumeBindingMode = "WaitForFirstConsumer" } } }
    assert.same({ true, "it is bound when the first Pod uses it (WaitForFirstConsumer)" }, verdict(claim, ctx))
    ctx.others["StorageClass/local"].volumeBindingMode = "Immediate"
    assert.same({ false, "it is not bound" }, verdict(claim, ctx))
    claim.status.phase = "Bound"
    assert.same({ true }, verdict(claim, ctx))
    claim.status.phase = "Lost"
    assert.same({ nil, "its volume is lost" }, verdict(claim, ctx))
  end)

  it("a Service of type LoadBalancer needs an address, another one nothing", function()
    local service = object("v1/Service", { type = "LoadBalancer" }, { loadBalancer = {} })
    assert.same({ false, "no load balancer has given it an address" }, verdict(service))
    service.status.loadBalancer.ingress = { { ip = "10.0.0.1" } }
    assert.same({ true }, verdict(service))
    assert.same({ true }, verdict(object("v1/Service", {}, { loadBalancer = {} })))
  end)

  it("a CRD is ready when it is established, and never when its names are taken", function()
    local function crd(conditions)
      return verdict(object("apiextensions.k8s.io/v1/CustomResourceDefinition", {}, { conditions = conditions }))
    end
    assert.same({ false, "its kind is not served yet" }, crd(scripts.null))
    assert.same({ true }, crd { condition("NamesAccepted", "True"), condition("Established", "True") })
    assert.same({ nil, "its names are not accepted: ListKindConflict: taken" },
      crd { condition("NamesAccepted", "False", "ListKindConflict", "taken") })
  end)

  it("an autoscaler is ready when it can read its metrics", function()
    local function hpa(conditions) return verdict(object("autoscaling/v2/HorizontalPodAutoscaler", {}, { conditions = conditions })) end
    assert.same({ false, UNSEEN }, hpa(nil))
    assert.same({ false, "FailedGetResourceMetric: no metrics" },
      hpa { condition("AbleToScale", "True"), condition("ScalingActive", "False", "FailedGetResourceMetric", "no metrics") })
    assert.same({ true }, hpa { condition("AbleToScale", "True"), condition("ScalingActive", "True") })
    assert.same({ true }, hpa { condition("AbleToScale", "True"), condition("ScalingActive", "False", "ScalingDisabled") })
  end)

  it("any kind is believed by its conditions, and ready at once where it has none", function()
    local function thing(conditions, seen)
      return verdict(object("example.com/v1/Thing", {}, { observedGeneration = seen, conditions = conditions }))
    end
    assert.same({ true }, verdict(object("example.com/v1/Thing", {}, nil)))
    assert.same({ false, UNSEEN }, thing({ condition("Ready", "True") }, 1))
    assert.same({ true }, thing({ condition("Ready", "True") }, 2))
    assert.same({ false, "NoRoom: full" }, thing { condition("Ready", "False", "NoRoom", "full") })
    assert.same({ false, "Available is Unknown" }, thing { condition("Available", "Unknown") })
    assert.same({ nil, "Broken" }, thing { condition("Stalled", "True", "Broken"), condition("Ready", "True") })
    assert.same({ false, "Working" }, thing { condition("Reconciling", "True", "Working"), condition("Ready", "True") })
  end)

  it("none is ready while it is being deleted", function()
    local thing = object("v1/ConfigMap", nil, nil)
    assert.same({ true }, verdict(thing))
    thing.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"
    assert.same({ false, "it is being deleted" }, verdict(thing))
  end)
end)
