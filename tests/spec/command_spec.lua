local support = require "tests.spec.support"
local events = support.events

local function sh(script, more)
  local request = { command = "sh", args = { "-c", script } }
  for name, value in pairs(more or {}) do request[name] = value end
  return request
end

describe("a command", function()
  local host, home

  lazy_setup(function()
    home = support.tree { ["work/inside"] = "", ["work/plain"] = "no program", ["work/script"] = "#!/no/such/interpreter\n" }
    os.execute(("chmod 755 %s/work/script && ln -s /etc %s/work/out"):format(home, home))
    host = support.serve { home = home }
  end)
  lazy_teardown(function() host:stop() end)

  local function lines(request, stream)
    return events.lines(host:events_of(request), stream)
  end

  local function ended(request)
    local complete = events.complete(host:events_of(request))
    return complete, complete.summary
  end

  it("says on stdout and stderr what it says there", function()
    local all = host:events_of(sh "echo to stdout; echo to stderr >&2; printf '\\n'")
    assert.same({ "to stdout", "" }, events.lines(all, "stdout"))
    assert.same({ "to stderr" }, events.lines(all, "stderr"))
  end)

  it("gets its arguments as they are, with no shell in between", function()
    assert.same({ "$HOME;*;a b;" }, lines { command = "printf", args = { "%s;", "$HOME", "*", "a b" } })
  end)

  it("has nothing on its standard input", function()
    assert.same({}, lines { command = "cat" })
  end)

  it("fails with its own exit code", function()
    local complete, summary = ended(sh "exit 7")
    assert.equal("failed", complete.status)
    assert.equal("failed", complete.outcome)
    assert.matches("7", complete.error)
    assert.equal(7, summary.exitCode)
    assert.is_nil(summary.signal)
  end)

  it("that dies of a signal has 128 and its number, and says which", function()
    local complete, summary = ended(sh "kill -SEGV $$")
    assert.equal("failed", complete.outcome)
    assert.equal(139, summary.exitCode)
    assert.equal(11, summary.signal)
    assert.matches("signal 11", complete.error)
  end)

  it("that is not found has the exit code 127 and says where it was looked for", function()
    local complete, summary = ended { command = "no-such-command" }
    assert.equal(127, summary.exitCode)
    assert.matches("no%-such%-command", complete.error)
    assert.matches("/usr/bin", complete.error)
    complete, summary = ended { command = "/no/such/command" }
    assert.equal(127, summary.exitCode)
    assert.matches("/no/such/command", complete.error)
  end)

  it("that cannot be executed has the exit code 126", function()
    local complete, summary = ended { command = home .. "/work/plain" }
    assert.equal(126, summary.exitCode)
    assert.matches("work/plain", complete.error)
  end)

  it("whose interpreter is missing is not found", function()
    local _, summary = ended { command = home .. "/work/script" }
    assert.equal(127, summary.exitCode)
  end)

  it("shows a last line that does not end", function()
    assert.same({ "whole", "part" }, lines(sh "printf 'whole\\npart'"))
  end)

  it("shows each step of a progress line", function()
    assert.same({ "10%", "55%", "100%", "done" }, lines(sh "printf '10%%\\r55%%\\r100%%\\r\\ndone\\n'"))
  end)

  it("shows bytes that are no UTF-8 as U+FFFD", function()
    local said = lines(sh [[printf 'a\377b\n\303\n\355\240\200\n'; echo end]])
    assert.equal("a\u{FFFD}b", said[1])
    assert.equal("\u{FFFD}", said[2])
    assert.matches("^[\u{FFFD}]+$", said[3])
    assert.equal("end", said[4])
    for _, text in ipairs(said) do assert.is_truthy(utf8.len(text)) end
  end)

  it("cuts a line of a megabyte and says how much is missing", function()
    local said = lines(sh "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo next")
    local kept, dropped = said[1]:match("^(x+)… %[(%d+) more bytes of this line are not kept%]$")
    assert.equal(64 * 1024, #kept)
    assert.equal(1000000 - 64 * 1024, tonumber(dropped))
    assert.equal("next", said[2])
  end)

  it("keeps its colours, and no other escape of a terminal", function()
    assert.same({ "\27[1;31mred\27[0m and plain", "title", "abc" },
      lines(sh [[printf '\033[1;31mred\033[0m and \033[2J\033[5;5Hplain\n\033]0;evil\007title\na\bb\033(Bc\n']]))
  end)

  it("masks the secrets that it prints, colours or not", function()
    local said = lines(sh [[
      echo 'password: hunter2hunter2'
      echo 'DB_PASSWORD=hunter2hunter2'
      echo 'Authorization: Bearer abcdefgh12345678'
      printf '\033[1mpassword\033[0m: \033[32mhunter2\033[0mhunter2\n'
      echo 'secretName: web-tls']])
    assert.equal("password: [REDACTED]", said[1])
    assert.equal("DB_PASSWORD=[REDACTED]", said[2])
    for i = 1, 4 do
      assert.is_nil(said[i]:find("hunter2", 1, true), said[i])
      assert.is_nil(said[i]:find("abcdefgh", 1, true), said[i])
      assert.is_truthy(said[i]:find("[REDACTED]", 1, true), said[i])
    end
    assert.equal("secretName: web-tls", said[5])
  end)

  it("has the secrets of its arguments masked in its label and record", function()
    local all = host:events_of { command = "true", args = { "--password", "hunter2hunter2", "--token=abcdefgh12345678" } }
    local record = host:get("/api/executions?limit=1").text
    for _, text in ipairs { all[1].label, record } do
      assert.is_nil(text:find("hunter2", 1, true), text)
      assert.is_nil(text:find("abcdefgh", 1, true), text)
    end
  end)

  it("has a clean environment: PATH, HOME, LANG and a mark that it is found by", function()
    local said = lines { command = "env" }
    table.sort(said)
    assert.matches("^MOONSAIL_CHILD=%x+$", table.remove(said, 3))
    assert.same({ "HOME=" .. home, "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
      said)
  end)

  it("has KUBECONFIG where the host has it", function()
    local file = support.tree { config = "apiVersion: v1\nkind: Config\n" } .. "/config"
    local other = support.serve { env = { KUBECONFIG = file, MOONSAIL_LOG_LEVEL = "warn" } }
    local said = events.lines(other:events_of { command = "env" })
    table.sort(said)
    assert.equal("KUBECONFIG=" .. file, said[2])
    assert.equal(5, #said)
    other:stop()
  end)

  it("runs in the home folder, or in a folder below it", function()
    assert.same({ home }, lines { command = "pwd" })
    assert.same({ home .. "/work" }, lines { command = "pwd", workingDir = home .. "/work" })
  end)

  it("does not run in a folder outside the home folder, nor in one that is not there", function()
    for folder, why in pairs {
      ["/etc"] = "outside", [home .. "/work/out"] = "outside", [home .. "/../"] = "outside",
      [home .. "/nowhere"] = "No such file",
    } do
      local all = host:events_of(sh("touch ran", { workingDir = folder }))
      local complete = events.complete(all)
      assert.equal("failed", complete.outcome)
      assert.equal(125, complete.summary.exitCode)
      assert.matches(why, complete.error)
      assert.is_truthy(complete.error:find(folder, 1, true))
    end
  end)

  it("has no dry-run: that is refused, in both spellings", function()
    for _, more in ipairs { { mode = "dry-run" }, { dryRun = true } } do
      local all = host:events_of(sh("true", more))
      assert.equal("error", all[1].type)
      assert.equal("bad_request", all[1].code)
      assert.matches("dry%-run", all[1].error)
    end
  end)

  it("runs in a session and a process group of its own", function()
    local said = lines(sh "echo $$; ps -o pgid=,sid= -p $$")
    local group, session = said[2]:match("(%d+)%s+(%d+)")
    assert.equal(said[1], group)
    assert.equal(said[1], session)
  end)

  it("leaves no file of the host's open to what it starts", function()
    -- What the host itself was started with is not the host's own.
    local inherited = support.run { "ls", "/proc/self/fd" }.stdout
    assert.equal(inherited, table.concat(lines { command = "ls", args = { "/proc/self/fd" } }, "\n") .. "\n")
  end)

  it("has ended when it has ended, though something that it started holds its output", function()
    local all = host:events_of(sh "sleep 600 & echo $!")
    local complete = events.complete(all)
    os.execute("kill " .. events.lines(all, "stdout")[1])
    assert.equal("succeeded", complete.outcome)
    assert.equal(0, complete.summary.exitCode)
    assert.is_true(complete.summary.durationMs < support.seconds(10) * 1000)
    assert.matches("still holds its output", events.lines(all, "stderr")[1])
  end)

  it("shows what a grandchild says until all of it has ended", function()
    assert.same({ "first", "second" }, lines(sh "(sleep 0.3; echo second) & echo first"))
  end)
end)

describe("a host with --shell off", function()
  it("runs no command, and says why", function()
    local host = support.serve { args = { "--shell", "off" } }
    local all = host:events_of(sh "touch ran")
    assert.equal(1, #all)
    assert.equal("error", all[1].type)
    assert.equal("forbidden", all[1].code)
    assert.matches("%-%-shell off", all[1].error)
    assert.equal(403, host:post("/api/executions", { command = "touch" }).status)
    assert.equal(0, #host:get("/api/executions"):json())
    host:stop()
  end)
end)
