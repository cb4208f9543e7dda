-- A dry-run of an object whose Namespace is in the same bundle: what is asked of the server instead, and of whom not.
local testing = require "moonsail.testing"

local deferred = testing.lib "deferred"

local function log() return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "log", namespace = "new" } } end

-- The outcome and why; `elsewhere` is what the create in another namespace is refused with.
local function tried(options, elsewhere)
  options.dry_run = true
  local t = testing.new(options)
  t:fail("apply", nil, { status = 404, reason = "NotFound", message = 'namespaces "new" not found' })
  if elsewhere then t:fail("create", nil, elsewhere) end
  local _, outcome, why = deferred.apply(t.ctx, { space = "namespace/new" }, log(), function(ctx, obj)
    return ctx:send_apply(obj)
  end)
  return outcome, why, t
end

describe("a dry-run of what needs a Namespace of its bundle", function()
  it("is a create in the namespace default, and makes nothing", function()
    local outcome, why, t = tried {}
    assert.equal("deferred", outcome)
    assert.equal("namespace/new is in the same bundle and not there yet; checked by a dry-run in namespace default", why)
    local last = t.calls[#t.calls]
    assert.same({ "create", "default" }, { last.verb, last.namespace })
    assert.is_nil(t:get { apiVersion = "v1", kind = "ConfigMap", name = "log", namespace = "default" })
  end)

  it("asks nothing more for whom may not create", function()
    local outcome, why, t = tried { may = { create = false } }
    assert.equal("deferred", outcome)
    assert.matches("only its fields were checked$", why)
    for _, call in ipairs(t.calls) do assert.not_equal("create", call.verb) end
  end)

  it("fails with what the server says of the object", function()
    local why = testing.failure(function() tried({}, { status = 422, reason = "Invalid", message = "data: no good" }) end)
    assert.matches("^data: no good %(by a dry%-run in namespace default: namespace/new is not there yet%)$", why)
  end)

  it("holds nothing against it that is said of the other namespace", function()
    for _, refusal in ipairs {
      { status = 403, reason = "Forbidden", message = "exceeded quota" },
      { status = 422, reason = "Invalid", message = "ValidatingAdmissionPolicy 'p' denied request: not here" },
      { status = 503, reason = "ServiceUnavailable", message = "later" },
    } do
      local outcome, why = tried({}, refusal)
      assert.equal("deferred", outcome)
      assert.matches("only its fields were checked$", why)
    end
    assert.matches("checked by a dry-run", select(2, tried({}, { status = 409, reason = "AlreadyExists" })), 1, true)
  end)
end)
