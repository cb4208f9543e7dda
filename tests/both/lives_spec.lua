-- What controllers do with objects, as far as a flow or a person relies on it.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local list = support.json.list

local function template(name, image)
  return { metadata = { labels = { app = name } }, spec = { restartPolicy = "Always",
    containers = list { { name = "web", image = image or "example/web:1" } } } }
end

local function workload(kind, name, more)
  local spec = { selector = { matchLabels = { app = name } }, template = template(name) }
  for key, value in pairs(more or {}) do spec[key] = value end
  return { apiVersion = "apps/v1", kind = kind, metadata = { name = name }, spec = spec }
end

local function eventually(what, test)
  return support.eventually(what, test, support.seconds(30))
end

describe("a life of objects #newest", function()
  local space

  before_each(function()
    space = cluster.namespace()
  end)

  local function pods()
    local found = {}
    for _, pod in ipairs(cluster.list("pod", space)) do
      if not pod.metadata.deletionTimestamp then found[#found + 1] = pod end
    end
    return found
  end

  local function ready(kind, name, n)
    return eventually(name .. " is ready", function()
      local obj = cluster.get(kind, name, space)
      local s = obj.status or {}
      return (s.readyReplicas or s.numberReady) == n and s.observedGeneration == obj.metadata.generation and obj
    end)
  end

  local function evict(name)
    return cluster.request("POST", cluster.path("pod", space) .. "/" .. name .. "/eviction",
      { apiVersion = "policy/v1", kind = "Eviction", metadata = { name = name, namespace = space } })
  end

  it("evicts a Pod where its budget lets it, not the one that it needs, and another one comes", function()
    cluster.create("deployment", space, workload("Deployment", "web", { replicas = 2 }))
    local path = "/apis/policy/v1/namespaces/%s/poddisruptionbudgets"
    cluster.create(path, space, { apiVersion = "policy/v1", kind = "PodDisruptionBudget",
      metadata = { name = "web" }, spec = { minAvailable = 2, selector = { matchLabels = { app = "web" } } } })
    ready("deployment", "web", 2)
    eventually("the budget has seen them", function() return cluster.get(path, "web", space).status.currentHealthy == 2 end)
    local first = pods()[1].metadata.name
    local refused = evict(first)
    assert.equal(429, refused.status)
    local said = refused.json()
    assert.equal("Cannot evict pod as it would violate the pod's disruption budget.", said.message)
    assert.same({ "TooManyRequests", "DisruptionBudget" }, { said.reason, said.details.causes[1].reason })
    assert.equal("The disruption budget web needs 2 healthy pods and has 2 currently", said.details.causes[1].message)
    cluster.patch(path, "web", space, { spec = { minAvailable = 1 } }, { type = "merge" })
    eventually("the budget allows it", function() return cluster.get(path, "web", space).status.disruptionsAllowed == 1 end)
    local done = evict(first)
    assert.same({ 201, "Success" }, { done.status, done.json().status })
    eventually("another one runs in its place", function()
      return not cluster.get("pod", first, space) and cluster.get("deployment", "web", space).status.readyReplicas == 2
    end)
    assert.equal(404, evict("nobody").status)
    local misnamed = cluster.request("POST", cluster.path("pod", space) .. "/" .. pods()[1].metadata.name .. "/eviction",
      { apiVersion = "policy/v1", kind = "Eviction", metadata = { name = "another", namespace = space } })
    assert.same({ 400, "name in URL does not match name in Eviction object" }, { misnamed.status, misnamed.json().message })
  end)

  it("asks which container's log is meant, and refuses what cannot be", function()
    cluster.create("pod", space, { metadata = { name = "two" }, spec = {
      initContainers = list { { name = "before", image = "example/i:1" } },
      containers = list { { name = "a", image = "example/a:1" }, { name = "b", image = "example/b:1" } } } })
    eventually("it has a node", function() return cluster.get("pod", "two", space).spec.nodeName end)
    local function said(query)
      local answer = cluster.request("GET", cluster.path("pod", space) .. "/two/log?" .. query)
      return { answer.status, answer.json().reason, answer.json().message }
    end
    assert.same({ 400, "BadRequest", "a container name must be specified for pod two, choose one of: [before a b]" }, said "")
    assert.same({ 400, "BadRequest", "container c is not valid for pod two" }, said "container=c")
    assert.same({ 422, "Invalid", 'PodLogOptions "two" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0' },
      said "container=a&tailLines=-1")
    assert.same({ 422, "Invalid", 'PodLogOptions "two" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0' },
      said "container=a&sinceSeconds=0")
    assert.equal(404, cluster.request("GET", cluster.path("pod", space) .. "/none/log").status)
  end)

  it("keeps what a Deployment was before, numbered, and goes back to it as a new revision", function()
    cluster.create("deployment", space, workload("Deployment", "web", { replicas = 1 }))
    ready("deployment", "web", 1)
    local function image(text)
      cluster.patch("deployment", "web", space, { spec = { template = template("web", text) } })
      return eventually("it is out: " .. text, function()
        local obj = cluster.get("deployment", "web", space)
        local s = obj.status
        return s.observedGeneration == obj.metadata.generation and s.updatedReplicas == 1 and s.replicas == 1
          and s.availableReplicas == 1 and obj
      end)
    end
    local function revisions()
      local found = {}
      for _, set in ipairs(cluster.list("/apis/apps/v1/namespaces/%s/replicasets", space)) do
        found[set.spec.template.spec.containers[1].image] = set.metadata.annotations["deployment.kubernetes.io/revision"]
      end
      return found
    end
    image("example/web:2")
    assert.same({ ["example/web:1"] = "1", ["example/web:2"] = "2" }, revisions())
    local back = image("example/web:1")
    assert.same({ ["example/web:1"] = "3", ["example/web:2"] = "2" }, revisions())
    assert.equal("3", back.metadata.annotations["deployment.kubernetes.io/revision"])
  end)

  for kind, resource in pairs { StatefulSet = "statefulset", DaemonSet = "daemonset" } do
    it("keeps what a " .. kind .. " was before as ControllerRevisions", function()
      cluster.create(resource, space, workload(kind, "db", kind == "StatefulSet" and { replicas = 1, serviceName = "db" } or nil))
      local function revisions()
        local found = {}
        for _, r in ipairs(cluster.list("/apis/apps/v1/namespaces/%s/controllerrevisions", space)) do
          assert.equal(kind, r.metadata.ownerReferences[1].kind)
          assert.equal("replace", r.data.spec.template["$patch"])
          found[r.revision] = r.data.spec.template.spec.containers[1].image
        end
        return found
      end
      eventually("the first is kept", function() return revisions()[1] == "example/web:1" end)
      cluster.patch(resource, "db", space, { spec = { template = template("db", "example/web:2") } })
      eventually("the second is kept", function() return revisions()[2] == "example/web:2" end)
      assert.same({ "example/web:1", "example/web:2" }, revisions())
      cluster.patch(resource, "db", space, { spec = { template = template("db", "example/web:1") } })
      eventually("the first is the newest again", function() return revisions()[3] == "example/web:1" end)
      assert.is_nil(revisions()[1])
    end)
  end

  it("puts no new Pod on a node that is closed, and one that waits for it when it opens", function()
    local nodes = cluster.list("/api/v1/nodes")
    local function close(node, yes)
      cluster.patch("/api/v1/nodes", node.metadata.name, nil, { spec = { unschedulable = yes } }, { type = "merge" })
    end
    finally(function()
      for _, node in ipairs(nodes) do close(node, false) end
    end)
    close(nodes[1], true)
    eventually("it is known to be closed", function()
      return cluster.real == false or cluster.get("/api/v1/nodes", nodes[1].metadata.name).spec.taints ~= nil
    end)
    cluster.create("deployment", space, workload("Deployment", "web", { replicas = 3 }))
    ready("deployment", "web", 3)
    for _, pod in ipairs(pods()) do assert.equal(nodes[2].metadata.name, pod.spec.nodeName) end
    local shown = cluster.request("GET", "/api/v1/nodes", nil, { accept = "application/json;as=Table;v=v1;g=meta.k8s.io" }).json()
    for _, row in ipairs(shown.rows) do
      assert.equal(row.cells[1] == nodes[1].metadata.name and "Ready,SchedulingDisabled" or "Ready", row.cells[2])
    end
    close(nodes[2], true)
    cluster.patch("deployment", "web", space, { spec = { replicas = 4 } }, { type = "merge" })
    eventually("one finds no place, and an event says why", function()
      for _, pod in ipairs(pods()) do
        local path = ("/api/v1/namespaces/%s/events?fieldSelector=involvedObject.name%%3D%s,reason%%3DFailedScheduling"):format(
          space, pod.metadata.name)
        local events = not pod.spec.nodeName and cluster.request("GET", path).json().items or {}
        if events[1] then return events[1].message:find("^0/2 nodes are available: ") and events[1].message:find("unschedulable") end
      end
    end)
    close(nodes[1], false)
    ready("deployment", "web", 4)
  end)

  it("makes the Job that a CronJob has missed, and none while it is suspended", function()
    local path = "/apis/batch/v1/namespaces/%s/cronjobs"
    local cron = cluster.create(path, space, { apiVersion = "batch/v1", kind = "CronJob", metadata = { name = "tidy" },
      spec = { schedule = "0 0 * * *", suspend = true, jobTemplate = { metadata = { labels = { of = "tidy" } }, spec = {
        template = { spec = { restartPolicy = "Never", containers = list { { name = "c", image = "example/c:1" } } } } } } } })
    local yesterday = os.time() - 86400
    cron.status = { lastScheduleTime = os.date("!%Y-%m-%dT%H:%M:%SZ", yesterday) }
    cluster.request("PUT", cluster.path(path, space) .. "/tidy/status", cron)
    local function jobs()
      return cluster.list("job", space)
    end
    assert.equal(0, #jobs())
    cluster.patch(path, "tidy", space, { spec = { suspend = false } }, { type = "merge" })
    local job = eventually("its Job is complete", function()
      local found = jobs()[1]
      for _, c in ipairs(found and found.status.conditions or {}) do
        if c.type == "Complete" and c.status == "True" then return found end
      end
    end)
    local midnight = os.time() // 86400 * 86400
    assert.equal(("tidy-%d"):format(midnight // 60), job.metadata.name)
    assert.equal("tidy", job.metadata.labels.of)
    assert.same({ "CronJob", "tidy" }, { job.metadata.ownerReferences[1].kind, job.metadata.ownerReferences[1].name })
    eventually("the CronJob knows it", function()
      local s = cluster.get(path, "tidy", space).status
      return s.lastSuccessfulTime and not s.active and s.lastScheduleTime == os.date("!%Y-%m-%dT%H:%M:%SZ", midnight)
    end)
  end)
end)
