-- A bundle whose documents need each other.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local made = 0

-- A Namespace, a CRD, an object of it and a ConfigMap, in the worst order; names of their own.
local function bundle(edit)
  made = made + 1
  local name = ("b%d-%d"):format(support.pid, made)
  local text = ([[
apiVersion: NAME.moonsail.dev/v1
kind: Ship
metadata: { name: argo, namespace: NAME }
spec: { sails: 3 }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: log, namespace: NAME }
---
apiVersion: v1
kind: Namespace
metadata: { name: NAME }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: ships.NAME.moonsail.dev }
spec:
  group: NAME.moonsail.dev
  scope: Namespaced
  names: { kind: Ship, plural: ships, singular: ship, listKind: ShipList }
  versions:
  - name: v1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
]]):gsub("NAME", name)
  return edit and edit(text) or text, name
end

local function apply(text, ...)
  return cluster.cli({ "apply", "-f", "-", "--cluster-wide", "--json", ... }, { stdin = text })
end

-- Outcome by ref, and the complete event.
local function outcomes(result)
  local last
  for line in result.stdout:gmatch("[^\n]+") do last = support.json.decode(line) end
  local found = {}
  for _, row in ipairs(last.summary.documents) do found[row.ref:match("^%a+")] = row.outcome end
  return found, last
end

describe("a bundle with its own Namespace and CRD", function()
  it("goes out in the order that it needs, in one go", function()
    local text = bundle()
    local result = apply(text)
    local found, complete = outcomes(result)
    assert.equal("", complete.error)
    assert.same({ namespace = "created", customresourcedefinition = "created", configmap = "created", ship = "created" },
      found)
    found = outcomes(apply(text))
    assert.same({ namespace = "unchanged", customresourcedefinition = "unchanged", configmap = "unchanged",
      ship = "unchanged" }, found)
  end)

  it("is tried by a dry-run as far as the server can be asked; the rest is deferred and nothing is made", function()
    local text, name = bundle()
    local found, complete = outcomes(apply(text, "--dry-run"))
    assert.equal("succeeded", complete.status)
    assert.same({ namespace = "created", customresourcedefinition = "created", configmap = "deferred", ship = "deferred" },
      found)
    assert.is_nil(cluster.get("namespace", name))
  end)

  it("is deleted from its end: an object before its CRD and its Namespace; a second time nothing is there", function()
    local text, name = bundle()
    apply(text)
    local all = { namespace = "deleted", customresourcedefinition = "deleted", configmap = "deleted", ship = "deleted" }
    assert.same(all, (outcomes(apply(text, "--delete", "--dry-run"))))
    assert.not_nil(cluster.get("configmap", "log", name))
    local result = apply(text, "--delete")
    assert.same(all, (outcomes(result)))
    assert.is_nil(cluster.get("configmap", "log", name))
    local order = {}
    for ref in result.stdout:gmatch('"text":"(%l+)[^" ]* deleted"') do order[#order + 1] = ref end
    assert.same({ "ship", "configmap", "customresourcedefinition", "namespace" }, order)
    support.eventually("the CRD is gone", function() return not cluster.get("crd", ("ships.%s.moonsail.dev"):format(name)) end, 30)
    local found, complete = outcomes(apply(text, "--delete", "--dry-run"))
    assert.equal("", complete.error)
    assert.equal("unchanged", found.ship)
    found, complete = outcomes(apply(text, "--delete"))
    assert.equal("", complete.error)
    assert.equal("unchanged", found.ship)
  end)

  -- The demo cluster has no schema by which it could refuse this CRD.
  if not cluster.real then return end

  it("does not start what needs a document that failed, and says which", function()
    local text = bundle(function(t) return (t:gsub("storage: true", "storage: false")) end)
    local result = apply(text)
    local found, complete = outcomes(result)
    assert.equal("failed", complete.status)
    assert.same({ namespace = "created", customresourcedefinition = "failed", configmap = "created",
      ship = "not-started" }, found)
    assert.matches("not started: customresourcedefinition.apiextensions.k8s.io/", result.stdout, 1, true)
  end)
end)
