--- Undo: what an apply has changed is taken back, and what others have changed since stays.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"
local events, json = support.events, support.json

local DEPLOYMENT = [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME, labels: { team: sea } }
spec:
  replicas: 2
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec: { containers: [ { name: web, image: "example/web:1" } ] }
]]

local function configmap(name, data)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: %s\n"):format(name, data or "{ a: '1' }")
end

describe("undo", function()
  local host, ns

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)

  teardown(function() host:stop() end)

  -- Runs a request to its end: { id, status, error, out, err, changed }.
  local function run(request)
    local all = host:start(request):to_end()
    local complete = events.complete(all)
    return { id = complete.executionId, status = complete.status, error = complete.error, out = events.lines(all, "stdout"),
      err = table.concat(events.lines(all, "stderr"), "\n"), changed = complete.summary.resourcesChanged }
  end

  local function send(manifest, more)
    return run(support.apply_request(ns, manifest, more))
  end

  local function apply(manifest, more)
    local result = send(manifest, more)
    assert.equal("succeeded", result.status, result.error)
    return result.id
  end

  local function undo(id, input, more)
    input = input or {}
    input.executionId = id
    local request = { intent = "undo", kubernetesEquivalent = true, namespace = ns, input = input }
    for k, v in pairs(more or {}) do request[k] = v end
    return run(request)
  end

  local function undone(...)
    local result = undo(...)
    assert.equal("succeeded", result.status, result.error .. "\n" .. result.err)
    return result.out
  end

  local function map(name) return cluster.get("configmap", name, ns) end

  it("deletes what was created, in reverse order; its dry-run says so", function()
    local id = apply(configmap "first" .. "---\n" .. (DEPLOYMENT:gsub("NAME", "second")))
    support.eventually("its controller has seen it", function()
      local meta = cluster.get("deployment", "second", ns).metadata
      return not cluster.old and meta.annotations and meta.annotations["deployment.kubernetes.io/revision"] or cluster.old
    end)
    assert.same({ "deployment.apps/second validated (dry-run, no changes persisted): would be deleted",
      "configmap/first validated (dry-run, no changes persisted): would be deleted", "2 of 2 objects would be undone" },
      undone(id, nil, { mode = "dry-run" }))
    assert.is_table(map "first")
    local result = undo(id)
    assert.same({ "deployment.apps/second deleted", "configmap/first deleted", "2 of 2 objects are undone" }, result.out)
    assert.same({ created = 0, configured = 0, unchanged = 0, deleted = 2 }, result.changed)
    assert.is_nil(map "first")
    assert.equal("configmap/first: it is gone already", undone(id)[2])
  end)

  it("puts back what was changed, and the next apply meets no conflict with that", function()
    apply((DEPLOYMENT:gsub("NAME", "web")))
    local second = (DEPLOYMENT:gsub("NAME", "web"):gsub("web:1", "web:2"):gsub("team: sea", "team: sea, tier: front"))
    local id = apply(second)
    assert.same({ "deployment.apps/web validated (dry-run, no changes persisted): would be put back",
      "1 of 1 objects would be undone" }, undone(id, nil, { mode = "dry-run" }))
    assert.same({ "deployment.apps/web put back", "1 of 1 objects are undone" }, undone(id))
    local live = cluster.get("deployment", "web", ns)
    assert.equal("example/web:1", live.spec.template.spec.containers[1].image)
    assert.is_nil(live.metadata.labels.tier)
    for _, entry in ipairs(live.metadata.managedFields) do
      assert.is_false(entry.manager == "moonsail" and entry.operation == "Update" and not entry.subresource)
    end
    assert.equal("deployment.apps/web: it is as it was already", undone(id)[1])
    apply((second:gsub("web:2", "web:3")))
    apply((DEPLOYMENT:gsub("NAME", "web")))
    assert.is_nil(cluster.get("deployment", "web", ns).metadata.labels.tier)
  end)

  it("leaves a field that others have changed since, and takes it by force", function()
    apply(configmap("shared", "{ a: '1', b: '1', c: '1' }"))
    local id = apply(configmap("shared", "{ a: '2', b: '2' }"))
    cluster.patch("configmap", "shared", ns, { data = { b = "3" } }, { manager = "somebody" })
    local result = undo(id)
    assert.equal("failed", result.status)
    assert.equal("configmap/shared put back", result.out[1])
    assert.matches("configmap/shared left: changed since, and so left: data.b (now 3, by somebody)", result.err, 1, true)
    assert.matches("0 of 1 objects are undone; 1 left, 0 failed; force takes back", result.error, 1, true)
    assert.same({ a = "1", b = "3", c = "1" }, map("shared").data)
    undone(id, { force = true })
    assert.same({ a = "1", b = "1", c = "1" }, map("shared").data)
  end)

  it("leaves what it created and others have changed or made anew since", function()
    local id = apply(configmap "grown" .. "---\n" .. configmap "other" .. "---\n" .. configmap "mine")
    cluster.patch("configmap", "grown", ns, { metadata = { labels = { by = "them" } } }, { manager = "somebody" })
    cluster.request("DELETE", cluster.path("configmap", ns) .. "/other")
    cluster.create("configmap", ns, { metadata = { name = "other" }, data = { a = "1" } })
    local result = undo(id)
    assert.matches("configmap/grown left: it was changed since: metadata.labels.by (now them, by somebody)", result.err, 1, true)
    assert.matches("configmap/other left: it is another object of this name by now", result.err, 1, true)
    assert.equal("configmap/mine deleted", result.out[1])
    assert.matches("1 of 3 objects are undone; 2 left, 0 failed", result.error, 1, true)
    assert.is_table(map "grown")
    undo(id, { force = true })
    assert.is_nil(map "grown")
    assert.is_table(map "other")
  end)

  it("creates again what was deleted", function()
    local manifest = configmap "back" .. "---\n" .. (DEPLOYMENT:gsub("NAME", "again"))
    apply(manifest)
    local uid = map("back").metadata.uid
    local id = apply(manifest, { action = "delete" })
    support.eventually("it is gone", function() return not cluster.get("deployment", "again", ns) end)
    assert.matches("would be created again", undone(id, nil, { mode = "dry-run" })[1], 1, true)
    local out = undone(id)
    assert.equal("configmap/back created again", out[1]:match "configmap" and out[1] or out[2])
    assert.same({ a = "1" }, map("back").data)
    assert.not_equal(uid, map("back").metadata.uid)
    assert.equal("example/web:1", cluster.get("deployment", "again", ns).spec.template.spec.containers[1].image)
    apply((manifest:gsub("web:1", "web:2")))
    assert.matches("left: it is there again", undo(id).err, 1, true)
  end)

  it("undoes a scale and an edit, and itself", function()
    apply((DEPLOYMENT:gsub("NAME", "sized")))
    local id = apply((DEPLOYMENT:gsub("NAME", "sized")), { action = "scale", replicas = 5 })
    undone(id)
    assert.equal(2, cluster.get("deployment", "sized", ns).spec.replicas)
    apply(configmap "twice")
    id = apply(configmap("twice", "{ a: '1', b: new }"), { base = configmap "twice" })
    local result = undo(id)
    assert.same({ a = "1" }, map("twice").data)
    undone(result.id)
    assert.same({ a = "1", b = "new" }, map("twice").data)
  end)

  it("keeps a Namespace that others have put something into", function()
    local name = ns .. "-made"
    local wide = { allowClusterWide = true }
    local id = apply(("apiVersion: v1\nkind: Namespace\nmetadata: { name: %s }\n---\n"):format(name)
      .. configmap("in-it, namespace: " .. name), wide)
    assert.equal("2 of 2 objects would be undone", undone(id, nil, { mode = "dry-run", allowClusterWide = true })[3])
    cluster.create("lease", name, { metadata = { name = "theirs" }, spec = { holderIdentity = "them" } })
    local result = undo(id, nil, wide)
    assert.equal("configmap/in-it deleted", result.out[1])
    assert.matches(("namespace/%s left: it holds lease.coordination.k8s.io/theirs, which would go with it"):format(name),
      result.err, 1, true)
    assert.is_nil(cluster.get("namespace", name).metadata.deletionTimestamp)
    undone(id, { force = true }, wide)
    local live = cluster.get("namespace", name)
    assert.is_true(not live or live.metadata.deletionTimestamp ~= nil)
  end)

  it("keeps a CustomResourceDefinition as long as there are objects of its kind", function()
    local group = ("undo-%d.example.com"):format(support.pid)
    local crd = ([[
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: boats.GROUP }
spec:
  group: GROUP
  scope: Namespaced
  names: { plural: boats, singular: boat, kind: Boat }
  versions:
  - { name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }
]]):gsub("GROUP", group)
    local function boat(name) return ("apiVersion: %s/v1\nkind: Boat\nmetadata: { name: %s, namespace: %s }\n"):format(group, name, ns) end
    local wide = { allowClusterWide = true }
    local id = apply(crd .. "---\n" .. boat "ours", wide)
    apply(boat "theirs", wide)
    local result = undo(id, nil, wide)
    assert.equal(("boat.%s/ours deleted"):format(group), result.out[1])
    assert.matches(("left: boat.%s/theirs is of its kind and would go with it"):format(group), result.err, 1, true)
    assert.is_table(cluster.get("crd", "boats." .. group))
    undone(id, { force = true }, wide)
  end)

  it("goes on after what fails, and shows no value of a Secret", function()
    local function secret(value) return ("apiVersion: v1\nkind: Secret\nmetadata: { name: keys }\nstringData: { k: %s }\n"):format(value) end
    apply(secret "geheimgeheim" .. "---\n" .. configmap "beside")
    local id = apply(secret "neuesneues" .. "---\n" .. configmap("beside", "{ a: '2' }\nimmutable: true"))
    cluster.patch("secret", "keys", ns, { stringData = { k = "anderes" } })
    local result = undo(id)
    assert.matches("configmap/beside failed: ", result.err, 1, true)
    assert.matches("secret/keys left: changed since, and so left: data.k (now [REDACTED]", result.err, 1, true)
    assert.matches("0 of 2 objects are undone; 1 left, 1 failed", result.error, 1, true)
    undo(id, { force = true })
    assert.equal("Z2VoZWltZ2VoZWlt", cluster.get("secret", "keys", ns).data.k)
  end)

  it("says what it cannot undo at all", function()
    assert.equal("this execution is not kept here any more", undo("exec-1").error)
    local id = apply(configmap "dry", { mode = "dry-run" })
    assert.matches("has changed nothing that could be undone", undo(id).error, 1, true)
    local wrong = host:start({ intent = "undo", kubernetesEquivalent = true, namespace = ns, resource = "deployments",
      name = "web", input = { executionId = id } }):next()
    assert.matches("flow undo is of no object", wrong.error, 1, true)
    local none = host:start({ intent = "undo", kubernetesEquivalent = true, namespace = ns, input = json.null }):next()
    assert.matches("input executionId is missing", none.error, 1, true)
  end)

  it("is run by its name alone", function()
    local result = cluster.cli { "flow", "undo", "-n", ns, "-i", "executionId=exec-1" }
    assert.equal(1, result.code)
    assert.matches("not kept here any more", result.stderr, 1, true)
    assert.matches("input executionId is missing", cluster.cli({ "flow", "undo", "-n", ns }).stderr, 1, true)
  end)
end)
