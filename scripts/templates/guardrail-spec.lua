-- Run by: moonsail test FOLDER
local testing = require "moonsail.testing"

describe("NAME", function()
  local script = testing.guardrail "NAME"

  local function deployment(labels)
    return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web", labels = labels } }
  end

  it("has nothing against an object with a team", function()
    assert.is_nil(testing.new():check(script, deployment { team = "shop" }))
  end)

  it("warns of one without", function()
    local verdict = testing.new():check(script, deployment())
    assert.equal("warn", verdict.verdict)
    assert.equal("metadata.labels", verdict.field)
    assert.equal("label web with its team", verdict.message)
  end)
end)
