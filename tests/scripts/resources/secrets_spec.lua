local testing = require "moonsail.testing"

describe("secrets", function()
  local secrets = testing.resource "secrets"

  local function secret(fields)
    fields.apiVersion, fields.kind, fields.metadata = "v1", "Secret", { name = "db" }
    return fields
  end

  it("keep what stringData says in data, so that a dropped key goes away", function()
    local t = testing.new()
    t:apply(secrets, secret { stringData = { user = "ann", password = "geheim" } })
    assert.same({ user = "YW5u", password = "Z2VoZWlt" }, t:get(secret {}).data)
    assert.equal("configured", t:apply(secrets, secret { stringData = { user = "ann" } }))
    assert.same({ user = "YW5u" }, t:get(secret {}).data)
  end)

  it("are refused by key where a value is no string", function()
    local t = testing.new()
    assert.equal("stringData.port must be a string", testing.failure(function()
      t:apply(secrets, secret { stringData = { port = 5432 } })
    end))
    assert.same({}, t.calls)
  end)

  it("do not say a value that the API server quotes in its refusal", function()
    local t = testing.new()
    t:fail("apply", nil, { status = 400, reason = "BadRequest", message = 'illegal base64 data "not-base64" at 3' })
    local why = testing.failure(function() t:apply(secrets, secret { data = { key = "not-base64" } }) end)
    assert.equal('illegal base64 data "[REDACTED]" at 3', why)
  end)

  it("do not say it in the fields that the refusal names either", function()
    local t = testing.new()
    t:fail("apply", nil, { status = 422, reason = "Invalid", message = "Secret is invalid",
      details = { causes = { { field = "data.key", message = 'Invalid value: "not-base64": bad' } } } })
    local _, err = pcall(t.apply, t, secrets, secret { data = { key = "not-base64" } })
    assert.equal('Invalid value: "[REDACTED]": bad', err.details.causes[1].message)
  end)

  it("do not show values in a conflict", function()
    local t = testing.new { objects = { secret { type = "Opaque", data = { password = "YQ==" } } } }
    local live = t:get(secret {})
    live.metadata.managedFields = { { manager = "helm", operation = "Update", apiVersion = "v1", fieldsType = "FieldsV1",
      fieldsV1 = { ["f:data"] = { ["f:password"] = {} } }, time = "2025-12-31T00:00:00Z" } }
    t:put(live)
    local why = testing.failure(function() t:apply(secrets, secret { data = { password = "Yg==" } }) end)
    assert.matches("conflict with \"helm\"", why, 1, true)
    assert.same({ { field = "data.password", manager = "helm", live = "[REDACTED]", since = "2025-12-31T00:00:00Z" } },
      t.conflicts)
  end)
end)
