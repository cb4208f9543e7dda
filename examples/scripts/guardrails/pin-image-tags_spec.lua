-- moonsail test examples/scripts
local testing = require "moonsail.testing"

describe("pin-image-tags", function()
  local pin = testing.guardrail "pin-image-tags"

  local function deployment(...)
    local containers = {}
    for i, image in ipairs { ... } do containers[i] = { name = "c" .. i, image = image } end
    return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" },
      spec = { template = { spec = { containers = containers } } } }
  end

  it("takes tags and digests", function()
    assert.same({}, testing.new():check(pin, deployment("nginx:1.27", "registry:5000/web:v2", "web@sha256:0a")))
  end)

  it("names each image without one", function()
    local verdicts = testing.new():check(pin, deployment("nginx:1.27", "nginx", "registry:5000/web", "web:latest"))
    assert.equal(3, #verdicts)
    assert.equal("deny", verdicts[1].level)
    assert.equal("spec.template.spec.containers[1].image", verdicts[1].field)
    assert.equal("pin the tag of registry:5000/web", verdicts[2].message)
  end)

  it("says nothing to a delete", function()
    assert.same({}, testing.new():check(pin, deployment "nginx", { action = "delete" }))
  end)
end)
