-- Run by: moonsail test FOLDER
local testing = require "moonsail.testing"

describe("NAME", function()
  local script = testing.flow "NAME"
  local web = {
    apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" },
    spec = {
      selector = { matchLabels = { app = "web" } },
      template = {
        metadata = { labels = { app = "web" } },
        spec = { containers = { { name = "web", image = "nginx:1.27" } } },
      },
    },
  }

  it("annotates its target and says so", function()
    local t = testing.new { objects = { web } }
    t:flow(script, { note = "mine" }, web)
    assert.equal("mine", t:get(web).metadata.annotations["example.com/note"])
    assert.same({ "deployment.apps/web says: mine" }, t.lines)
  end)

  it("ends with the API server's own words where that refuses", function()
    local t = testing.new { objects = { web } }
    t:fail("patch", web, { status = 403, reason = "Forbidden", message = "not today" })
    assert.equal("not today", testing.failure(function() t:flow(script, {}, web) end))
  end)
end)
