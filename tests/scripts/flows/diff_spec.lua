local testing = require "moonsail.testing"

describe("diff", function()
  local diff = testing.flow "diff"

  local function configmap(name, data, applied)
    return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = name, namespace = "default",
      annotations = applied and { ["kubectl.kubernetes.io/last-applied-configuration"] = applied } or nil }, data = data }
  end

  local NOTE = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default","annotations":{}},'
    .. '"data":{"k":"1"}}'

  it("shows what was changed since kubectl applied it, and nothing of what others added", function()
    local t = testing.new { objects = { configmap("a", { k = "2", more = "x" }, NOTE) } }
    t:flow(diff, {}, configmap "a")
    assert.same({ "--- what kubectl applied last\n+++ configmap/a", "-data.k: 1", "+data.k: 2" }, t.lines)
  end)

  it("says where nothing was", function()
    local t = testing.new { objects = { configmap("a", { k = "1", more = "x" }, NOTE) } }
    t:flow(diff, {}, configmap "a")
    assert.same({ "configmap/a is the same as what kubectl applied last" }, t.lines)
  end)

  it("holds one object against another", function()
    local t = testing.new { objects = { configmap("a", { k = "1" }), configmap("b", { k = "1", l = "2" }) } }
    t:flow(diff, { with = "b" }, configmap "a")
    assert.same({ "--- configmap/a\n+++ b", "-metadata.name: a", "+data.l: 2", "+metadata.name: b" }, t.lines)
    assert.equal("configmap/c is not there", testing.failure(function() t:flow(diff, { with = "c" }, configmap "a") end))
  end)

  it("tells apart a Secret's values and shows none", function()
    local function secret(name, data)
      return { apiVersion = "v1", kind = "Secret", metadata = { name = name, namespace = "default" }, data = data }
    end
    local t = testing.new { objects = { secret("a", { k = "MQ==", l = "MQ==" }), secret("b", { k = "MQ==", l = "Mg==" }) } }
    t:flow(diff, { with = "b" }, secret "a")
    assert.same({ "--- secret/a\n+++ b", "-data.l: [REDACTED]", "-metadata.name: a", "+data.l: [REDACTED (changed)]",
      "+metadata.name: b" }, t.lines)
  end)

  it("of an object that kubectl has not applied says what else can be asked", function()
    local t = testing.new { objects = { configmap("a", {}) } }
    assert.matches("kubectl apply has left no note at configmap/a", testing.failure(function() t:flow(diff, {}, configmap "a") end))
  end)
end)
