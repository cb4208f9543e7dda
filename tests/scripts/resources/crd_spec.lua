local testing = require "moonsail.testing"

describe("customresourcedefinitions", function()
  local crds = testing.resource "customresourcedefinitions"
  local crd = { apiVersion = "apiextensions.k8s.io/v1", kind = "CustomResourceDefinition",
    metadata = { name = "gears.example.com" },
    spec = { group = "example.com", scope = "Namespaced", names = { plural = "gears", kind = "Gear" },
      versions = { { name = "v1", served = true, storage = true, schema = { openAPIV3Schema = { type = "object" } } } } } }

  -- A cluster where the CRD has these conditions from the first look on.
  local function with(conditions, on_sleep)
    local t = testing.new { on_sleep = on_sleep }
    t:apply(crds, crd)
    local live = t:get(crd)
    live.status.conditions = conditions
    t:put(live)
    return t
  end
  local ESTABLISHED = { { type = "Established", status = "True" } }

  it("are waited for until their kind is served", function()
    local t = with(testing.null, function(t, slept)
      if slept < 1 then return end
      local live = t:get(crd)
      live.status.conditions = ESTABLISHED
      t:put(live)
    end)
    assert.equal("unchanged", t:apply(crds, crd))
    assert.is_true(t.slept >= 1 and t.slept < 2)
  end)

  it("fail with the reason where their names are taken", function()
    local t = with { { type = "NamesAccepted", status = "False", message = '"Gear" is in use' } }
    assert.equal('its names are not accepted: "Gear" is in use', testing.failure(function() t:apply(crds, crd) end))
  end)

  it("are given up after 30 seconds", function()
    local t = with(testing.null)
    assert.equal("its kind is not served after 30 seconds", testing.failure(function() t:apply(crds, crd) end))
    assert.is_true(math.abs(t.slept - 30) < 0.01)
  end)

  it("are not waited for where somebody deletes them", function()
    local t = with(testing.null, function(t) t:remove(crd) end)
    assert.equal("it was deleted while its kind was waited for", testing.failure(function() t:apply(crds, crd) end))
  end)
end)
