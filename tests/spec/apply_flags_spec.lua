-- What `moonsail apply` asks of the host, and which flags do not go together.

local support = require "tests.spec.support"

local MANIFEST = support.tree { ["a.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n" } .. "/a.yaml"

local function usage(...)
  local said = support.cli { "apply", "-f", MANIFEST, ... }
  assert.equal(2, said.code)
  return said.stderr
end

describe("apply", function()
  it("refuses flags that contradict each other", function()
    assert.matches("--timeout goes with --wait", usage("--timeout", "30"), 1, true)
    assert.matches("--delete goes neither with --recreate nor with --force", usage("--delete", "--recreate"), 1, true)
    assert.matches("--delete goes neither with --recreate nor with --force", usage("--delete", "--force"), 1, true)
  end)

  it("refuses a timeout that is no time", function()
    for _, bad in ipairs { "soon", "0", "-5", "5d", "3m5s", "8d", "700000", "99999999999999999999" } do
      assert.matches("--timeout " .. bad .. ": a number of seconds", usage("--wait", "--timeout=" .. bad), 1, true)
    end
  end)
end)
