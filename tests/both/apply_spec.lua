-- What an apply does to an API server, and what it says.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

-- What only a real cluster can show.
local only_real = cluster.real and it or function() end

local function configmap(name, data)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: %s\n"):format(name, data or "{ a: '1' }")
end

local function apply(ns, manifest, ...)
  return cluster.cli({ "apply", "-f", "-", "-n", ns, ... }, { stdin = manifest })
end

local function events_of(result)
  local events = {}
  for line in result.stdout:gmatch("[^\n]+") do events[#events + 1] = support.json.decode(line) end
  return events
end

local function complete_of(result)
  local events = events_of(result)
  assert.equal("complete", events[#events].type)
  return events[#events]
end

describe("moonsail apply", function()
  local ns

  setup(function() ns = cluster.namespace() end)

  it("creates the guestbook, finds it unchanged, and configures what was edited", function()
    local text = assert(io.open("examples/guestbook.yaml")):read("a")
    local first = apply(ns, text)
    assert.equal(0, first.code)
    assert.equal("configmap/guestbook created\nservice/guestbook created\ndeployment.apps/guestbook created\n",
      first.stdout)
    assert.matches("succeeded in [%d.]+ s: 3 created", first.stderr)
    local again = apply(ns, text)
    assert.equal("configmap/guestbook unchanged\nservice/guestbook unchanged\ndeployment.apps/guestbook unchanged\n",
      again.stdout)
    local edited = apply(ns, (text:gsub("theme: sea", "theme: harbour"):gsub("replicas: 2", "replicas: 3")))
    assert.equal("configmap/guestbook configured\nservice/guestbook unchanged\ndeployment.apps/guestbook configured\n",
      edited.stdout)
    assert.equal(3, cluster.get("deployment", "guestbook", ns).spec.replicas)
    assert.equal("harbour", cluster.get("configmap", "guestbook", ns).data.theme)
  end)

  it("changes nothing in a dry-run, and tells what it would do", function()
    apply(ns, configmap "there")
    local before = cluster.get("configmap", "there", ns)
    local result = apply(ns, configmap("there", "{ a: '2' }") .. "---\n" .. configmap "absent", "--dry-run")
    assert.equal(0, result.code)
    assert.equal("configmap/there validated (dry-run, no changes persisted): would be configured\n"
      .. "configmap/absent validated (dry-run, no changes persisted): would be created\n", result.stdout)
    assert.same(before, cluster.get("configmap", "there", ns))
    assert.is_nil(cluster.get("configmap", "absent", ns))
  end)

  it("sends nothing at all when one of the documents cannot be read", function()
    local result = apply(ns, configmap "never" .. "---\nkind: ConfigMap\nmetadata: { name: x\n")
    assert.equal(1, result.code)
    assert.matches("standard input:%d+:%d+: ", result.stderr)
    assert.is_nil(cluster.get("configmap", "never", ns))
  end)

  it("says that a name must be quoted where YAML takes it for something else", function()
    local result = apply(ns, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: on }\n")
    assert.equal(1, result.code)
    assert.matches("standard input:1:1: metadata.name of document 1 must be a string, and YAML reads true: quote it",
      result.stderr, 1, true)
  end)

  it("sends nothing at all when one of the documents is of a kind that is not served", function()
    local result = apply(ns, configmap "never" .. "---\napiVersion: example.com/v1\nkind: Foo\nmetadata: { name: x }\n")
    assert.equal(1, result.code)
    assert.matches('no matches for kind "Foo" in version "example.com/v1"', result.stderr, 1, true)
    assert.is_nil(cluster.get("configmap", "never", ns))
  end)

  it("says the API server's reason for a refused document and still applies the others", function()
    local bad = "apiVersion: v1\nkind: Service\nmetadata: { name: bad }\nspec: { ports: [{ port: 99999 }] }\n"
    local result = apply(ns, bad .. "---\n" .. configmap "other", "--json")
    assert.equal(1, result.code)
    local complete = complete_of(result)
    assert.equal("failed", complete.status)
    assert.matches("must be between 1 and 65535", complete.error, 1, true)
    local rows = complete.summary.documents
    assert.same({ "failed", "created" }, { rows[1].outcome, rows[2].outcome })
    assert.same({ 1, 6 }, { rows[1].line, rows[2].line })
    assert.equal(1, complete.summary.exitCode)
    assert.same({ created = 1, configured = 0, unchanged = 0, deleted = 0 }, complete.summary.resourcesChanged)
    assert.is_table(cluster.get("configmap", "other", ns))
  end)

  it("refuses an unknown field with the server's own words", function()
    local result = apply(ns, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: strict }\ndatta: { a: b }\n")
    assert.equal(1, result.code)
    assert.matches("datta", result.stderr, 1, true)
    assert.is_nil(cluster.get("configmap", "strict", ns))
  end)

  it("keeps to its namespace unless the request may go further", function()
    local elsewhere = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x, namespace: kube-public }\n"
    local result = apply(ns, elsewhere)
    assert.equal(3, result.code)
    assert.matches("allowClusterWide", result.stderr, 1, true)
    assert.is_nil(cluster.get("configmap", "x", "kube-public"))
    local space = "apiVersion: v1\nkind: Namespace\nmetadata: { name: " .. ns .. "-more }\n"
    assert.equal(3, apply(ns, space).code)
    local both = apply(ns, configmap("inside"):gsub("name: inside", "name: inside, namespace: " .. ns .. "-more")
      .. "---\n" .. space, "--cluster-wide")
    assert.equal("", both.stderr:match("failed.*") or "")
    assert.equal("namespace/" .. ns .. "-more created\nconfigmap/inside created\n", both.stdout)
  end)

  it("unfolds a List and applies any kind that the cluster serves", function()
    local list = [[
apiVersion: v1
kind: List
items:
- apiVersion: rbac.authorization.k8s.io/v1
  kind: Role
  metadata: { name: reader }
  rules: [{ apiGroups: [""], resources: [pods], verbs: [get] }]
- apiVersion: coordination.k8s.io/v1
  kind: Lease
  metadata: { name: turn }
  spec: { holderIdentity: me }
]]
    local result = apply(ns, list)
    assert.equal("role.rbac.authorization.k8s.io/reader created\nlease.coordination.k8s.io/turn created\n", result.stdout)
  end)

  it("keeps a Secret's values to itself and its keys in step with the manifest", function()
    local secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: db }\nstringData: { user: app, password: s3cr3t-v4lue }\n"
    local first = apply(ns, secret, "--json")
    assert.equal(0, first.code)
    assert.is_nil((first.stdout .. first.stderr):find("s3cr3t", 1, true))
    assert.equal("czNjcjN0LXY0bHVl", cluster.get("secret", "db", ns).data.password)
    apply(ns, (secret:gsub(", password: s3cr3t%-v4lue", "")))
    assert.same({ user = "YXBw" }, cluster.get("secret", "db", ns).data)
  end)

  only_real("says no value of a Secret that the API server refuses and quotes", function()
    local secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: bad }\ndata: { pin: 48151623, list: [hunter2hunter2] }\n"
    local result = apply(ns, secret, "--json")
    assert.equal(1, result.code)
    local said = result.stdout .. result.stderr
    assert.matches(".data.list: expected string, got", said, 1, true)
    assert.is_nil(said:find("48151623", 1, true))
    assert.is_nil(said:find("hunter2", 1, true))
  end)

  it("applies a 4 MiB bundle", function()
    local parts = {}
    for i = 1, 8 do parts[i] = configmap("big-" .. i, "{ blob: " .. ("x"):rep(512 * 1024) .. " }") end
    local result = apply(ns, table.concat(parts, "---\n"))
    assert.equal(0, result.code)
    assert.matches("8 created", result.stderr, 1, true)
    assert.equal(512 * 1024, #cluster.get("configmap", "big-8", ns).data.blob)
  end)

  it("lets the server choose a name for generateName", function()
    local result = apply(ns, "apiVersion: v1\nkind: ConfigMap\nmetadata: { generateName: gen- }\n")
    assert.matches("^configmap/gen%-%w+ created\n$", result.stdout)
    assert.is_table(cluster.get("configmap", result.stdout:match("gen%-%w+"), ns))
  end)

  it("drops status and managedFields, and says so", function()
    local result = apply(ns, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: kept, managedFields: [] }\nstatus: {}\n")
    assert.equal(0, result.code)
    assert.matches("status and metadata.managedFields of the manifest is not sent", result.stdout, 1, true)
  end)

  it("hands on what the API server warns of", function()
    -- Each server has its own: the oldest one's kind is not served by the newest any more.
    local manifest = cluster.old and "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n"
      or "apiVersion: v1\nkind: Endpoints\n"
    local result = apply(ns, manifest .. "metadata: { name: old }\n")
    assert.equal(0, result.code)
    assert.matches(cluster.old and "Warning: policy/v1beta1 PodDisruptionBudget is deprecated"
      or "Warning: v1 Endpoints is deprecated", result.stderr, 1, true)
  end)

  only_real("is refused by the cluster's own permissions in the cluster's own words", function()
    local result = cluster.cli({ "apply", "-f", "-", "-n", ns }, {
      stdin = configmap "viewer", env = { KUBECONFIG = cluster.kubeconfig "kubeconfig-viewer" },
    })
    assert.equal(3, result.code)
    assert.matches('cannot patch resource "configmaps"', result.stderr, 1, true)
  end)

  only_real("works with a bearer token as with a client certificate", function()
    local result = cluster.cli({ "apply", "-f", "-", "-n", ns }, {
      stdin = configmap "by-token", env = { KUBECONFIG = cluster.kubeconfig "kubeconfig-token" },
    })
    assert.equal(0, result.code)
  end)

  it("names a context that does not exist, and those that do", function()
    local result = apply(ns, configmap "x", "--context", "nowhere")
    assert.equal(2, result.code)
    assert.matches("nowhere", result.stderr, 1, true)
    assert.matches(cluster.context, result.stderr, 1, true)
  end)

  it("gives 64-bit integers and floats to the server as they are written", function()
    local result = apply(ns, [[
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: numbers.spec.moonsail.dev }
spec:
  group: spec.moonsail.dev
  scope: Namespaced
  names: { kind: Number, plural: numbers }
  versions:
  - name: v1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
]], "--cluster-wide")
    assert.equal(0, result.code)
    cluster.established "numbers.spec.moonsail.dev"
    local number = "apiVersion: spec.moonsail.dev/v1\nkind: Number\nmetadata: { name: one }\n"
      .. "spec: { big: 9223372036854775807, small: -9223372036854775808, real: 1.5, whole: 3.0, none: [], empty: {}, nothing: null }\n"
    assert.equal("number.spec.moonsail.dev/one created\n", apply(ns, number).stdout)
    local path = cluster.path("/apis/spec.moonsail.dev/v1/namespaces/%s/numbers/one", ns)
    local text = cluster.request("GET", path).text
    for _, piece in ipairs { '"big":9223372036854775807', '"small":-9223372036854775808', '"real":1.5', '"whole":3', '"none":[]', '"empty":{}' } do
      assert.matches(piece, text, 1, true)
    end
    assert.equal("number.spec.moonsail.dev/one unchanged\n", apply(ns, number).stdout)
  end)
end)
