-- A command in its own process: how it is left, and where it runs.

local support = require "tests.spec.support"

local stubborn = "trap '' TERM INT HUP; echo $$; while :; do sleep 0.1; done"

local function alive(pid)
  local stat = io.open(("/proc/%s/stat"):format(pid))
  if not stat then return false end
  local state = stat:read("a"):match(".*%) (%a)")
  stat:close()
  return state ~= "Z" and state ~= "X"
end

local function start(script, options)
  local all = { support.binary, "run", "--local", "--", "sh", "-c", script }
  for key, value in pairs(options or {}) do all[key] = value end
  return support.start(all)
end

describe("a command that does not listen", function()
  it("does not outlive the second Ctrl-C", function()
    local run = start(stubborn)
    local pid = run:line()
    run:signal "INT"
    support.eventually("it says that it cancels", function() return run:stderr():find("cancelling", 1, true) end)
    assert.is_true(alive(pid))
    run:signal "INT"
    assert.equal(130, run:finish().code)
    support.eventually("the command has ended", function() return not alive(pid) end)
  end)

  it("is ended when the terminal goes away", function()
    local run = start(stubborn)
    local pid = run:line()
    run:signal "HUP"
    assert.equal(130, run:finish(support.seconds(20)).code)
    assert.is_false(alive(pid))
  end)
end)

describe("a reader that has seen enough", function()
  it("ends the command", function()
    local said = support.run { "sh", "-c",
      '"$0" run --local -- sh -c "while :; do echo more; sleep 0.1; done" | head -n 1', support.binary,
      limit = support.seconds(20) }
    assert.equal("more\n", said.stdout)
    assert.equal(0, said.code)
  end)
end)

describe("the folder of a command", function()
  it("is this one below the home folder, by whatever name that is known, else the home folder", function()
    local tree = support.tree { ["bob/sub/x"] = "", ["bobby/x"] = "" }
    assert(os.execute(("ln -s '%s/bob' '%s/link'"):format(tree, tree)))
    local function where(home, cwd)
      return support.run { support.binary, "run", "--local", "--", "pwd", home = tree .. home, cwd = tree .. cwd }.stdout
    end
    assert.equal(tree .. "/bob/sub\n", where("/bob", "/bob/sub"))
    assert.equal(tree .. "/bob/sub\n", where("/link", "/bob/sub"))
    assert.equal(tree .. "/bob\n", where("/bob", "/bobby"))
  end)
end)
