-- What strangers wrote, by kubectl and by Moonsail: the same objects, the same reasons.

local support = require "tests.spec.support"
local cluster = require "tests.cluster.support"
local cases = require "tests.cluster.manifests.cases"
local compare = require "tests.cluster.support.compare"

local FOLDER = "tests/cluster/manifests/"

local function read(name)
  local file = assert(io.open(FOLDER .. name, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function edited(case)
  local text, from, to = read(case[1]), case.edit[1], case.edit[2]
  local first, last = text:find(from, 1, true)
  assert(first, case[1] .. " no longer has: " .. from)
  return text:sub(1, first - 1) .. to .. text:sub(last + 1)
end

-- kubectl on a manifest, which says itself where it goes when it is `wide`.
local function kubectl(case, text, ns, ...)
  local words = { ... }
  table.move({ "-f", "-", not case.wide and "-n" or nil, not case.wide and ns or nil }, 1, 4, #words + 1, words)
  return cluster.kubectl(words, text)
end

local function kubectl_apply(case, text, ns)
  kubectl(case, text, ns, "apply", "--server-side", "--field-manager=moonsail")
end

-- The objects of a manifest as the server has them: those to compare, and what of them is owned.
local function snapshot(case, text, ns)
  local out = kubectl(case, text, ns, "get", "-o", "json", "--show-managed-fields")
  local objects, fields = {}, {}
  for i, object in ipairs(compare.items(out)) do objects[i], fields[i] = compare.object(object) end
  return objects, fields
end

local function moonsail(case, text, ns)
  local words = { "apply", "-f", "-", "-n", ns, "--json" }
  if case.wide then words[#words + 1] = "--cluster-wide" end
  local result = cluster.cli(words, { stdin = text })
  local complete
  for line in result.stdout:gmatch("[^\n]+") do complete = support.json.decode(line) end
  assert(complete and complete.type == "complete", result.stderr)
  assert.equal("", complete.error)
  assert.equal(0, result.code)
  local outcomes = {}
  for i, row in ipairs(complete.summary.documents) do outcomes[i] = row.outcome end
  return outcomes
end

local function repeated(word, n)
  local words = {}
  for i = 1, n do words[i] = word end
  return words
end

describe("a manifest gives the same objects as with kubectl:", function()
  local a, b

  setup(function()
    a, b = cluster.namespace(), cluster.namespace()
    for _, ns in ipairs(cluster.old and {} or { a, b }) do -- nothing makes it there
      cluster.kubectl { "wait", "--for=create", "serviceaccount/default", "-n", ns, "--timeout=30s" }
    end
  end)

  for _, case in ipairs(cases) do
    it(case[1] .. (case.newest and " #newest" or ""), function()
      local text, changed = read(case[1]), edited(case)
      if case.needs then
        cluster.kubectl({ "apply", "--server-side", "-f", "-" }, read(case.needs))
        cluster.kubectl({ "wait", "--for=condition=Established", "-f", "-", "--timeout=30s" }, read(case.needs))
      end

      local outcomes = moonsail(case, text, a)
      local ours, our_fields = snapshot(case, text, a)
      assert.same(repeated("created", #ours), outcomes)
      assert.same(repeated("unchanged", #ours), moonsail(case, text, a))
      outcomes = moonsail(case, changed, a)
      local ours_edited, our_fields_edited = snapshot(case, changed, a)
      if case.wide or case.alone then kubectl(case, text, a, "delete", "--timeout=60s") end

      kubectl_apply(case, text, b)
      local theirs, their_fields = snapshot(case, text, b)
      kubectl_apply(case, changed, b)
      local theirs_edited, their_fields_edited = snapshot(case, changed, b)
      if case.wide or case.alone then kubectl(case, text, b, "delete", "--timeout=60s") end

      assert.same(theirs, ours)
      assert.same(theirs_edited, ours_edited)
      if case.fields ~= false then
        assert.same(their_fields, our_fields)
        assert.same(their_fields_edited, our_fields_edited)
      end
      local expected = {}
      for i = 1, #theirs do
        local same = pcall(assert.same, theirs[i], theirs_edited[i])
        expected[i] = same and "unchanged" or "configured"
      end
      assert.same(expected, outcomes)
    end)
  end
end)

local DEPLOYMENT = [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME }
spec:
  replicas: 1
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec: { containers: [{ name: web, image: "example/web:1" }] }
]]

local function deployment(name, from, to)
  local text = DEPLOYMENT:gsub("NAME", name)
  if not from then return text end
  local first, last = text:find(from, 1, true)
  return text:sub(1, first - 1) .. to .. text:sub(last + 1)
end

local function object(version, kind, rest)
  return ("apiVersion: %s\nkind: %s\n%s\n"):format(version, kind, rest)
end

local LONG = ("x"):rep(64)

-- Each: what is wrong, the manifest, and where it takes one, what was there before.
local refused = {
  { "a wrong type", deployment("wrong-type", "replicas: 1", "replicas: many") },
  { "an unknown field", deployment("unknown", "replicas: 1", "replica: 1") },
  { "an unknown field deep inside", deployment("deep", "image:", "imagePullPolice: Always, image:") },
  { "a missing selector", deployment("no-selector", "  selector: { matchLabels: { app: no-selector } }\n", "") },
  { "a selector that matches nothing", deployment("mismatch", "labels: { app: mismatch }", "labels: { app: other }") },
  { "an immutable field that changes", deployment("fixed", "matchLabels: { app: fixed }",
    "matchLabels: { app: fixed, more: m }"):gsub("labels: { app: fixed }", "labels: { app: fixed, more: m }"),
    before = deployment "fixed" },
  { "a name with capitals", object("v1", "ConfigMap", "metadata: { name: Not_A_Name }") },
  { "a label that is too long", object("v1", "ConfigMap", "metadata: { name: label, labels: { a: " .. LONG .. " } }") },
  { "an annotation's key that is none", object("v1", "ConfigMap", "metadata: { name: key, annotations: { 'a b': c } }") },
  { "a namespace that is not there", object("v1", "ConfigMap", "metadata: { name: lost, namespace: no-such-namespace }"),
    wide = true },
  { "several faults at once", object("v1", "Service",
    "metadata: { name: many }\nspec: { type: Teleport, ports: [{ port: 99999 }, { port: 0, name: UPPER }] }") },
  { "a quantity that is none", object("v1", "PersistentVolumeClaim",
    "metadata: { name: big }\nspec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: much } } }") },
  { "data that is no base64", object("v1", "Secret", "metadata: { name: raw }\ndata: { a: '%%%' }") },
  { "a list where a map belongs", object("v1", "ConfigMap", "metadata: { name: list }\ndata: [a, b]") },
  { "a number where a text belongs", object("v1", "ConfigMap", "metadata: { name: number }\ndata: { a: 1 }") },
  { "two list items of one key", deployment("twice", 'image: "example/web:1" }',
    'image: "example/web:1" }, { name: web, image: b }') },
  { "a role that changes in a binding", object("rbac.authorization.k8s.io/v1", "RoleBinding",
    "metadata: { name: bound }\nroleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: two }"),
    before = object("rbac.authorization.k8s.io/v1", "RoleBinding",
      "metadata: { name: bound }\nroleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: one }") },
  { "a field that somebody else owns", deployment("owned", "example/web:1", "example/web:2"),
    before = deployment "owned", before_by = "somebody" },
  { "a cluster that forbids it", object("v1", "ConfigMap", "metadata: { name: forbidden }"), as = "kubeconfig-viewer" },
  { "a schema of the cluster's own", object("oracle.example.com/v1", "CronTab",
    "metadata: { name: bad }\nspec: { cronSpec: never, replicas: 7 }"), needs = "crontab-crd.yaml" },
}

-- The pieces of the server's message in what kubectl prints: it spells a list of causes in its own way.
local function pieces(stderr)
  local causes = stderr:match('^The [%w.]+ "[^"]*" is invalid: ?(.*)$')
  if not causes then
    local text = stderr:gsub("^Error from server %(%w+%): ", ""):gsub("^Error from server: ", ""):gsub("^error: ", "")
    return { (text:gsub("\nPlease review.*$", ""):gsub("%s+$", "")) }
  end
  local found = {}
  for line in causes:gmatch("[^\n]+") do
    found[#found + 1] = line:gsub("^%s*%* ", ""):gsub("^<nil>: ", "")
  end
  return found
end

describe("a manifest is refused with the server's reason:", function()
  local ns

  setup(function() ns = cluster.namespace() end)

  for _, case in ipairs(refused) do
    it(case[1], function()
      if case.needs then
        cluster.kubectl({ "apply", "--server-side", "-f", "-" }, read(case.needs))
        cluster.kubectl({ "wait", "--for=condition=Established", "-f", "-", "--timeout=30s" }, read(case.needs))
      end
      if case.before then
        cluster.kubectl({ "apply", "--server-side", "--field-manager=" .. (case.before_by or "moonsail"), "-n", ns,
          "-f", "-" }, case.before)
      end
      local words = { "apply", "--server-side", "--field-manager=moonsail", "-f", "-" }
      if not case.wide then table.move({ "-n", ns }, 1, 2, #words + 1, words) end
      -- The oldest server leaves the check of fields to kubectl; here it is the server that is asked.
      if cluster.old then words[#words + 1] = "--validate=false" end
      local theirs = cluster.try_kubectl(words, case[2], case.as)
      assert.equal(1, theirs.code)
      local ours = cluster.cli({ "apply", "-f", "-", "-n", ns, "--json", case.wide and "--cluster-wide" or nil }, {
        stdin = case[2], env = { KUBECONFIG = cluster.kubeconfig(case.as) },
      })
      assert.not_equal(0, ours.code)
      local complete
      for line in ours.stdout:gmatch("[^\n]+") do complete = support.json.decode(line) end
      local wanted = pieces(theirs.stderr)
      assert.is_true(#wanted > 0)
      for _, piece in ipairs(wanted) do assert.matches(piece, complete.error, 1, true) end
      assert.equal(complete.error, complete.summary.documents[1].message)
    end)
  end
end)
