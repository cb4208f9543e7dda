-- The logs of a workload, as they are. (Followed ones need time that passes: tests/both.)
local testing = require "moonsail.testing"

local logs = testing.flow "logs"
local web = { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" },
  spec = { selector = { matchLabels = { app = "web" } } } }

local function pod(name, app)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = app or "web" } },
    spec = { containers = { { name = "c", image = "web:1" } } }, status = { phase = "Running" } }
end

describe("logs", function()
  it("are those of the workload's own Pods, each line with its Pod where there are several", function()
    local t = testing.new { objects = { web, pod "web-1", pod "web-2", pod("db", "db") },
      logs = { ["web-1"] = "one\ntwo\n", ["web-2"] = "three" } }
    t:flow(logs, {}, web)
    assert.same({ "[web-1/c] one", "[web-1/c] two", "[web-2/c] three" }, t.lines)
  end)

  it("are not held back by one that cannot be read", function()
    local t = testing.new { objects = { web, pod "web-1", pod "web-2" }, logs = { ["web-2"] = "three" } }
    t:fail("get", pod "web-1", { status = 500, reason = "InternalError", message = "the kubelet is away" })
    t:flow(logs, {}, web)
    assert.same({ "web-1/c: the kubelet is away" }, t.warnings)
    assert.same({ "[web-2/c] three" }, t.lines)
  end)

  it("name the containers where the wanted one is not", function()
    local t = testing.new { objects = { web, pod "web-1" } }
    assert.equal("deployment.apps/web has no container d; it has: c",
      testing.failure(function() t:flow(logs, { container = "d" }, web) end))
  end)
end)
