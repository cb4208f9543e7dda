-- moonsail test examples/scripts
local testing = require "moonsail.testing"

describe("pause-rollout", function()
  local pause = testing.flow "pause-rollout"
  local web = {
    apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" },
    spec = {
      selector = { matchLabels = { app = "web" } },
      template = {
        metadata = { labels = { app = "web" } },
        spec = { containers = { { name = "web", image = "web:1" } } },
      },
    },
  }

  it("holds a roll-out and lets it go on", function()
    local t = testing.new { objects = { web } }
    t:flow(pause, {}, web)
    assert.is_true(t:get(web).spec.paused)
    t:flow(pause, { paused = false }, web)
    assert.same({ "deployment.apps/web paused", "deployment.apps/web resumed" }, t.lines)
    assert.equal(2, t.counts.configured)
  end)
end)
