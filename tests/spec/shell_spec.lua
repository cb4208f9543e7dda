--- What the operator lets commands do: which, where, with what, how long, how much.
local support = require "tests.spec.support"
local events = support.events

local function sh(script, more)
  local request = { command = "sh", args = { "-c", script } }
  for name, value in pairs(more or {}) do request[name] = value end
  return request
end

-- A host with this configuration file; more as for support.serve.
local function configured(text, more)
  local options = more or {}
  options.home = options.home or support.tree()
  options.args = { "--config", support.tree { ["config.yaml"] = text } .. "/config.yaml" }
  return support.serve(options)
end

local function refused_at_start(text)
  local file = support.tree { ["config.yaml"] = text } .. "/config.yaml"
  local result = support.cli({ "serve", "--listen", "127.0.0.1:0", "--config", file }, { home = support.home() })
  assert.equal(2, result.code)
  return result.stderr
end

describe("a host with listed commands", function()
  local host

  lazy_setup(function() host = configured "shell: { mode: listed, commands: [echo, /bin/true] }" end)
  lazy_teardown(function() host:stop() end)

  it("runs those, found in the fixed PATH, or by the path that is listed", function()
    assert.same({ "hello" }, events.lines(host:events_of { command = "echo", args = { "hello" } }))
    assert.equal("succeeded", events.complete(host:events_of { command = "/bin/true" }).outcome)
  end)

  it("refuses every other one, also a path to one that is listed by name", function()
    for _, command in ipairs { "sh", "/bin/echo", "./echo", "true", "../bin/echo" } do
      local all = host:events_of { command = command }
      assert.equal(1, #all, command)
      assert.equal("forbidden", all[1].code)
      assert.is_truthy(all[1].error:find(command, 1, true))
      assert.matches("shell%.commands", all[1].error)
    end
    assert.equal(403, host:post("/api/executions", { command = "sh" }).status)
  end)
end)

describe("a host with roots and an environment of its own", function()
  local host, roots

  lazy_setup(function()
    roots = support.tree { ["a/deep/file"] = "", ["b/file"] = "", ["ab/file"] = "" }
    os.execute(("ln -s /etc %s/a/out"):format(roots))
    host = configured(([[
shell:
  roots: [%s/a, %s/b]
  env: [FROM_HOST, NOT_THERE, "SAID=as said", "LANG=C"]
]]):format(roots, roots), { env = { FROM_HOST = "yes" } })
  end)
  lazy_teardown(function() host:stop() end)

  it("runs commands below a root, and by default in the first one", function()
    assert.same({ roots .. "/a" }, events.lines(host:events_of { command = "pwd" }))
    for _, dir in ipairs { "/a/deep", "/b" } do
      assert.same({ roots .. dir }, events.lines(host:events_of { command = "pwd", workingDir = roots .. dir }))
    end
  end)

  it("runs none elsewhere, however the folder is written", function()
    for _, dir in ipairs { host.process.home, roots, roots .. "/ab", roots .. "/a/../ab", roots .. "/a/out", "/" } do
      local complete = events.complete(host:events_of { command = "pwd", workingDir = dir })
      assert.equal(125, complete.summary.exitCode, dir)
      assert.is_truthy(complete.error:find("outside " .. roots .. "/a and " .. roots .. "/b", 1, true))
    end
  end)

  it("gives them the named variables, the host's value or the one that is said", function()
    local said = {}
    for _, line in ipairs(events.lines(host:events_of { command = "env" })) do
      local name, value = line:match("^([%w_]+)=(.*)$")
      assert.is_nil(said[name], name)
      said[name] = value
    end
    assert.equal("yes", said.FROM_HOST)
    assert.equal("as said", said.SAID)
    assert.equal("C", said.LANG)
    assert.is_nil(said.NOT_THERE)
  end)
end)

describe("settings that make no sense", function()
  it("are refused at start, with a sentence that says which and where", function()
    assert.matches("shell%.timeout must be like 90s, 30m or 1h, not \"soon\" %(.*config%.yaml:1%)",
      refused_at_start "shell: { timeout: soon }")
    assert.matches("shell%.maxOutput", refused_at_start "shell: { maxOutput: 64MB }")
    assert.matches("shell%.maxOutput", refused_at_start "shell: { maxOutput: 99999999999GiB }")
    assert.matches("shell%.maxProcesses", refused_at_start "shell: { maxProcesses: 0 }")
    assert.matches("off, listed or any, not \"some\"", refused_at_start "shell: { mode: some }")
    assert.matches("/no/such/folder is no folder", refused_at_start "shell: { roots: [/no/such/folder] }")
    assert.matches("PATH is fixed", refused_at_start "shell: { env: ['PATH=/tmp'] }")
    assert.matches("shell%.commands: \"bin/x\"", refused_at_start "shell: { commands: [bin/x] }")
    assert.matches("did you mean \"shell%.timeout\"", refused_at_start "shell: { timeuot: 1h }")
  end)
end)

describe("a command beyond a limit", function()
  local host

  lazy_setup(function()
    host = configured "shell: { timeout: 1s, maxOutput: 1MiB, maxProcesses: 8 }"
  end)
  lazy_teardown(function() host:stop() end)

  it("of time is stopped, and fails though it takes the signal as its end", function()
    local complete = events.complete(host:events_of(sh "trap 'exit 0' TERM; echo begun; while :; do sleep 0.1; done"))
    assert.equal("failed", complete.outcome)
    assert.equal("timeout", complete.code)
    assert.equal("the command did not end within 1 s (shell.timeout) and was stopped", complete.error)
    assert.equal(1, complete.summary.exitCode)
    assert.is_true(complete.summary.durationMs < support.seconds(4) * 1000)
  end)

  it("of output is stopped there: what came before is kept, the rest is not", function()
    local run = host:start { command = "yes", args = { ("x"):rep(1023) } }
    local all = run:to_end()
    local complete = events.complete(all)
    assert.equal("failed", complete.outcome)
    assert.equal("too_large", complete.code)
    assert.matches("printed more than 1 MiB %(shell%.maxOutput%)", complete.error)
    assert.equal(1024, #events.lines(all, "stdout"))
    events.gapless(all)
  end)

  it("of output on both streams together is stopped as well", function()
    local complete = events.complete(host:events_of(sh
      "head -c 800000 /dev/zero | tr '\\0' x; head -c 800000 /dev/zero | tr '\\0' y >&2; sleep 60"))
    assert.matches("shell%.maxOutput", complete.error)
  end)

  it("of processes is killed with all of them, in whatever session they are", function()
    local slow = configured "shell: { maxProcesses: 8 }"
    local all = slow:events_of(sh [[
      for i in 1 2 3 4 5 6; do sleep 1017 & done
      for i in 1 2 3 4 5 6; do setsid sleep 1017 & done
      trap '' TERM; wait]])
    local complete = events.complete(all)
    assert.equal("failed", complete.outcome)
    assert.matches("has 13 processes, more than 8 %(shell%.maxProcesses%)", complete.error)
    assert.equal(9, complete.summary.signal)
    assert.equal(1, support.run { "pgrep", "-x", "-f", "sleep 1017" }.code)
    slow:stop()
  end)

  it("of processes is killed then as well when it is being cancelled, without the grace", function()
    local slow = configured "shell: { maxProcesses: 8 }"
    local run = slow:start(sh [[
      trap 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1029 & done' TERM
      echo ready; while :; do sleep 0.1; done]])
    run:read_until(function(e) return e.text == "ready" end)
    local before = os.time()
    run:cancel()
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
    assert.is_true(os.time() - before < 4)
    assert.equal(1, support.run { "pgrep", "-x", "-f", "sleep 1029" }.code)
    slow:stop()
  end)

  it("holds no other command up", function()
    local noisy = host:start { command = "yes", args = { ("x"):rep(1023) } }
    assert.same({ "quick" }, events.lines(host:events_of { command = "echo", args = { "quick" } }))
    assert.equal("too_large", events.complete(noisy:to_end()).code)
  end)
end)

describe("a command of a flow", function()
  it("is held to the same list and limits", function()
    local scripts = support.tree { ["flows/runs.lua"] = [[
return flow { name = "runs", label = "runs", action = "update", help = "Of a spec.", resources = { "configmaps" },
run = function(ctx)
  local _, other = ctx:try(function() return ctx:exec("sh", { "-c", "true" }) end)
  ctx:line("%s", other.message)
  local _, late = ctx:try(function() return ctx:exec("sleep", { "60" }) end)
  ctx:line("%s %s", late.code, late.message)
  local _, much = ctx:try(function() return ctx:exec("yes", { ("x"):rep(1023) }, { quiet = true }) end)
  ctx:line("%s %s", much.code, much.message)
end }
]] }
    local host = configured(
      "shell: { mode: listed, commands: [sleep, yes], timeout: 1s, maxOutput: 1MiB }\nscripts: [" .. scripts .. "]",
      { demo = true })
    local said = events.lines(host:events_of {
      intent = "runs", resource = "configmaps", namespace = "default", name = "any",
    }, "stdout")
    assert.matches("sh is not one of those", said[1])
    assert.matches("^timeout .*shell%.timeout", said[2])
    assert.matches("^too_large .*shell%.maxOutput", said[3])
    host:stop()
  end)
end)

describe("what a command prints", function()
  local host

  lazy_setup(function() host = configured "shell: { maxOutput: 1GiB }" end)
  lazy_teardown(function() host:stop() end)

  it("a line of 200 MB is cut with a mark that says how much is missing", function()
    local said = events.lines(host:start(sh "head -c 200000000 /dev/zero | tr '\\0' x; echo; echo next")
      :to_end(support.seconds(60)))
    local kept, dropped = said[1]:match("^(x+)… %[(%d+) more bytes of this line are not kept%]$")
    assert.equal(200000000, #kept + tonumber(dropped))
    assert.equal("next", said[2])
  end)

  it("100 MB, with a viewer that never reads, does not slow the run, and holds no memory of it", function()
    local idle = host:start(sh "echo begun; yes 0123456789012345678901234567890 | head -c 100000000; echo over")
    idle:read_until(function(e) return e.type == "line" end)
    local id = idle.id
    support.eventually("it ends", function()
      return host:get("/api/executions?limit=1"):json()[1].status == "succeeded"
    end, support.seconds(60))
    local status = io.open(("/proc/%d/status"):format(host.process.pid)):read("a")
    if not support.tagged "asan" then
      assert.is_true(tonumber(status:match("VmRSS:%s+(%d+)")) < 100 * 1024)
    end
    local logs = host:get("/api/executions/logs?executionId=" .. id .. "&limit=1"):json()
    assert.matches("over", (logs.logs or logs.lines or logs)[1].text)
    idle:drop()
  end)

  it("each stream stays in its own order", function()
    local all = host:events_of(sh "i=0; while [ $i -lt 500 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done")
    for stream, letter in pairs { stdout = "o", stderr = "e" } do
      local said = events.lines(all, stream)
      assert.equal(500, #said)
      for i, text in ipairs(said) do assert.equal(letter .. i - 1, text) end
    end
    events.gapless(all)
  end)

  it("a command that closes its output and lives on has ended when it ends", function()
    local all = host:events_of(sh "echo before; exec >&- 2>&-; sleep 0.5; exit 3")
    local complete = events.complete(all)
    assert.equal(3, complete.summary.exitCode)
    assert.is_true(complete.summary.durationMs >= 500)
    assert.same({ "before" }, events.lines(all))
  end)

  it("bytes of any kind are text in the end", function()
    local said = events.lines(host:events_of(sh "head -c 100000 /dev/urandom; echo; echo end"))
    assert.equal("end", said[#said])
    for _, text in ipairs(said) do assert.is_truthy(utf8.len(text)) end
  end)
end)

describe("kubectl as a command", function()
  local host, bin

  lazy_setup(function()
    bin = support.tree {
      kubectl = [[#!/bin/sh
echo "args: $*"
cat <<END
deployment.apps/web created
service/web configured (server dry run)
configmap/one unchanged
configmap/two patched (no change)
deployment.apps/web scaled
pod "old" deleted from default namespace
pod "older" force deleted
pod/x condition met
a/b created by nobody
Warning: deployment.apps/web created
END
echo "deployment.apps/not created" >&2
]],
    }
    os.execute(("chmod 755 %s/kubectl"):format(bin))
    host = support.serve { home = bin }
  end)
  lazy_teardown(function() host:stop() end)

  it("has its lines counted in the summary", function()
    local summary = events.complete(host:events_of { command = bin .. "/kubectl", args = { "apply" } }).summary
    assert.same({ created = 1, configured = 2, unchanged = 2, deleted = 2 }, summary.resourcesChanged)
  end)

  it("is counted within another command where the request says that it is equivalent, else not", function()
    local request = sh("echo deployment.apps/web created")
    assert.equal(0, events.complete(host:events_of(request)).summary.resourcesChanged.created)
    request.kubernetesEquivalent, request.namespace = true, "default"
    assert.equal(1, events.complete(host:events_of(request)).summary.resourcesChanged.created)
  end)

  it("has a dry-run: the server's, said behind the subcommand", function()
    for args, expected in pairs {
      [{ "apply", "-f", "x" }] = "apply --dry-run=server -f x",
      [{ "-n", "default", "--context=c", "delete", "pod/x" }] = "-n default --context=c delete --dry-run=server pod/x",
      [{ "set", "image", "deploy/x", "a=b" }] = "set image --dry-run=server deploy/x a=b",
      [{ "run", "x", "--", "sh", "--dry-run=none" }] = "run --dry-run=server x -- sh --dry-run=none",
    } do
      for _, more in ipairs { { mode = "dry-run" }, { dryRun = true } } do
        more.command, more.args = bin .. "/kubectl", args
        local all = host:events_of(more)
        assert.equal("args: " .. expected, events.lines(all)[1])
        assert.equal("dry-run", events.complete(all).mode)
      end
    end
  end)

  it("has none where its subcommand has none, or where an argument would take it back", function()
    for _, args in ipairs {
      { "exec", "x" }, { "auth", "reconcile" }, { "create", "token", "x" }, { "apply", "edit-last-applied" }, { "rollout", "restart", "x" },
      { "get", "pods" }, { "--unknown", "apply" }, { "apply", "--dry-run=none" }, { "apply", "--dry-run", "none" }, {},
    } do
      local all = host:events_of { command = bin .. "/kubectl", args = args, dryRun = true }
      assert.equal(1, #all, table.concat(args, " "))
      assert.equal("bad_request", all[1].code)
      assert.matches("dry%-run", all[1].error)
    end
  end)
end)
