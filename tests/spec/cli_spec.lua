-- The command line as a person and a pipe see it.

local support = require "tests.spec.support"

local cli = support.cli

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line end
  return list
end

describe("moonsail without a host", function()
  it("shows its commands, and each command its flags with their environment names", function()
    local help = cli { "--help" }
    assert.equal(0, help.code)
    for _, command in ipairs { "serve", "apply", "run", "flow", "list", "logs", "attach", "cancel", "check", "doctor",
      "version", "completion" } do
      assert.matches("\n  " .. command .. " ", help.stdout)
      local own = cli { command, "--help" }
      assert.equal(0, own.code)
      assert.matches("^Usage: moonsail " .. command, own.stdout)
    end
    assert.matches("%-%-listen HOST:PORT.*default 127.0.0.1:7070.*MOONSAIL_LISTEN", cli({ "serve", "--help" }).stdout)
  end)

  it("names the nearest flag and exits 2", function()
    local result = cli { "serve", "--lisen", "x" }
    assert.equal(2, result.code)
    assert.matches("unknown flag --lisen; did you mean --listen?", result.stderr, 1, true)
    assert.equal("", result.stdout)
  end)

  it("says that there is no host and exits 4", function()
    for _, args in ipairs { { "list" }, { "logs", "last" }, { "attach", "last" }, { "cancel", "last" } } do
      local result = cli(args)
      assert.equal(4, result.code)
      assert.matches("no host runs here: start one with `moonsail serve`", result.stderr, 1, true)
    end
  end)

  it("runs a command in its own process and exits as it does", function()
    local result = cli { "run", "--", "sh", "-c", "echo out; echo err >&2; exit 7" }
    assert.equal(7, result.code)
    assert.equal("out\n", result.stdout)
    assert.matches("^in this process, no cluster\n", result.stderr)
    assert.matches("\nerr\n", result.stderr)
    assert.equal(127, cli({ "run", "no-such-command" }).code)
    assert.equal(126, cli({ "run", "/etc/passwd" }).code)
    assert.equal(125, cli({ "run" }).code)
    assert.equal(125, cli({ "run", "--labl", "x", "true" }).code)
    assert.equal(137, cli({ "run", "sh", "-c", "kill -9 $$" }).code)
    assert.equal(0, cli({ "run", "true", "--not-a-flag" }).code)
  end)

  it("is cancelled by Ctrl-C, and what it ran is gone", function()
    local run = support.start_cli { "run", "--", "sh", "-c", "echo $$; sleep 600" }
    local pid = run:line()
    run:signal "INT"
    assert.equal(130, run:finish().code)
    assert.is_nil(io.open("/proc/" .. pid .. "/stat"))
  end)

  it("gives the wire's events as JSON, one a line", function()
    local seq = 0
    for _, line in ipairs(lines(cli({ "run", "--json", "echo", "x" }).stdout)) do
      local event = support.json.decode(line)
      seq = seq + 1
      assert.equal(seq, event.seq)
    end
    assert.equal(5, seq)
  end)

  it("has no colour and no cursor moves in a pipe, and has them when asked", function()
    local command = { "run", "--", "printf", "\\033[31mred\\033[0m\\n" }
    local plain = cli(command)
    assert.equal("red\n", plain.stdout)
    assert.is_nil((plain.stdout .. plain.stderr):find("\27", 1, true))
    table.insert(command, 2, "--color=always")
    assert.matches("\27[31mred", cli(command).stdout, 1, true)
    assert.equal(125, cli({ "run", "--color", "sometimes", "true" }).code)
  end)

  it("is quiet with -q", function()
    local result = cli { "run", "-q", "--", "sh", "-c", "echo out; echo err >&2" }
    assert.equal("", result.stdout)
    assert.equal(3, #lines(result.stderr))
  end)

  it("completes in three shells, and prints its man page", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local result = cli { "completion", shell }
      assert.equal(0, result.code)
      assert.matches("max-running", result.stdout, 1, true)
    end
    local result = support.run { "bash", "-n", stdin = cli({ "completion", "bash" }).stdout }
    assert.equal("", result.stderr)
    assert.equal(2, cli({ "completion", "tcsh" }).code)
    assert.matches("^%.TH MOONSAIL 1", cli({ "man" }).stdout)
  end)
end)

describe("the configuration", function()
  local function doctor(text, options)
    options = options or {}
    options.home = support.tree { ["config.yaml"] = text, ["conf/moonsail/config.yaml"] = text }
    options.args = options.args or { "--config", options.home .. "/config.yaml" }
    local args = { "doctor" }
    table.move(options.args, 1, #options.args, 2, args)
    return cli(args, options), options.home
  end

  it("is taken by flag, then environment, then file, then default, and doctor says which", function()
    local text = "listen: 127.0.0.1:7171\nlogLevel: warn\nshell: { mode: 'off' }\nscripts: [own]\n"
    local result, home = doctor(text, { env = { MOONSAIL_LOG_LEVEL = "error" } })
    assert.matches("listen = 127.0.0.1:7171 (" .. home .. "/config.yaml:1)", result.stdout, 1, true)
    assert.matches("log-level = error (MOONSAIL_LOG_LEVEL)", result.stdout, 1, true)
    assert.matches("shell = off (" .. home .. "/config.yaml:3)", result.stdout, 1, true)
    assert.matches("scripts = " .. home .. "/own (", result.stdout, 1, true)
    assert.matches("max-running = 64 (default)", result.stdout, 1, true)
  end)

  it("is found in the configuration folder", function()
    local home = support.tree { ["conf/moonsail/config.yaml"] = "listen: 127.0.0.1:7272\n" }
    local result = cli({ "doctor" }, { home = home, env = { XDG_CONFIG_HOME = home .. "/conf" } })
    assert.matches("listen = 127.0.0.1:7272", result.stdout, 1, true)
  end)

  it("names file, line and column of what it cannot be, and exits 2", function()
    local cases = {
      { "shel: { mode: any }\n", ':1:9: unknown setting "shel.mode"; did you mean "shell.mode"?' },
      { "log: text\nlog: json\n", ":2:1: log is set twice" },
      { "listen: [a, b]\n", ":1:1: listen must be one value, not a list" },
      { "listen: {\n", ":2:1: " },
      { "- x\n", ":1:1: a configuration is a map of settings" },
    }
    for _, case in ipairs(cases) do
      local result, home = doctor(case[1])
      assert.equal(2, result.code)
      assert.matches(home .. "/config.yaml" .. case[2], result.stderr, 1, true)
    end
    assert.equal(2, cli({ "serve", "--config", "/no/such/file" }).code)
  end)
end)

describe("moonsail beside a host", function()
  local host, home

  setup(function()
    host = support.serve()
    home = host.home
  end)

  teardown(function() host:stop() end)

  local function beside(...)
    return cli({ ... }, { home = home })
  end

  it("finds the host of its own account by itself", function()
    local result = beside("run", "echo", "through")
    assert.equal(0, result.code)
    assert.equal("through\n", result.stdout)
    assert.matches("^through http://127.0.0.1:%d+, context", result.stderr)
    assert.matches("^in this process", beside("run", "--local", "echo", "own").stderr)
  end)

  it("exits with the command's code through a host too", function()
    assert.equal(7, beside("run", "sh", "-c", "exit 7").code)
    assert.equal(127, beside("run", "no-such-command").code)
  end)

  it("lists, prints the lines and attaches to what ran", function()
    beside("run", "--label", "count to three", "seq", "3")
    local list = beside "list"
    assert.matches("^EXECUTION +STATUS +AGE +LABEL\n%S+ +succeeded +%d+ s +count to three\n", list.stdout)
    assert.equal("count to three", support.json.decode(beside("list", "--json").stdout)[1].label)
    assert.equal("1\n2\n3\n", beside("logs", "last").stdout)
    assert.equal("1\n2\n3\n", beside("logs", "last", "-f").stdout)
    assert.equal("", beside("logs", "last", "--after", "9").stdout)
    local attached = beside("attach", "last")
    assert.equal(0, attached.code)
    assert.equal("1\n2\n3\n", attached.stdout)
    assert.equal(1, beside("attach", "no-such-execution").code)
    assert.equal(1, beside("logs", "no-such-execution").code)
  end)

  it("cancels what runs, and says so where it has ended", function()
    local run = support.start_cli({ "run", "sh", "-c", "echo started; sleep 600" }, { home = home })
    assert.equal("started", run:line())
    assert.equal(0, beside("cancel", "last").code)
    assert.equal(130, run:finish().code)
    local again = beside("cancel", "last")
    assert.equal(1, again.code)
    assert.matches("has ended already", again.stderr, 1, true)
  end)

  it("leaves an execution running when an attached terminal goes", function()
    local run = support.start_cli({ "run", "sh", "-c", "echo started; sleep 600" }, { home = home })
    assert.equal("started", run:line())
    local watcher = support.start_cli({ "attach", "last" }, { home = home })
    assert.equal("started", watcher:line())
    watcher:signal "INT"
    assert.equal(0, watcher:finish().code)
    assert.is_true(run:alive())
    run:signal "INT"
    assert.equal(130, run:finish().code)
  end)

  it("leaves at the second Ctrl-C, also when the host is lost", function()
    local own = support.serve()
    local run = support.start_cli({ "run", "sh", "-c", "echo started; sleep 600" }, { home = own.home })
    assert.equal("started", run:line())
    own:kill()
    run:signal "INT"
    run:signal "INT"
    assert.equal(130, run:finish().code)
  end)

  it("lets one host have a data folder, and names the other", function()
    local second = cli({ "serve", "--listen", "127.0.0.1:0" }, { home = home })
    assert.equal(2, second.code)
    assert.matches("is in use by another moonsail serve %(pid " .. host.process.pid .. "%)", second.stderr)
  end)

  it("writes host.json for its own account alone, and removes it at the end", function()
    local own = support.serve()
    local path = own.home .. "/.local/state/moonsail/host.json"
    local said = support.run { "stat", "-c", "%a", path }
    assert.equal("600\n", said.stdout)
    assert.equal("700\n", support.run({ "stat", "-c", "%a", own.home .. "/.local/state/moonsail" }).stdout)
    own:stop()
    assert.is_nil(io.open(path))
  end)
end)
