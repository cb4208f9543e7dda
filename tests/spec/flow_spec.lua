--- Flows: what a platform team drops into a folder and people then run on an object.

local support = require "tests.spec.support"
local events, json = support.events, support.json

local here = assert(io.popen "pwd"):read "l"

local manifest = [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: default }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [ { name: web, image: "nginx:1.25" } ] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: notes, namespace: default }
data: { a: "1" }
]]

local function flow(name, body, more)
  return ('return flow { name = "%s", label = "%s", action = "update", help = "Of a spec.", resources = { "configmaps" }, %s\n'
    .. "run = function(ctx, input)\n%s\nend }\n"):format(name, name, more or "", body)
end

local scripts = {
  ["flows/speaks.lua"] = flow("speaks", [[
    ctx:line("%s by %s", ctx.target.text, ctx.user.name ~= "" and "somebody")
    ctx:line("%s %s %s %s", input.count, input.word, tostring(input.on), #input.names)
    return { summary = "that was all" }]], [[input = {
      count = { type = "integer", required = true, help = "how many" }, word = { type = "string", enum = { "a", "b" }, default = "a" },
      on = { type = "boolean", default = false }, names = { type = "list", default = {} } },]]),
  ["flows/fails.lua"] = flow("fails", "local missing\nreturn missing.field"),
  ["flows/loops.lua"] = flow("loops", "while true do end"),
  ["flows/forks.lua"] = flow("forks", [[
    local running, most = 0, 0
    for i = 1, 5 do
      ctx:spawn(function()
        running = running + 1
        most = math.max(most, running)
        ctx:sleep(0.05)
        running = running - 1
      end)
    end
    ctx:all()
    ctx:line("%d at once, %d left", most, running)]]),
  ["flows/forks-badly.lua"] = flow("forks-badly", [[
    ctx:spawn(function() ctx:fail("the first failed") end)
    ctx:spawn(function() ctx:sleep(0.05) ctx:line("the other ran to its end") end)]]),
  ["flows/too-many.lua"] = flow("too-many", "for _ = 1, 65 do ctx:spawn(function() ctx:sleep(1) end) end"),
  ["flows/defers.lua"] = flow("defers", [[
    ctx:defer(function() ctx:line("deferred first, runs last") end)
    ctx:defer(function() error("a deferred one fails") end)
    ctx:defer(function() ctx:sleep(0.01) ctx:line("deferred last, runs first") end)
    ctx:line("ready")
    if input.how == "fail" then ctx:fail("as asked") end
    if input.how == "wait" then ctx:sleep(600) end]], [[input = { how = { type = "string", default = "end" } },]]),
  ["flows/writes-then-waits.lua"] = flow("writes-then-waits", [[
    ctx:patch(ctx.target, { data = { b = "2" } })
    ctx:changed("configured")
    ctx:line("ready")
    ctx:sleep(600)]]),
  ["flows/runs.lua"] = flow("runs", [[
    local code, out = ctx:exec("cat", {}, { stdin = "from a flow\n", capture = true, dry_run_safe = input.reads })
    ctx:line("code %d, %d bytes", code, #out)
    ctx:line("code %d", ctx:exec("sh", { "-c", "echo to stderr >&2; exit 3" }))
    local _, err = ctx:try(function() return ctx:exec("no-such-command") end)
    ctx:line(err.message)
    local _, late = ctx:try(function() return ctx:exec("sleep", { "600" }, { timeout = 0.1 }) end)
    ctx:line(late.code)]], [[input = { reads = { type = "boolean", default = false } },]]),
  ["flows/runs-long.lua"] = flow("runs-long", [[ctx:exec("sh", { "-c", "trap 'echo asked to end; exit' TERM; echo $$; sleep 600 & wait" })]]),
}

describe("a flow", function()
  local host, dir

  lazy_setup(function()
    dir = support.tree(scripts)
    host = support.serve { demo = true, args = { "--scripts", dir, "--scripts", here .. "/examples/scripts" } }
    local made = support.cli({ "apply", "-f", "-" }, { home = host.process.home, stdin = manifest })
    assert.equal(0, made.code, made.stderr)
  end)
  lazy_teardown(function() host:stop() end)

  local function request(name, more)
    local asked = { intent = name, resource = "configmap", namespace = "default", name = "notes" }
    for key, value in pairs(more or {}) do asked[key] = value end
    return asked
  end

  local function ends(name, more)
    local all = host:events_of(request(name, more))
    local complete = events.complete(all)
    return events.lines(all, "stdout"), complete, events.lines(all, "stderr"), all
  end

  local function refused(name, more)
    local answer = host:post("/api/executions", json.encode(request(name, more)))
    assert.equal(400, answer.status, answer.text)
    return json.decode(answer.text).error.message
  end

  local function cancelled(name, more)
    local run = host:start(request(name, more))
    local first = run:read_until(function(e) return e.type == "line" and (e.text == "ready" or tonumber(e.text)) end)
    run:cancel()
    local rest = run:to_end()
    return events.lines(rest, "stdout"), events.complete(rest), events.lines(rest, "stderr"), first
  end

  it("runs with its input, on the object that was named", function()
    local said, complete, _, all = ends("speaks", { input = { count = "3", on = "true", names = "x,y" } })
    assert.same({ "configmap/notes by somebody", "3 a true 2", "that was all" }, said)
    assert.equal("succeeded", complete.outcome)
    assert.equal("kubectl-equivalent", all[1].sourceLabel)
    assert.equal("speaks configmaps/notes", all[1].label)
  end)

  it("is refused before it begins where it or its input is not what there is", function()
    assert.equal('no flow is named "speak", did you mean "speaks"?', refused "speak")
    assert.matches("flow speaks is not for deployments: it is for configmaps", refused("speaks", { resource = "deployments" }), 1, true)
    assert.matches("name is missing", refused("speaks", { name = "" }), 1, true)
    assert.equal("input count is missing: how many", refused "speaks")
    assert.equal('input count must be a whole number, not "3x"', refused("speaks", { input = { count = "3x" } }))
    assert.equal("input count must be a whole number, not 1.5", refused("speaks", { input = { count = 1.5 } }))
    assert.equal('input word must be one of "a", "b"', refused("speaks", { input = { count = 1, word = "c" } }))
    assert.equal('this flow has no input "wrod", did you mean "word"?', refused("speaks", { input = { count = 1, wrod = "a" } }))
  end)

  it("that fails says file and line, and how it came there", function()
    local _, complete, said = ends "fails"
    assert.equal("failed", complete.outcome)
    assert.matches("flows/fails.lua:4: attempt to index a nil value", complete.error, 1, true)
    assert.matches("stack traceback", table.concat(said, "\n"), 1, true)
  end)

  it("that loops ends alone, while others go on", function()
    local loop = host:start(request "loops")
    assert.equal("succeeded", select(2, ends("speaks", { input = { count = 1 } })).outcome)
    loop:cancel()
    assert.equal("cancelled", events.complete(loop:to_end()).outcome)
  end)

  it("does several things at once and waits for all of them", function()
    assert.same({ "5 at once, 0 left" }, (ends "forks"))
    local said, complete = ends "forks-badly"
    assert.same({ "the other ran to its end" }, said)
    assert.equal("the first failed", complete.error)
    assert.matches("64 tasks run already", select(2, ends "too-many").error, 1, true)
  end)

  it("tidies up in reverse order when it ends, when it fails and when it is cancelled", function()
    local tidied = { "deferred last, runs first", "deferred first, runs last" }
    local said, complete, warned = ends "defers"
    assert.same({ "ready", table.unpack(tidied) }, said)
    assert.matches("a deferred one fails", table.concat(warned, "\n"), 1, true)
    assert.equal("failed", complete.outcome)
    said, complete = ends("defers", { input = { how = "fail" } })
    assert.same({ "ready", table.unpack(tidied) }, said)
    assert.equal("as asked", complete.error)
    said, complete, warned = cancelled("defers", { input = { how = "wait" } })
    assert.same(tidied, said)
    assert.equal("cancelled", complete.outcome)
    assert.equal("cancelled before anything was changed", warned[#warned])
  end)

  it("that is cancelled says whether a part of it was done", function()
    local _, complete, said = cancelled "writes-then-waits"
    assert.equal("cancelled after a part of it was done", said[#said])
    assert.equal(1, complete.summary.resourcesChanged.configured)
  end)

  it("runs commands: their lines, their code, what they print; a dry-run only those that read", function()
    local said, complete, warned = ends "runs"
    assert.equal("", complete.error)
    assert.same({ "from a flow", "code 0, 12 bytes", "code 3" }, { said[1], said[2], said[3] })
    assert.matches("no-such-command: command not found", said[4], 1, true)
    assert.equal("timeout", said[5])
    assert.same({ "to stderr" }, warned)
    assert.matches("a dry-run runs no command", select(2, ends("runs", { dryRun = true })).error, 1, true)
    said = ends("runs", { dryRun = true, input = { reads = true } })
    assert.equal("code 0, 12 bytes", said[2])
  end)

  it("that is cancelled ends the command that it runs", function()
    local said, complete, _, first = cancelled "runs-long"
    assert.same({ "asked to end" }, said)
    assert.equal("cancelled", complete.outcome)
    assert.not_equal(0, support.run({ "pgrep", "-r", "D,I,R,S,T", "-g", first[#first].text }).code)
  end)

  it("rerun-job replaces a Job that has ended", function()
    local job = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: again }\nspec: { template: { spec: { restartPolicy: Never, "
      .. "containers: [ { name: work, image: \"busybox:1\" } ] } } }\n"
    local home = { home = host.process.home, stdin = job }
    local made = support.cli({ "apply", "-f", "-" }, home)
    assert.equal(0, made.code, made.stderr)
    local replaced = support.eventually("a Job that has ended and is run again", function()
      local result = support.cli({ "flow", "rerun-job", "jobs/again", "-i", "replace=true" }, { home = host.process.home })
      if result.code == 0 then return result end
      assert.matches("job.batch/again still runs", result.stderr, 1, true)
    end, support.seconds(20))
    assert.equal("job.batch/again deleted\njob.batch/again created\n", replaced.stdout)
    assert.matches("1 created, 1 deleted", replaced.stderr, 1, true)
  end)

  it("that is dropped into a folder is there at once, in the list and to run", function()
    local offered = host:get("/api/flows").text
    assert.matches('"name":"pause-rollout"', offered, 1, true)
    local function pause(...)
      return support.cli({ "flow", "pause-rollout", "deployments/web", ... }, { home = host.process.home })
    end
    local paused = pause()
    assert.equal(0, paused.code, paused.stderr)
    assert.equal("deployment.apps/web paused\n", paused.stdout)
    assert.equal("deployment.apps/web is paused already\n", pause().stdout)
    assert.equal("deployment.apps/web resumed\n", pause("-i", "paused=false").stdout)
  end)
end)
