-- What the README and examples/ show works as it stands there.

local support = require "tests.spec.support"

local here = assert(io.popen "pwd"):read "l"

describe("the examples", function()
  local host

  lazy_setup(function()
    host = support.serve { demo = true, args = { "--scripts", here .. "/examples/scripts" } }
  end)
  lazy_teardown(function() host:stop() end)

  local function apply(file, ...)
    return support.cli({ "apply", "-f", file, ... }, { home = host.process.home, cwd = here })
  end

  it("create a guestbook, and find it unchanged", function()
    local first = apply "examples/guestbook.yaml"
    assert.equal(0, first.code, first.stderr)
    assert.equal("configmap/guestbook created\nservice/guestbook created\ndeployment.apps/guestbook created\n",
      first.stdout)
    assert.matches("succeeded in [%d.]+ s: 3 unchanged", apply("examples/guestbook.yaml").stderr)
  end)

  it("create a bundle with its own Namespace and CRD", function()
    local refused = apply "examples/bundle.yaml"
    assert.equal(3, refused.code)
    assert.matches("allowClusterWide", refused.stderr, 1, true)
    local result = apply("examples/bundle.yaml", "--cluster-wide")
    assert.equal(0, result.code, result.stderr)
    assert.matches("^namespace/%S+ created\ncustomresourcedefinition.apiextensions.k8s.io/%S+ created\n", result.stdout)
  end)

  it("apply a roll-out that then fails", function()
    local result = apply "examples/rollout-fails.yaml"
    assert.equal(0, result.code, result.stderr)
  end)

  it("drop in a resource that is checked, listed and in force", function()
    local checked = support.cli({ "check", here .. "/examples/scripts" })
    assert.equal(0, checked.code, checked.stderr)
    assert.matches('"name":"leases"', host:get("/api/resources").text, 1, true)
    local lease = "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: { name: turn }\nspec: { holderIdentity: %s }\n"
    local function hold(who)
      return support.cli({ "apply", "-f", "-" }, { home = host.process.home, stdin = lease:format(who) })
    end
    assert.equal("lease.coordination.k8s.io/turn created\n", hold("me").stdout)
    local refused = hold "root"
    assert.equal(1, refused.code)
    assert.matches("lease.coordination.k8s.io/turn failed: root may not hold a lease", refused.stderr, 1, true)
  end)
end)
