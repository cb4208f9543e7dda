--- A cancel ends a command and everything that it has started, wherever that has gone.
local support = require "tests.spec.support"
local events = support.events

local function sh(script, more)
  local request = { command = "sh", args = { "-c", script } }
  for name, value in pairs(more or {}) do request[name] = value end
  return request
end

local function alive(command)
  return support.run { "pgrep", "-x", "-f", command }.code == 0
end

-- A command that says this and goes on.
local function begun(host, script, word)
  local run = host:start(sh(script))
  run:read_until(function(e) return e.type == "line" and e.text == (word or "ready") end)
  return run
end

local function milliseconds(run)
  local cancelled = os.time()
  local complete = events.complete(run:to_end())
  return complete, (os.time() - cancelled) * 1000
end

describe("a cancelled command", function()
  local host

  lazy_setup(function() host = support.serve() end)
  lazy_teardown(function() host:stop() end)

  it("ends at once where it takes the signal, with what it still has to say", function()
    local run = begun(host, "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    run:cancel()
    local all = run:to_end()
    local complete = events.complete(all)
    assert.equal("cancelled", complete.outcome)
    assert.equal("failed", complete.status)
    assert.matches("^cancelled by ", complete.error)
    assert.equal(130, complete.summary.exitCode)
    assert.same({ "tidied" }, events.lines(all, "stdout"))
  end)

  it("that does not take the signal is killed after the grace", function()
    local run = begun(host, "trap '' TERM; echo ready; sleep 1018")
    run:cancel()
    local complete, took = milliseconds(run)
    assert.equal("cancelled", complete.outcome)
    assert.equal(9, complete.summary.signal)
    assert.is_true(took >= 4000 and took < support.seconds(8) * 1000)
    assert.is_false(alive "sleep 1018")
  end)

  -- Each says "ready" once what it starts is there.
  for what, script in pairs {
    ["a child in a session of its own"] = "setsid sleep 1019 & sleep 0.3; echo ready; wait",
    ["a daemon that has left its parent, its session and its group"] =
      "(setsid sh -c '(sleep 1019 </dev/null >/dev/null 2>&1 &) ; exit 0' &) ; sleep 0.5; echo ready; sleep 1019",
    ["a daemon that holds its output"] = "(setsid sh -c 'setsid sleep 1019 & exit 0' &) ; sleep 0.5; echo ready; sleep 1019",
    ["a daemon that runs where its command has ended"] =
      "setsid sh -c 'sleep 0.2; echo ready; exec sleep 1019' & exit 0",
    ["children of its children"] = "sh -c 'sh -c \"sleep 1019 & wait\" & wait' & sleep 0.3; echo ready; wait",
  } do
    it("leaves nothing behind: " .. what, function()
      local run = begun(host, script)
      assert.is_true(alive "sleep 1019")
      run:cancel()
      local complete, took = milliseconds(run)
      assert.equal("cancelled", complete.outcome)
      assert.is_true(took < support.seconds(2) * 1000 + 1000)
      assert.is_false(alive "sleep 1019")
    end)
  end

  it("leaves nothing behind: a session leader that does not take the signal", function()
    local run = begun(host, [[setsid sh -c "trap '' TERM; echo ready; exec sleep 1021" & wait]])
    run:cancel()
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
    assert.is_false(alive "sleep 1021")
  end)

  it("leaves nothing behind: what starts new ones for as long as it lives", function()
    local run = begun(host, [[
      cat >$HOME/chain.sh <<'END'
n=$1; trap '' TERM; [ $n -gt 40 ] && exec sleep 1022
setsid sh $HOME/chain.sh $((n+1)) & sleep 0.05; exit 0
END
      (setsid sh $HOME/chain.sh 1 &); sleep 0.4; echo ready; exec sleep 1022]])
    run:cancel()
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
    assert.is_false(alive "sleep 1022")
    assert.equal(1, support.run { "pgrep", "-f", host.process.home .. "/chain.sh" }.code)
  end)

  it("leaves nothing behind: a daemon without the mark in its environment, once it was counted", function()
    local run = begun(host, "(setsid env -i sleep 1023 </dev/null >/dev/null 2>&1 & sleep 2.5); echo ready; sleep 60")
    assert.is_true(alive "sleep 1023")
    run:cancel()
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
    assert.is_false(alive "sleep 1023")
  end)

  it("leaves other executions alone", function()
    local other = begun(host, "setsid sleep 1024 & echo ready; wait")
    local run = begun(host, "setsid sleep 1025 & echo ready; wait")
    run:cancel()
    run:to_end()
    assert.is_false(alive "sleep 1025")
    assert.is_true(alive "sleep 1024")
    other:cancel()
    other:to_end()
    assert.is_false(alive "sleep 1024")
  end)

  it("may be cancelled again and by another viewer, once is enough; afterwards it is too late", function()
    local run = begun(host, "echo ready; sleep 1026")
    local second = host:attach(run.id, 0)
    second:read_until(function(e) return e.type == "line" end)
    second:cancel()
    run:cancel()
    run:cancel()
    local path = "/api/executions/cancel?executionId=" .. run.id
    local status = host:post(path).status
    assert.is_true(status == 202 or status == 409)
    local seen = { run:to_end(), second:to_end() }
    for _, all in ipairs(seen) do
      assert.equal("cancelled", events.complete(all).outcome)
      assert.equal(1, #events.of(all, "complete"))
    end
    local late = host:post(path)
    assert.equal(409, late.status)
    assert.matches("has ended already %(cancelled%)", late:json().error.message)
  end)
end)

describe("a host", function()
  it("reaps what its commands leave behind", function()
    local host = support.serve()
    events.complete(host:events_of(sh "for i in 1 2 3 4 5; do (setsid sleep 0.2 >/dev/null 2>&1 &); done"))
    support.eventually("no zombie is left", function()
      return support.run { "ps", "--ppid", tostring(host.process.pid), "-o", "stat=" }.stdout == ""
    end)
    host:stop()
  end)

  it("that stops leaves none of its commands behind", function()
    local host = support.serve()
    local run = begun(host, "(setsid sleep 1027 >/dev/null 2>&1 &); echo ready; sleep 1027")
    host:stop()
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
    assert.is_false(alive "sleep 1027")
  end)

  it("that is told twice to stop leaves none behind either", function()
    local host = support.serve()
    local run = begun(host, [[setsid sh -c "trap '' TERM; echo ready; exec sleep 1028" & wait]])
    host.process:signal("TERM")
    support.eventually("it stops", function() return host:stderr():find("stopping", 1, true) end)
    assert.equal(1, host.process:signal("TERM"):finish().code)
    assert.is_false(alive "sleep 1028")
    run:drop()
  end)
end)
