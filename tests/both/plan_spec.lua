-- Whoever writes a manifest sees what it would do before anybody does it: where it is wrong, what it would change,
-- who stands against it. And nothing is done.

local cluster = require "tests.both.support"

-- What only a real cluster can show.
local only_real = cluster.real and it or function() end
local support = require "tests.spec.support"

local RULE = [[
return guardrail {
  name = "rule", level = "deny", help = "h", resources = { "configmaps" },
  check = function(_, obj)
    if obj.data and obj.data.k == "bad" then return deny("data.k", "not %s", obj.data.k) end
  end,
}
]]

-- A handler that does what it likes: in a plan none of it may be done.
local WRITES = [[
return resource {
  name = "leases", kind = "Lease", versions = { "coordination.k8s.io/v1" }, help = "Does everything to a ConfigMap.",
  apply = function(ctx, obj)
    local other = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "kept" }, data = { a = "2" } }
    ctx:patch(other, { data = { a = "patched" } })
    ctx:apply(other)
    for _, how in ipairs { "Background", "Foreground", "Orphan" } do ctx:delete(other, { propagation = how }) end
    other.metadata.name = "made"
    ctx:create(other)
    return ctx:apply(obj)
  end,
}
]]

local LEASE = "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: { name: turn }\nspec: { holderIdentity: ann }\n"

local function configmap(name, value)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: { k: %q }\n"):format(name, value)
end

local SERVICE = [[
apiVersion: v1
kind: Service
metadata: { name: wrong }
spec:
  selector: { app: a }
  ports:
    - name: http
      port: 80
    - name: more
      port: 99999
]]

local function indented(text, by)
  return (text:gsub("[^\n]+", (" "):rep(by) .. "%0"):gsub("^ +", ""))
end

describe("a plan", function()
  local host, ns

  lazy_setup(function()
    host = cluster.serve { args = { "--scripts", support.tree { ["guardrails/rule.lua"] = RULE, ["resources/leases.lua"] = WRITES } } }
  end)
  lazy_teardown(function() host:stop() end)
  before_each(function() ns = cluster.namespace() end)

  local function asked(yaml, more)
    local request = { intent = "apply-yaml", namespace = ns, yaml = yaml }
    for name, value in pairs(more or {}) do request[name] = value end
    return host:post("/api/plan", request)
  end

  local function plan(yaml, more)
    local answer = asked(yaml, more)
    assert.equal(200, answer.status, answer.text)
    return answer.json(), answer.text
  end

  local function outcomes(made)
    local words = {}
    for i, row in ipairs(made.documents) do words[i] = row.ref .. " " .. row.outcome end
    return table.concat(words, ", ")
  end

  it("says at which line and column the text is no manifest", function()
    local made = plan(configmap("a", "x") .. "---\n" .. configmap("b", "y") .. "data: {}\n")
    assert.same({}, made.documents)
    assert.equal("", made.error)
    assert.same({ { line = 10, column = 1, field = "", message = 'duplicate key "data" (first on line 9)' } }, made.errors)
  end)

  it("shows what would be created, changed and left as it is, and what it was before", function()
    cluster.create("configmap", ns, { metadata = { name = "old" }, data = { k = "1", other = "x" } }, "kubectl-client-side-apply")
    cluster.create("configmap", ns, { metadata = { name = "same" }, data = { k = "1" } }, "kubectl-client-side-apply")
    local made = plan(configmap("old", "2") .. "---\n" .. configmap("same", "1") .. "---\n" .. configmap("new", "3"))
    assert.equal("configmap/old configured, configmap/same unchanged, configmap/new created", outcomes(made))
    local old, same, new = table.unpack(made.documents)
    assert.matches("--- live\n+++ applied\n", old.diff, 1, true)
    assert.matches('\n-  k: "1"\n', old.diff, 1, true)
    assert.matches('\n+  k: "2"\n', old.diff, 1, true)
    assert.equal("", same.diff)
    assert.matches("\n+kind: ConfigMap\n", new.diff, 1, true)
    assert.is_nil(new.diff:find("\n-", 1, true))
    for _, moving in ipairs { "uid", "resourceVersion", "creationTimestamp", "managedFields" } do
      assert.is_nil((old.diff .. new.diff):find(moving, 1, true))
    end
    assert.same({ 1, 6, 11 }, { old.line, same.line, new.line })
    assert.equal("", made.error)
  end)

  it("shows what a delete and another number of replicas would take away", function()
    cluster.create("configmap", ns, { metadata = { name = "old" }, data = { k = "1" } })
    local gone = plan(configmap("old", "1"), { action = "delete" })
    assert.equal("configmap/old deleted", outcomes(gone))
    assert.matches('\n-  k: "1"', gone.documents[1].diff, 1, true)
    cluster.create("deployment", ns, { metadata = { name = "api" }, spec = { replicas = 1,
      selector = { matchLabels = { app = "a" } }, template = { metadata = { labels = { app = "a" } },
        spec = { containers = support.json.list { { name = "a", image = "a:1" } } } } } })
    local scaled = plan("apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: api }\n", { action = "scale", replicas = 3 })
    assert.matches("\n-  replicas: 1\n+  replicas: 3\n", scaled.documents[1].diff, 1, true)
    assert.equal(1, cluster.get("deployment", "api", ns).spec.replicas)
  end)

  it("points at the line of each field that would be refused, in any document, and inside a List", function()
    local yaml = configmap("a", "x") .. "---\n" .. configmap("b", "y") .. "---\n" .. SERVICE
      .. "---\napiVersion: v1\nkind: List\nitems:\n  - " .. indented(configmap("c", "z"), 4) .. "  - " .. indented(SERVICE, 4)
    local made = plan(yaml)
    assert.equal("configmap/a created, configmap/b created, service/wrong failed, configmap/c created, service/wrong failed",
      outcomes(made))
    local lines = {}
    for line in yaml:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
    for i, from in pairs { [3] = 1, [5] = 30 } do
      local found
      for _, err in ipairs(made.documents[i].errors) do
        if err.field == "spec.ports[1].port" then found = err end
      end
      assert.is_table(found, made.documents[i].message)
      assert.matches("port: 99999", lines[found.line], 1, true)
      assert.equal(lines[found.line]:find("port:", 1, true), found.column)
      assert.matches("Invalid value: 99999", found.message, 1, true)
      assert.is_true(found.line > from)
    end
    assert.same({}, made.documents[1].errors)
    assert.equal("", made.error)
  end)

  only_real("points at a field that the kind does not have", function() -- the demo cluster has no schemas
    local made = plan(configmap("a", "x") .. "---\n" .. SERVICE:gsub("99999", "8080") .. "      nodeport: 30000\n")
    local wrong = made.documents[2]
    assert.equal("failed", wrong.outcome)
    assert.equal("spec.ports[1].nodeport", (wrong.errors[1].field:gsub('%[port=8080.-%]', "[1]")), wrong.message)
    assert.equal(16, wrong.errors[1].line)
  end)

  it("names who owns a field that it would take, once", function()
    cluster.create("configmap", ns, { metadata = { name = "owned" }, data = { k = "1" } }, "somebody")
    local row = plan(configmap("owned", "2")).documents[1]
    assert.equal("failed", row.outcome)
    assert.equal(1, #row.conflicts)
    assert.same({ "data.k", "somebody", "1" }, { row.conflicts[1].field, row.conflicts[1].manager, row.conflicts[1].live })
    assert.same({}, row.errors)
    local forced = plan(configmap("owned", "2"), { force = true }).documents[1]
    assert.equal("configured", forced.outcome)
    assert.same({}, forced.conflicts)
  end)

  it("tells what a guardrail says to it", function()
    local made = plan(configmap("good", "fine") .. "---\n" .. configmap("evil", "bad"))
    assert.equal("configmap/good not-started, configmap/evil failed", outcomes(made))
    local verdict = made.documents[2].verdicts[1]
    assert.same({ "rule", "deny", "data.k", "not bad" }, { verdict.rule, verdict.level, verdict.field, verdict.message })
    assert.matches("guardrails/rule.lua$", verdict.file)
  end)

  it("never shows a Secret's value, but that it changes", function()
    local function secret(value, more)
      return ("apiVersion: v1\nkind: Secret\nmetadata: { name: login }\nstringData: { a: same-as-before, b: %s }\n%s")
        :format(value, more or "")
    end
    cluster.create("secret", ns, { metadata = { name = "login" },
      data = { a = "c2FtZS1hcy1iZWZvcmU=", b = "b2xkLWh1bnRlcg==" } }, "kubectl-client-side-apply")
    local made, text = plan(secret "new-hunter")
    assert.equal("secret/login configured", outcomes(made))
    assert.matches("\n   a: '[REDACTED]'\n-  b: '[REDACTED]'\n+  b: '[REDACTED (changed)]'\n", made.documents[1].diff, 1, true)
    for _, value in ipairs { "hunter", "b2xkLWh1bnRlcg", "bmV3LWh1bnRlcg", "same%-as", "c2FtZS1hcy1iZWZvcmU" } do
      assert.is_nil(text:find(value))
    end
    local _, refused = plan((secret("x"):gsub("stringData: .-\n", "data: { b: 'very-hunter!' }\n")))
    if cluster.real then assert.matches("illegal base64", refused, 1, true) end
    assert.is_nil(refused:find("very-hunter", 1, true))
  end)

  it("says of what the server cannot be asked yet that it is deferred", function()
    local made = plan("apiVersion: v1\nkind: Namespace\nmetadata: { name: " .. ns .. "-new }\n---\napiVersion: v1\n"
      .. "kind: ConfigMap\nmetadata: { name: a, namespace: " .. ns .. "-new }\n", { allowClusterWide = true })
    assert.equal("created", made.documents[1].outcome)
    assert.equal("deferred", made.documents[2].outcome)
    assert.matches("is in the same bundle and not there yet", made.documents[2].message, 1, true)
    assert.is_nil(cluster.get("namespace", ns .. "-new"))
  end)

  it("changes nothing, whatever a script does in it, and stands in no list", function()
    cluster.create("configmap", ns, { metadata = { name = "kept" }, data = { a = "1" } }, "kubectl-client-side-apply")
    local before = cluster.get("configmap", "kept", ns)
    for _, said in ipairs { {}, { dryRun = false, mode = "apply", wait = true }, { executionId = "mine" } } do
      local made = plan(LEASE, said)
      assert.equal("lease.coordination.k8s.io/turn created", outcomes(made), made.documents[1].message)
      assert.matches("holderIdentity: ann", made.documents[1].diff, 1, true)
    end
    local after = cluster.get("configmap", "kept", ns)
    assert.equal(before.metadata.resourceVersion, after.metadata.resourceVersion)
    assert.same({ a = "1" }, after.data)
    assert.is_nil(cluster.get("configmap", "made", ns))
    assert.is_nil(cluster.get("lease", "turn", ns))
    assert.same({}, host:get("/api/executions").json())
    assert.equal(404, host:get("/api/executions/logs?executionId=mine").status)
  end)

  it("is refused to whom the start would be refused, with the same sentence", function()
    local nowhere = asked(configmap("a", "x"), { namespace = "" })
    assert.equal(403, nowhere.status)
    assert.matches("namespace is required for Kubernetes-equivalent executions", nowhere.text, 1, true)
    assert.equal(400, asked("", nil).status)
    assert.equal(400, asked(nil, { intent = "", command = "true" }).status)
    local elsewhere = plan("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: other }\n")
    assert.matches("that needs allowClusterWide", elsewhere.documents[1].message, 1, true)
  end)

  it("of a cluster that is not there says why, and of which documents nothing is known", function()
    local made = plan(configmap("a", "x"), { context = "nowhere" })
    assert.matches("nowhere", made.error, 1, true)
    assert.equal("configmap/a not-started", outcomes(made))
  end)
end)
