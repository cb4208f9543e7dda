-- A manifest that changes what cannot be changed: what is said, and what --recreate does about it.

local cluster = require "tests.both.support"

local function apply(ns, manifest, ...)
  return cluster.cli({ "apply", "-f", "-", "-n", ns, ... }, { stdin = manifest })
end

local function deployment(name, selector, image)
  return ("apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: %s }\nspec: { replicas: 1, selector: { matchLabels: { %s } }, "
    .. "template: { metadata: { labels: { app: %s, tier: web } }, spec: { containers: [{ name: c, image: '%s' }] } } }\n"):format(
    name, selector, name, image or "img:1")
end

local function statefulset(service, policy)
  return ("apiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: db }\nspec: { serviceName: %s, replicas: 1, podManagementPolicy: %s, "
    .. "selector: { matchLabels: { app: db } }, template: { metadata: { labels: { app: db } }, "
    .. "spec: { containers: [{ name: c, image: 'img:1' }] } } }\n"):format(service, policy or "OrderedReady")
end

local function configmap(value)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: fixed }\nimmutable: true\ndata: { a: '%s' }\n"):format(value)
end

describe("a field that cannot be changed", function()
  local ns

  setup(function() ns = cluster.namespace() end)

  it("is named, with what can be done, and nothing is changed", function()
    apply(ns, deployment("named", "app: named"))
    local before = cluster.get("deployment", "named", ns).metadata.uid
    local result = apply(ns, deployment("named", "tier: web"))
    assert.equal(1, result.code)
    assert.matches("deployment.apps/named failed: spec.selector cannot be changed; send it again with recreate to delete and make it anew",
      result.stderr, 1, true)
    assert.equal(before, cluster.get("deployment", "named", ns).metadata.uid)
  end)

  it("of a StatefulSet is found, though the server names only the others #newest", function()
    apply(ns, statefulset "db")
    local result = apply(ns, statefulset "other")
    assert.equal(1, result.code)
    assert.matches("spec.serviceName cannot be changed (of a StatefulSet only replicas, ordinals, template, updateStrategy, ", result.stderr, 1, true)
  end)

  it("is made anew with --recreate, and what happens is told", function()
    apply(ns, deployment("anew", "app: anew"))
    local before = cluster.get("deployment", "anew", ns).metadata.uid
    local result = apply(ns, deployment("anew", "tier: web"), "--recreate")
    assert.equal("", result.stderr:match("failed.*") or "")
    assert.equal("deployment.apps/anew deleted, to be made anew: spec.selector cannot be changed\ndeployment.apps/anew created\n", result.stdout)
    assert.matches("1 created, 1 deleted", result.stderr, 1, true)
    local live = cluster.get("deployment", "anew", ns)
    assert.not_equal(before, live.metadata.uid)
    assert.same({ tier = "web" }, live.spec.selector.matchLabels)
  end)

  it("is only spoken of in a dry-run", function()
    apply(ns, configmap "1")
    local before = cluster.get("configmap", "fixed", ns)
    local result = apply(ns, configmap "2", "--recreate", "--dry-run")
    assert.equal("configmap/fixed would be deleted and made anew: data cannot be changed\n"
      .. "configmap/fixed validated (dry-run, no changes persisted): would be created\n", result.stdout)
    assert.matches("1 created, 1 deleted (dry-run", result.stderr, 1, true)
    assert.same(before, cluster.get("configmap", "fixed", ns))
    assert.equal(0, apply(ns, configmap "2", "--recreate").code)
    assert.equal("2", cluster.get("configmap", "fixed", ns).data.a)
  end)

  it("costs nothing where --recreate has nothing to do", function()
    apply(ns, deployment("same", "app: same"))
    local before = cluster.get("deployment", "same", ns).metadata.uid
    assert.equal("deployment.apps/same configured\n", apply(ns, deployment("same", "app: same", "img:2"), "--recreate").stdout)
    assert.equal(before, cluster.get("deployment", "same", ns).metadata.uid)
  end)

  it("is left as it is where the new object would be refused", function()
    apply(ns, deployment("kept", "app: kept"))
    local before = cluster.get("deployment", "kept", ns).metadata.uid
    local result = apply(ns, deployment("kept", "app: nobody"), "--recreate")
    assert.equal(1, result.code)
    assert.equal(before, cluster.get("deployment", "kept", ns).metadata.uid)
  end)

  it("is told, and made anew, also where the manifest carries the resourceVersion of what it replaces", function()
    local function put(value)
      local version = cluster.get("configmap", "put", ns).metadata.resourceVersion
      return (configmap(value):gsub("name: fixed", ("name: put, resourceVersion: '%s'"):format(version)))
    end
    apply(ns, (configmap("1"):gsub("name: fixed", "name: put")))
    local before = cluster.get("configmap", "put", ns)
    local result = apply(ns, put "2")
    assert.equal(1, result.code)
    assert.matches("data cannot be changed (it is marked as immutable; what uses it can name a new one); send it again with recreate",
      result.stderr, 1, true)
    assert.same(before, cluster.get("configmap", "put", ns))
    assert.equal(0, apply(ns, put "2", "--recreate").code)
    assert.equal("2", cluster.get("configmap", "put", ns).data.a)
  end)

  it("of a Service is its address, which stays where the manifest says none", function()
    local function service(more)
      return ("apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { selector: { app: web }, %s }\n"):format(more)
    end
    apply(ns, service "ports: [{ port: 80 }]")
    local ip = cluster.get("service", "web", ns).spec.clusterIP
    assert.equal("service/web configured\n", apply(ns, service "ports: [{ port: 81 }]").stdout)
    assert.equal(ip, cluster.get("service", "web", ns).spec.clusterIP)
    if not cluster.real then return end -- the demo cluster lets it change
    local result = apply(ns, service "clusterIP: None, ports: [{ port: 81 }]")
    assert.matches(("spec.clusterIP cannot be changed (leave it out to keep %s); "):format(ip), result.stderr, 1, true)
  end)

  it("of a StatefulSet is changed without its Pods where that is possible #newest", function()
    apply(ns, statefulset("db", "OrderedReady"))
    local result = apply(ns, statefulset("db", "Parallel"), "--recreate")
    assert.equal("", result.stderr:match("failed.*") or "")
    assert.matches("statefulset.apps/db deleted, to be made anew, its Pods go on: spec.podManagementPolicy cannot be changed", result.stdout, 1, true)
    assert.equal("Parallel", cluster.get("statefulset", "db", ns).spec.podManagementPolicy)
  end)
end)
