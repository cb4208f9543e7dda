-- Fields that cannot be changed: the refusals are kube-apiserver 1.34's own.

local scripts = require "tests.spec.support.scripts"
local load_module = scripts.loader()
local immutable = load_module "lib.immutable"

local OFFER = "; send it again with recreate to delete and make it anew"
local SET_ALLOWED = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
  .. "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
local SET_WORDS = " cannot be changed (of a StatefulSet only replicas, ordinals, template, updateStrategy, revisionHistoryLimit, "
  .. "persistentVolumeClaimRetentionPolicy, minReadySeconds can be)"
local POD_ALLOWED = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
  .. "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
  .. "(allow it to be set to 1 if it was previously negative)\n@@ -5,7 +5,9 @@\n-   \"Command\": null,\n"
local CLAIM = "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n@@ -6,7 +6,7 @@\n"

local function object(kind, fields)
  local obj = { apiVersion = "apps/v1", kind = kind, metadata = { name = "x", namespace = "shop" } }
  for key, value in pairs(fields or {}) do obj[key] = value end
  return obj
end

local function refusal(...)
  local causes = {}
  for i, cause in ipairs { ... } do causes[i] = { reason = "FieldValueInvalid", field = cause[1], message = cause[2] } end
  return scripts.refusal(422, "as the server says", causes)
end

local function explain(kind, err, obj, live)
  return (immutable.explain(err, object(kind, obj), object(kind, live)))
end

describe("a field that cannot be changed", function()
  it("is named, whatever value the server quotes", function()
    for _, case in ipairs {
      { "Deployment", "spec.selector", 'Invalid value: {"matchLabels":{"c":"d"}}: field is immutable' },
      { "Job", "spec.template", 'Invalid value: {"labels":{}}: field is immutable' },
      { "RoleBinding", "roleRef", 'Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"q"}: cannot change roleRef' },
      { "Secret", "type", 'Invalid value: "foo/bar": field is immutable' },
      { "PriorityClass", "value", "Forbidden: may not be changed in an update." },
      { "Foo", "spec.size", 'Invalid value: "integer": size is immutable' },
    } do
      assert.equal(case[2] .. " cannot be changed" .. OFFER, explain(case[1], refusal { case[2], case[3] }))
    end
    assert.equal("parameters, provisioner cannot be changed" .. OFFER, explain("StorageClass", refusal(
      { "parameters", "Forbidden: updates to parameters are forbidden." }, { "provisioner", "Forbidden: updates to provisioner are forbidden." })))
  end)

  it("of a StatefulSet is found by comparing, and what can be changed is told", function()
    local live = { spec = { serviceName = "s", replicas = 1, podManagementPolicy = "OrderedReady" } }
    assert.equal("spec.serviceName" .. SET_WORDS .. OFFER,
      explain("StatefulSet", refusal { "spec", SET_ALLOWED }, { spec = { serviceName = "other", replicas = 2 } }, live))
    assert.equal("spec" .. SET_WORDS .. OFFER, explain("StatefulSet", refusal { "spec", SET_ALLOWED }, { spec = { serviceName = "s" } }, live))
  end)

  it("of a Pod is found by comparing, without those that can be changed", function()
    local function pod(image, command) return { spec = { containers = { { name = "c", image = image, command = command } } } } end
    assert.matches("^spec%.containers%[0%]%.command cannot be changed %(of a Pod only spec%.containers%[%*%]%.image, ",
      explain("Pod", refusal { "spec", POD_ALLOWED }, pod("new", { "x" }), pod "old"))
    assert.equal("spec.containers cannot be changed" .. OFFER,
      explain("Pod", refusal { "spec.containers", "Forbidden: pod updates may not add or remove containers" }, pod "a", pod "a"))
  end)

  it("of a claim or a volume is not made anew, for its data would go", function()
    local tail = "; its data would go with it, so it is not made anew: delete it yourself where that is meant"
    local live = { spec = { storageClassName = "x" }, status = { phase = "Bound" } }
    assert.equal("spec.storageClassName cannot be changed (of a claim only spec.resources.requests can grow, where its StorageClass has "
      .. "allowVolumeExpansion)" .. tail, explain("PersistentVolumeClaim", refusal { "spec", CLAIM }, { spec = { storageClassName = "y" } }, live))
    assert.equal("spec.resources.requests.storage cannot be changed (a claim can only grow)" .. tail,
      explain("PersistentVolumeClaim", refusal { "spec.resources.requests.storage", "Forbidden: field can not be less than status.capacity" }, nil, live))
    live.status.phase = "Pending"
    assert.matches("before it is bound nothing of a claim can be", explain("PersistentVolumeClaim", refusal { "spec", CLAIM },
      { spec = { storageClassName = "y" } }, live), 1, true)
    assert.equal("spec.hostPath.path cannot be changed" .. tail, explain("PersistentVolume", refusal { "spec.persistentvolumesource",
      "Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -2,7 +2,7 @@\n" },
      { spec = { capacity = { storage = "2Gi" }, hostPath = { path = "/y" } } }, { spec = { capacity = { storage = "1Gi" }, hostPath = { path = "/x" } } }))
  end)

  it("of a Service is its address, which stays where the manifest says none", function()
    assert.equal("spec.clusterIP cannot be changed (leave it out to keep 10.0.0.5)" .. OFFER, explain("Service",
      refusal { "spec.clusterIPs[0]", 'Invalid value: ["10.0.0.77"]: may not change once set' }, nil, { spec = { clusterIP = "10.0.0.5" } }))
  end)

  it("of a ConfigMap that is marked so is told as that", function()
    assert.equal("data cannot be changed (it is marked as immutable; what uses it can name a new one)" .. OFFER, explain("ConfigMap",
      refusal { "data", "Forbidden: field is immutable when `immutable` is set" }, nil, { immutable = true }))
  end)

  it("is no reason to make the object anew where something else is wrong too", function()
    local err = refusal({ "spec.clusterIPs[0]", 'Invalid value: ["10.0.0.77"]: may not change once set' },
      { "spec.ports[0].port", "Invalid value: 99999: must be between 1 and 65535, inclusive" })
    local why, anew = immutable.explain(err, object "Service", object("Service", { spec = { clusterIP = "10.0.0.5" } }))
    assert.equal("spec.clusterIP cannot be changed (leave it out to keep 10.0.0.5); besides: spec.ports[0].port: Invalid value: 99999: "
      .. "must be between 1 and 65535, inclusive", why)
    assert.is_false(anew)
  end)

  it("is not seen in what is wrong for other reasons", function()
    assert.is_nil(explain("Service", refusal { "spec.ports[0].port", "Invalid value: 99999: must be between 1 and 65535, inclusive" }))
    assert.is_nil(explain("Service", scripts.refusal(403, "forbidden", nil)))
  end)
end)

describe("an object that is made anew", function()
  local function rig(fields)
    local calls = {}
    local ctx = scripts.ctx(fields)
    ctx.request.recreate = true
    function ctx.create_trial(_, obj)
      calls[#calls + 1] = "trial " .. obj.metadata.generateName
      ctx.trial_spec = obj.spec
      if fields.trial then error(fields.trial, 0) end
      return obj
    end
    function ctx.delete(_, obj, options)
      calls[#calls + 1] = ("delete %s %s"):format(obj.metadata.name, options.propagation)
      ctx.timeline = { { at = ctx.now, object = fields.stays or obj }, not fields.stays and { at = ctx.now + 2, gone = true } or nil }
    end
    function ctx.send_apply(_, obj)
      calls[#calls + 1] = "apply " .. obj.metadata.name
      if fields.refused then error(fields.refused, 0) end
      return obj
    end
    return ctx, calls
  end

  local SELECTOR = { "spec.selector", "Invalid value: {}: field is immutable" }

  local function live_of(kind, spec)
    local live = object(kind, { spec = spec })
    live.metadata.uid, live.metadata.resourceVersion = "u1", "5"
    return live
  end

  it("is tried first, then deleted, waited for and applied", function()
    local live = live_of("Deployment", {})
    local ctx, calls = rig { timeline = { { at = 0, object = live } } }
    immutable.resolve(ctx, refusal(SELECTOR), object("Deployment", { spec = {} }), live)
    assert.same({ "trial x-", "delete x Background", "apply x" }, calls)
    assert.same({ "deployment.apps/x deleted, to be made anew: spec.selector cannot be changed" }, ctx.lines)
    assert.same({ "deleted" }, ctx.counts)
  end)

  it("is left as it is where the server would not take the new one", function()
    local ctx, calls = rig { trial = scripts.refusal(422, "spec.replicas: must not be negative") }
    local ok, err = pcall(immutable.resolve, ctx, refusal(SELECTOR), object "Deployment", live_of("Deployment", {}))
    assert.is_false(ok)
    assert.equal("it cannot be made anew, and was left as it is: spec.replicas: must not be negative", err.message)
    assert.same({ "trial x-" }, calls)
  end)

  it("is not touched by a dry-run, which says what would happen", function()
    local ctx, calls = rig { dry_run = true }
    immutable.resolve(ctx, refusal(SELECTOR), object "Deployment", live_of("Deployment", {}))
    assert.same({ "trial x-" }, calls)
    assert.same({ "deployment.apps/x would be deleted and made anew: spec.selector cannot be changed" }, ctx.lines)
  end)

  it("is tried with the address and ports of its own that the old one does not hold", function()
    local held = { clusterIP = "10.0.0.5", clusterIPs = { "10.0.0.5" }, ports = { { port = 80, nodePort = 30001 } } }
    local function tried(spec)
      local live = live_of("Service", held)
      local ctx = rig { timeline = { { at = 0, object = live } } }
      immutable.recreate(ctx, object("Service", { spec = spec }), live, "why")
      return ctx.trial_spec
    end
    assert.same({ ports = { { port = 80 } } }, tried { clusterIP = "10.0.0.5", ports = { { port = 80, nodePort = 30001 } } })
    assert.same({ clusterIP = "10.0.0.9", ports = { { port = 80, nodePort = 30002 } } },
      tried { clusterIP = "10.0.0.9", ports = { { port = 80, nodePort = 30002 } } })
    assert.same({ clusterIP = "None", clusterIPs = { "10.0.0.5" } }, tried { clusterIP = "None", clusterIPs = { "10.0.0.5" } })
  end)

  it("keeps the Pods of a StatefulSet where the new one can take them over", function()
    local function spec(more)
      local s = { serviceName = "s", selector = { matchLabels = { a = "b" } }, template = { metadata = { labels = { a = "b" } } } }
      for key, value in pairs(more or {}) do s[key] = value end
      return s
    end
    local function way(new, old)
      local live = live_of("StatefulSet", spec(old))
      local ctx, calls = rig { timeline = { { at = 0, object = live } } }
      immutable.recreate(ctx, object("StatefulSet", { spec = spec(new) }), live, "why")
      return calls[2]
    end
    assert.equal("delete x Orphan", way { podManagementPolicy = "Parallel" })
    assert.equal("delete x Background", way { serviceName = "other" })
    assert.equal("delete x Background", way { selector = { matchLabels = { a = "c" } } })
    local ok, why = pcall(way, { serviceName = "other" }, { persistentVolumeClaimRetentionPolicy = { whenDeleted = "Delete" } })
    assert.is_false(ok)
    assert.matches("its claims would go with it", why, 1, true)
  end)

  it("that does not go away is told with its finalizers, and one that cannot come back with that", function()
    local live = live_of("Deployment", {})
    local stays = live_of("Deployment", {})
    stays.metadata.deletionTimestamp, stays.metadata.finalizers = "2026-01-01T00:00:00Z", { "a.io/x" }
    local ctx = rig { timeline = { { at = 0, object = live } }, stays = stays }
    local _, why = pcall(immutable.resolve, ctx, refusal(SELECTOR), object "Deployment", live)
    assert.equal("deployment.apps/x is not gone after 60 s: its finalizer a.io/x holds it", why)
    ctx = rig { timeline = { { at = 0, object = live } }, refused = scripts.refusal(500, "no") }
    _, why = pcall(immutable.resolve, ctx, refusal(SELECTOR), object "Deployment", live)
    assert.equal("it was deleted and could not be made anew: no", why.message)
  end)

  it("is not, where nobody asked for it", function()
    local ctx, calls = rig {}
    ctx.request.recreate = false
    local ok, err = pcall(immutable.resolve, ctx, refusal(SELECTOR), object "Deployment", live_of("Deployment", {}))
    assert.is_false(ok)
    assert.equal("spec.selector cannot be changed" .. OFFER .. " (as the server says)", err.message)
    assert.same({}, calls)
  end)
end)
