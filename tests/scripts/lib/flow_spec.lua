-- What every flow can rely on, whatever it does.
local testing = require "moonsail.testing"

local target = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "a" } }

-- Runs a body as a flow on a ConfigMap that is there.
local function run(body, options)
  options = options or {}
  options.objects = { target }
  local t = testing.new(options)
  local summary
  local why = testing.failure(function()
    summary = t:flow({ name = "x", run = body, input = options.schema }, options.input, target)
  end)
  return t, why, summary
end

describe("a flow", function()
  it("knows its target and says its summary", function()
    local _, why, summary = run(function(ctx) return { summary = "done with " .. ctx.target.text } end)
    assert.is_nil(why)
    assert.equal("done with configmap/a", summary)
  end)

  it("runs what it deferred, the last one first, however it ends", function()
    for _, fails in ipairs { true, false } do
      local t, why = run(function(ctx)
        ctx:defer(function() ctx:line("first") end)
        ctx:defer(function() ctx:line("second") end)
        if fails then ctx:fail("no") end
      end)
      assert.same({ "second", "first" }, t.lines)
      assert.equal(fails and "no" or nil, why)
    end
  end)

  it("fails where a deferred function does, and still runs the others", function()
    local t, why = run(function(ctx)
      ctx:defer(function() ctx:line("undone") end)
      ctx:defer(function() error("oops", 0) end)
    end)
    assert.same({ "undone" }, t.lines)
    assert.same({ "what was deferred to the end failed: oops" }, t.warnings)
    assert.equal("what was deferred to the end failed", why)
  end)

  it("waits for its tasks and fails with the first error of one", function()
    local t, why = run(function(ctx)
      for i = 1, 3 do
        ctx:spawn(function()
          ctx:line("task %d", i)
          if i > 1 then ctx:fail("task %d failed", i) end
        end)
      end
    end)
    assert.same({ "task 1", "task 2", "task 3" }, t.lines)
    assert.equal("task 2 failed", why)
  end)

  it("runs commands as the host allows, and in a dry-run only those that read", function()
    local commands = { helm = function(args) return 3, "helm " .. args[1] end }
    local function body(ctx)
      local code, output = ctx:exec("helm", { "list" }, { capture = true, dry_run_safe = true })
      ctx:line("%d %s", code, output)
      ctx:exec("helm", { "upgrade" })
    end
    local t, why = run(body, { commands = commands })
    assert.same({ "helm list", "3 helm list", "helm upgrade" }, t.lines)
    assert.is_nil(why)
    t, why = run(body, { commands = commands, dry_run = true })
    assert.same({ "helm list", "3 helm list" }, t.lines)
    assert.matches("a dry-run runs no command", why, 1, true)
  end)

  it("brings a Pod's log line by line", function()
    local pod = { apiVersion = "v1", kind = "Pod", metadata = { name = "web-1" } }
    local t, why = run(function(ctx)
      ctx:create { apiVersion = "v1", kind = "Pod", metadata = { name = "web-1" },
        spec = { containers = { { name = "c", image = "nginx:1.27" } } } }
      ctx:logs(pod, { prefix = "web-1: " })
    end, { logs = { ["web-1"] = "one\ntwo\n" } })
    assert.is_nil(why)
    assert.same({ "web-1: one", "web-1: two" }, t.lines)
  end)

  it("has its inputs in their types, and refuses others", function()
    local schema = { n = { type = "integer", default = 3 }, how = { type = "string", enum = { "soft", "hard" }, required = true } }
    local function body(ctx, input) ctx:line("%d %s", input.n, input.how) end
    assert.same({ "3 soft" }, run(body, { schema = schema, input = { how = "soft" } }).lines)
    local _, why = run(body, { schema = schema })
    assert.equal("input how is missing", why)
    _, why = run(body, { schema = schema, input = { how = "soft", n = "many" } })
    assert.equal("input n must be of the type integer", why)
    _, why = run(body, { schema = schema, input = { how = "never" } })
    assert.equal("input how must be one of its enum", why)
    _, why = run(body, { schema = schema, input = { hwo = "soft" } })
    assert.equal('this flow has no input "hwo"', why)
  end)
end)
