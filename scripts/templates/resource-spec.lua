-- Run by: moonsail test FOLDER
local testing = require "moonsail.testing"

describe("NAME", function()
  local script = testing.resource "NAME"

  local function object(spec)
    return { apiVersion = "example.com/v1", kind = "KIND", metadata = { name = "one" }, spec = spec }
  end

  it("is created, and unchanged the second time", function()
    local t = testing.new()
    assert.equal("created", t:apply(script, object { size = 3 }))
    assert.equal("unchanged", t:apply(script, object { size = 3 }))
    assert.equal(3, t:get(object()).spec.size)
  end)

  it("has a size where the manifest says none", function()
    local t = testing.new()
    t:apply(script, object())
    assert.equal(1, t:get(object()).spec.size)
  end)

  it("is refused with a sentence", function()
    local t = testing.new()
    assert.equal("spec.size must be a number", testing.failure(function()
      t:apply(script, object { size = "large" })
    end))
    assert.is_nil(t:get(object()))
  end)
end)
