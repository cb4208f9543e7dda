-- moonsail test examples/scripts
local testing = require "moonsail.testing"

describe("leases", function()
  local leases = testing.resource "leases"

  local function lease(who)
    return { apiVersion = "coordination.k8s.io/v1", kind = "Lease", metadata = { name = "turn" },
      spec = { holderIdentity = who } }
  end

  it("change hands, but not to root", function()
    local t = testing.new { objects = { lease "ann" } }
    assert.equal("configured", t:apply(leases, lease "bob"))
    assert.equal("root may not hold a lease", testing.failure(function() t:apply(leases, lease "root") end))
    assert.equal("bob", t:get(lease()).spec.holderIdentity)
  end)
end)
