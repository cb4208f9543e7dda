-- Somebody wants to know what has become of an object since it was applied, or what sets it apart from another.

local cluster = require "tests.both.support"

local NOTE = [[{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api","annotations":{}},"spec":{"replicas":3,
"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"a",
"image":"a:1","ports":[{"containerPort":80}]}]}}}}]]

local function deployment(name, replicas, note)
  return ([[
apiVersion: apps/v1
kind: Deployment
metadata: { name: %s, annotations: { kubectl.kubernetes.io/last-applied-configuration: %q } }
spec:
  replicas: %d
  selector: { matchLabels: { app: a } }
  template:
    metadata: { labels: { app: a } }
    spec: { containers: [ { name: a, image: "a:1", ports: [ { containerPort: 80 } ] } ] }
]]):format(name, note or "", replicas)
end

describe("the flow diff", function()
  local ns

  setup(function() ns = cluster.namespace() end)

  local function diff(target, ...)
    return cluster.cli { "flow", "diff", target, "-n", ns, ... }
  end

  it("shows only what was changed since kubectl applied it", function()
    local note = NOTE:gsub("\n", "")
    cluster.create("deployment", ns, deployment("api", 3, note))
    local same = diff "deployments/api"
    assert.equal("deployment.apps/api is the same as what kubectl applied last\n", same.stdout, same.stderr)
    cluster.patch("deployment", "api", ns, { spec = { replicas = 5 } })
    local changed = diff "deployments/api"
    assert.equal(0, changed.code, changed.stderr)
    assert.matches("^%-%-%- what kubectl applied last\n%+%+%+ deployment.apps/api\n@@", changed.stdout)
    local signs = {}
    for line in changed.stdout:gmatch("\n([-+]  [^\n]*)") do signs[#signs + 1] = line end
    assert.same({ "-  replicas: 3", "+  replicas: 5" }, signs)
  end)

  it("holds two objects of a kind against each other", function()
    cluster.create("configmap", ns, { metadata = { name = "blue" }, data = { colour = "blue", size = "1" } })
    cluster.create("configmap", ns, { metadata = { name = "green" }, data = { colour = "green", size = "1" } })
    local result = diff("configmaps/blue", "-i", "with=green")
    assert.equal(0, result.code, result.stderr)
    assert.matches("\n-  colour: blue\n+  colour: green\n", result.stdout, 1, true)
    assert.is_nil(result.stdout:find("[-+]  size"))
    assert.equal(1, diff("configmaps/blue", "-i", "with=red").code)
    local nothing = diff "configmaps/blue"
    assert.matches("kubectl apply has left no note at configmap/blue", nothing.stderr, 1, true)
  end)
end)
