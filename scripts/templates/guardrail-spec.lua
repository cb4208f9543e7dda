-- Run by: moonsail test FOLDER
local testing = require "moonsail.testing"

describe("NAME", function()
  local script = testing.guardrail "NAME"

  local function deployment(labels)
    return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web", labels = labels } }
  end

  it("has nothing against an object with a team", function()
    assert.same({}, testing.new():check(script, deployment { team = "shop" }))
  end)

  it("warns of one without", function()
    local verdicts = testing.new():check(script, deployment())
    assert.equal("warn", verdicts[1].level)
    assert.equal("metadata.labels", verdicts[1].field)
    assert.equal("label web with its team", verdicts[1].message)
  end)
end)
