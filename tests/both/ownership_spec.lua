-- Whose field is whose, when somebody else has been at the object before.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local MANIFEST = [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME, labels: { keep: "1", drop: "2" } }
spec:
  replicas: 2
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec:
      containers:
      - { name: web, image: "example/web:1", env: [{ name: A, value: "1" }, { name: B, value: "2" }] }
      - { name: side, image: "example/side:1" }
]]

local function with(name, edit)
  local text = MANIFEST:gsub("NAME", name)
  return edit and edit(text) or text
end

local function without_lines(text)
  return (text:gsub(', drop: "2"', ""):gsub(', { name: B, value: "2" }', ""):gsub("\n      %- { name: side[^\n]*", ""))
end

describe("an object that kubectl apply had made", function()
  local ns

  setup(function() ns = cluster.namespace() end)

  local function apply(manifest, ...)
    return cluster.cli({ "apply", "-f", "-", "-n", ns, ... }, { stdin = manifest })
  end

  local function managers(name)
    local found = {}
    for _, entry in ipairs(cluster.get("deployment", name, ns).metadata.managedFields) do
      found[entry.manager .. " " .. entry.operation] = entry.fieldsV1
    end
    return found
  end

  it("loses the lines that the manifest no longer has", function()
    cluster.kubectl_apply(ns, with "lines")
    local result = apply(with("lines", without_lines))
    assert.equal(0, result.code)
    assert.matches("deployment.apps/lines: the fields of kubectl-client-side-apply are now managed by moonsail\n"
      .. "deployment.apps/lines configured\n", result.stdout, 1, true)
    local live = cluster.get("deployment", "lines", ns)
    assert.same({ keep = "1" }, live.metadata.labels)
    assert.equal(1, #live.spec.template.spec.containers)
    assert.same({ { name = "A", value = "1" } }, live.spec.template.spec.containers[1].env)
    local by = managers "lines"
    assert.is_table(by["moonsail Apply"]["f:spec"])
    assert.same({ ["f:metadata"] = { ["f:annotations"] = { ["f:kubectl.kubernetes.io/last-applied-configuration"] = {} } } },
      by["kubectl-client-side-apply Update"])
    assert.equal("deployment.apps/lines unchanged\n", apply(with("lines", without_lines)).stdout)
  end)

  it("is told about truly by a dry-run, which moves nothing", function()
    cluster.kubectl_apply(ns, with "dry")
    local before = managers "dry"
    local removed = apply(with("dry", without_lines), "--dry-run")
    assert.matches("deployment.apps/dry: ownership would move from kubectl-client-side-apply to moonsail\n"
      .. "deployment.apps/dry validated (dry-run, no changes persisted): would be configured\n", removed.stdout, 1, true)
    local changed = apply(with("dry", function(text) return (text:gsub("replicas: 2", "replicas: 4")) end), "--dry-run")
    assert.equal(0, changed.code)
    assert.matches("would be configured", changed.stdout, 1, true)
    local same = apply(with "dry", "--dry-run")
    assert.matches("no changes persisted): unchanged", same.stdout, 1, true)
    -- The controllers that roll it out come and go as they like; these two do not.
    local after = managers "dry"
    assert.same(before["kubectl-client-side-apply Update"], after["kubectl-client-side-apply Update"])
    assert.is_nil(after["moonsail Apply"])
  end)

  it("keeps what another server-side manager owns, and a conflict names it", function()
    apply(with "owned")
    cluster.patch("deployment", "owned", ns, { spec = { replicas = 7 } }, { type = "merge", sub = "scale" })
    cluster.patch("deployment", "owned", ns,
      '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"example/web:9"}]}}}}', { manager = "hand" })
    local result = apply(with "owned")
    assert.equal(1, result.code)
    assert.matches('"hand" using apps/v1', result.stderr, 1, true)
    assert.is_nil(result.stderr:find("traceback", 1, true))
    assert.equal("example/web:9", cluster.get("deployment", "owned", ns).spec.template.spec.containers[1].image)
    local dry = apply(with "owned", "--dry-run")
    assert.equal(1, dry.code)
    assert.matches('"hand" using apps/v1', dry.stderr, 1, true)
    local rows = {}
    for line in apply(with "owned", "--json").stdout:gmatch("[^\n]+") do
      local event = support.json.decode(line)
      if event.type == "complete" then rows = event.summary.documents[1].conflicts end
    end
    table.sort(rows, function(a, b) return a.field < b.field end)
    assert.equal("spec.replicas", rows[1].field)
    assert.equal("7", rows[1].live)
    assert.equal('spec.template.spec.containers[name="web"].image', rows[2].field)
    assert.same({ "hand", "example/web:9" }, { rows[2].manager, rows[2].live })
    assert.matches("^%d+%-%d+%-%d+T", rows[2].since)
    local planned = apply(with "owned", "--force", "--dry-run")
    assert.matches("deployment.apps/owned: would take spec.replicas from ", planned.stdout, 1, true)
    local forced = apply(with "owned", "--force")
    assert.matches('deployment.apps/owned: took spec.template.spec.containers[name="web"].image from hand\n', forced.stdout,
      1, true)
    assert.matches("deployment.apps/owned configured\n$", forced.stdout)
    local live = cluster.get("deployment", "owned", ns)
    assert.equal("example/web:1", live.spec.template.spec.containers[1].image)
    assert.equal(2, live.spec.replicas)
  end)

  it("made by kubectl edit is a conflict that names it", function()
    apply(with "edited")
    cluster.patch("deployment", "edited", ns, { spec = { replicas = 5 } }, { manager = "kubectl-edit" })
    local result = apply(with "edited")
    assert.equal(1, result.code)
    assert.matches('conflict with "kubectl-edit" using apps/v1: .spec.replicas', result.stderr, 1, true)
  end)
end)
