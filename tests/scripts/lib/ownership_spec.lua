-- Whose field is whose, when an object is applied.
local testing = require "moonsail.testing"

local configmaps = testing.resource "configmaps"

local function map(data) return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "a" }, data = data } end

-- A cluster with a ConfigMap that such a manager made.
local function made_by(manager, data, options, operation)
  local t = testing.new(options)
  local fields = {}
  for key in pairs(data) do fields["f:" .. key] = {} end
  local obj = map(data)
  obj.metadata.managedFields = { { manager = manager, operation = operation or "Update", apiVersion = "v1", fieldsType = "FieldsV1",
    time = "2025-12-31T00:00:00Z", fieldsV1 = { ["f:data"] = fields } } }
  t:put(obj)
  return t
end

describe("an object that kubectl apply made", function()
  it("is ours from then on, so that a line that the manifest drops goes away", function()
    local t = made_by("kubectl-client-side-apply", { a = "1", b = "2" })
    assert.equal("configured", t:apply(configmaps, map { a = "1" }))
    assert.same({ a = "1" }, t:get(map()).data)
    assert.same({ "configmap/a: the fields of kubectl-client-side-apply are now managed by moonsail" }, t.lines)
  end)

  it("is looked at anew where somebody else writes meanwhile", function()
    local t = made_by("kubectl-client-side-apply", { a = "1" })
    t:fail("patch", map(), { status = 409, reason = "Conflict", message = "the object has been modified" }, 4)
    assert.equal("configured", t:apply(configmaps, map { a = "2" }))
    t = made_by("kubectl-client-side-apply", { a = "1" })
    t:fail("patch", map(), { status = 409, reason = "Conflict", message = "the object has been modified" }, 5)
    assert.equal("the object has been modified", testing.failure(function() t:apply(configmaps, map { a = "2" }) end))
  end)

  it("is left alone by a dry-run, which says what would move and what would go", function()
    local t = made_by("kubectl-client-side-apply", { a = "1", b = "2" }, { dry_run = true })
    assert.equal("configured", t:apply(configmaps, map { a = "1" }))
    assert.same({ "configmap/a: ownership would move from kubectl-client-side-apply to moonsail" }, t.lines)
    assert.same({ a = "1", b = "2" }, t:get(map()).data)
  end)

  it("is told as a conflict by a dry-run, as by an apply, where its maker has applied it himself", function()
    for _, dry_run in ipairs { true, false } do
      local t = made_by("helm", { a = "1" }, { dry_run = dry_run, request = { takeOver = { "helm" } } }, "Apply")
      assert.matches('conflict with "helm"', testing.failure(function()
        t:apply(configmaps, map { a = "2" })
      end), 1, true)
    end
  end)

  it("stays its maker's where the request takes over from nobody", function()
    local t = made_by("kubectl-client-side-apply", { a = "1" }, { request = { takeOver = {} } })
    assert.matches('conflict with "kubectl-client-side-apply"', testing.failure(function()
      t:apply(configmaps, map { a = "2" })
    end), 1, true)
  end)
end)

describe("a field that somebody else owns", function()
  it("is a conflict with owner, value and time, and nothing changes", function()
    local t = made_by("helm", { a = "1" })
    assert.matches('Apply failed with 1 conflict: conflict with "helm"', testing.failure(function()
      t:apply(configmaps, map { a = "2" })
    end), 1, true)
    assert.same({ { field = "data.a", manager = "helm", live = "1", since = "2025-12-31T00:00:00Z" } }, t.conflicts)
    assert.same({ a = "1" }, t:get(map()).data)
  end)

  it("is taken by force, and it is said from whom", function()
    local t = made_by("helm", { a = "1" }, { request = { force = true } })
    assert.equal("configured", t:apply(configmaps, map { a = "2" }))
    assert.same({ "configmap/a: took data.a from helm" }, t.lines)
    assert.same({ a = "2" }, t:get(map()).data)
  end)

  it("is no conflict where the value is the same", function()
    local t = made_by("helm", { a = "1" })
    assert.equal("unchanged", t:apply(configmaps, map { a = "1" }))
  end)
end)

describe("who may only update", function()
  it("cannot bring back what was deleted: the uid goes along", function()
    local t = testing.new { objects = { map { a = "1" } }, may = { create = false } }
    assert.equal("configured", t:apply(configmaps, map { b = "2" }))
    assert.equal(t:get(map()).metadata.uid, t.calls[#t.calls].body.metadata.uid)
    t:remove(map())
    assert.is_string(testing.failure(function() t:apply(configmaps, map { b = "2" }) end))
    assert.is_nil(t:get(map()))
  end)
end)

describe("what belongs to the server", function()
  it("is not sent, and a line says so", function()
    local t = testing.new()
    local obj = map { a = "1" }
    obj.status, obj.metadata.managedFields = { phase = "x" }, {}
    t:apply(configmaps, obj)
    assert.same({ "configmap/a: status and metadata.managedFields of the manifest is not sent, it belongs to the server" },
      t.lines)
    assert.is_nil(t.calls[#t.calls].body.status)
  end)
end)
