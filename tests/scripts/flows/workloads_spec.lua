-- The flows on workloads: restart, scale, rollback, and what every flow does in a dry-run and when it is refused.
local testing = require "moonsail.testing"

local TEMPLATE = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "c", image = "web:2" } } } }

local function workload(kind, more)
  local obj = testing.object {
    apiVersion = "apps/v1", kind = kind, metadata = { name = "web", generation = 1 },
    spec = { replicas = 2, selector = { matchLabels = { app = "web" } }, template = TEMPLATE },
    status = { observedGeneration = 1, replicas = 2, updatedReplicas = 2, readyReplicas = 2, availableReplicas = 2 },
  }
  for key, value in pairs(more or {}) do obj.spec[key] = value end
  return obj
end

-- The controller has seen the change, and everything is ready.
local function settle(t)
  local live = t:get(workload "Deployment")
  local n = live.spec.replicas
  live.status = { observedGeneration = live.metadata.generation, replicas = n, updatedReplicas = n, readyReplicas = n,
    availableReplicas = n }
  t:put(live)
end

local function on(kind, options)
  options = options or {}
  options.objects = options.objects or { workload(kind) }
  return testing.new(options), workload(kind)
end

describe("restart", function()
  local restart = testing.flow "restart"

  it("changes an annotation of the template, and waits until the Pods are ready", function()
    local t, web = on("Deployment", { on_sleep = function(t, slept) if slept > 5 then settle(t) end end })
    t:flow(restart, {}, web)
    local annotations = t:get(web).spec.template.metadata.annotations
    assert.equal("2026-01-01T00:00:00.000Z", annotations["kubectl.kubernetes.io/restartedAt"])
    assert.equal("deployment.apps/web restarted", t.lines[1])
    assert.is_true(t.slept > 5)
    assert.equal(1, t.counts.configured)
  end)

  it("changes nothing in a dry-run, and says what it would do", function()
    local t, web = on("Deployment", { dry_run = true })
    t:flow(restart, {}, web)
    assert.is_nil(t:get(web).spec.template.metadata.annotations)
    assert.same({ "deployment.apps/web validated (dry-run, no changes persisted): would be restarted" }, t.lines)
    assert.equal(0, t.slept)
  end)

  it("says why it does not begin", function()
    local t, web = on("Deployment", { objects = { workload("Deployment", { paused = true }) } })
    assert.equal("deployment.apps/web is paused, so nothing would be rolled: resume it first",
      testing.failure(function() t:flow(restart, {}, web) end))
    t:remove(web)
    assert.equal("deployment.apps/web is not there", testing.failure(function() t:flow(restart, {}, web) end))
    t = on("Deployment", { may = { update = false } })
    assert.equal("tester may not update deployments", testing.failure(function() t:flow(restart, {}, web) end))
    assert.equal(0, t.counts.configured)
  end)
end)

describe("scale", function()
  local scale = testing.flow "scale"

  it("sets the replicas, tells what they were, and waits", function()
    for _, kind in ipairs { "Deployment", "StatefulSet", "ReplicaSet" } do
      local t, web = on(kind)
      t:flow(scale, { replicas = 5, timeout = 0 }, web)
      assert.equal(5, t:get(web).spec.replicas)
      assert.equal(kind:lower() .. ".apps/web scaled from 2 to 5", t.lines[1])
    end
  end)

  it("counts nothing as configured where it is so already", function()
    local t, web = on "Deployment"
    t:flow(scale, { replicas = 2 }, web)
    assert.same({ created = 0, configured = 0, unchanged = 1, deleted = 0 }, t.counts)
    assert.same({ "deployment.apps/web has 2 replicas already" }, t.lines)
  end)

  it("wants a number that can be", function()
    local t, web = on "Deployment"
    for _, count in ipairs { -1, 1000001, 99999999999 } do
      assert.equal("replicas must be a whole number from 0 to 1000000, not " .. count,
        testing.failure(function() t:flow(scale, { replicas = count }, web) end))
    end
    assert.equal("input replicas is missing", testing.failure(function() t:flow(scale, {}, web) end))
  end)
end)

describe("rollback", function()
  local rollback = testing.flow "rollback"

  -- A Deployment with the ReplicaSets of so many revisions; the last one is in force.
  local function with_revisions(count)
    local t = testing.new()
    local web = workload("Deployment")
    web.metadata.annotations = { ["deployment.kubernetes.io/revision"] = tostring(count) }
    local uid = t:put(web).metadata.uid
    for i = 1, count do
      local set = testing.object { apiVersion = "apps/v1", kind = "ReplicaSet",
        metadata = { name = "web-" .. i, annotations = { ["deployment.kubernetes.io/revision"] = tostring(i) },
          ownerReferences = { { apiVersion = "apps/v1", kind = "Deployment", name = "web", uid = uid, controller = true } } },
        spec = { replicas = 0, selector = { matchLabels = { app = "web" } }, template = TEMPLATE } }
      set.spec.template.metadata.labels["pod-template-hash"] = "h" .. i
      set.spec.template.spec.containers[1].image = "web:" .. (i == count and 2 or "old" .. i)
      t:put(set)
    end
    return t, web
  end

  it("goes to the revision before, or to the one that is named", function()
    local t, web = with_revisions(3)
    t:flow(rollback, { timeout = 0 }, web)
    local template = t:get(web).spec.template
    assert.equal("web:old2", template.spec.containers[1].image)
    assert.same({ app = "web" }, template.metadata.labels)
    assert.same({ "deployment.apps/web rolled back from revision 3 to 2 (web:old2)" }, t.lines)
    t, web = with_revisions(3)
    t:flow(rollback, { timeout = 0, revision = 1 }, web)
    assert.equal("web:old1", t:get(web).spec.template.spec.containers[1].image)
  end)

  it("names the revisions that there are where the wanted one is not", function()
    local t, web = with_revisions(2)
    assert.equal("deployment.apps/web has no revision 7; there are: 1 (web:old1); 2 (web:2)",
      testing.failure(function() t:flow(rollback, { revision = 7 }, web) end))
    t, web = with_revisions(1)
    assert.matches("has no earlier revision", testing.failure(function() t:flow(rollback, {}, web) end), 1, true)
  end)
end)

describe("migrate-ownership", function()
  local migrate = testing.flow "migrate-ownership"
  local web = workload "Deployment"
  web.metadata.managedFields = { { manager = "helm", operation = "Update", apiVersion = "apps/v1", fieldsType = "FieldsV1",
    time = "2025-12-31T00:00:00Z", fieldsV1 = { ["f:spec"] = { ["f:replicas"] = {} } } } }

  it("makes a manager's fields ours", function()
    local t = testing.new { objects = { web } }
    t:flow(migrate, { from = "helm" }, web)
    assert.same({ "deployment.apps/web: the fields of helm are now managed by moonsail" }, t.lines)
    local managers = {}
    for _, entry in ipairs(t:get(web).metadata.managedFields) do managers[entry.manager] = true end
    assert.is_true(managers.moonsail)
    assert.is_nil(managers.helm)
  end)

  it("names the managers where the named one owns nothing", function()
    local t = testing.new { objects = { web } }
    assert.equal("deployment.apps/web: argo owns no field that could be taken; its managers are: helm",
      testing.failure(function() t:flow(migrate, { from = "argo" }, web) end))
  end)
end)

describe("delete", function()
  local delete = testing.flow "delete"

  it("takes an object away and waits until it is gone", function()
    local t, web = on "Deployment"
    t:flow(delete, {}, web)
    assert.is_nil(t:get(web))
    assert.same({ "deployment.apps/web deleted" }, t.lines)
    assert.equal("propagationPolicy=Background", t.calls[2].query)
  end)

  it("tells which finalizers hold it", function()
    local web = workload "Deployment"
    web.metadata.finalizers = { "example.com/backup" }
    local t = testing.new { objects = { web } }
    local why = testing.failure(function() t:flow(delete, { timeout = 30 }, web) end)
    assert.equal("deployment.apps/web: it goes when its finalizers are done: example.com/backup", t.lines[1])
    assert.equal("deployment.apps/web is not gone after 30 s: its finalizer example.com/backup holds it", why)
  end)

  it("has nothing to do where it is not there", function()
    local t = testing.new()
    t:flow(delete, {}, workload "Deployment")
    assert.equal(1, t.counts.unchanged)
  end)
end)
