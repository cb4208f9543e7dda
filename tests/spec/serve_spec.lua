local support = require "tests.spec.support"
local socket = require "cqueues.socket"
local events = support.events

local function sh(script)
  return { command = "sh", args = { "-c", script } }
end

local function is_ready(event)
  return event.type == "line" and event.text == "ready"
end

local function group_lives(leader)
  return support.run({ "pgrep", "-r", "D,I,R,S,T", "-g", leader }).code == 0
end

-- What serve says when it does not start: exit 2, nothing on stdout, the reason in one last line.
local function refused(args, options)
  table.insert(args, 1, "serve")
  options = options or {}
  options.home = support.home()
  local said = support.cli(args, options)
  assert.equal(2, said.code, said.stderr)
  assert.equal("", said.stdout)
  local last
  for line in said.stderr:gmatch("[^\n]+") do
    assert.is_nil(line:find("^moonsail:.*moonsail:"))
    last = line
  end
  assert.matches("^moonsail: ", last)
  local _, count = said.stderr:gsub("moonsail: ", "")
  assert.equal(1, count, said.stderr)
  return last
end

describe("serve", function()
  it("says on one line of stdout where it listens, and nothing else there", function()
    local host = support.serve()
    assert.matches("^http://127%.0%.0%.1:%d+$", host.base)
    events.complete(host:events_of { command = "true" })
    local ended = host:stop()
    assert.equal(0, ended.code)
    assert.equal("", ended.stdout)
  end)

  it("answers on 127.0.0.1 and on [::1], on the same port", function()
    for _, name in ipairs { "127.0.0.1", "localhost", "[::1]" } do
      local host = support.serve { listen = name .. ":0" }
      for _, address in ipairs { "127.0.0.1", "[::1]" } do
        assert.equal("admin", host:by(address):get("/api/me"):json().role)
        events.complete(host:by(address):events_of { command = "true" })
      end
      host:stop()
    end
  end)

  it("listens again at once where a host has just ended", function()
    local host = support.serve()
    events.complete(host:events_of { command = "true" })
    local address = "127.0.0.1:" .. host:port()
    host:stop()
    host = support.serve { listen = address }
    assert.equal("http://" .. address, host.base)
    host:stop()
  end)

  it("takes its flags from the environment too", function()
    local host = support.serve { env = { MOONSAIL_SHELL = "off" } }
    assert.equal(403, host:post("/api/executions", { command = "true" }).status)
    host:stop()
  end)

  it("reads its scripts again at a SIGHUP, and goes on", function()
    local host = support.serve()
    local before = host:get("/api/resources"):json().generation
    host.process:signal "HUP"
    support.eventually("another generation", function()
      return host:get("/api/resources"):json().generation > before
    end)
    host:stop()
  end)
end)

describe("serve does not start", function()
  it("where the port is taken", function()
    local host = support.serve()
    local why = refused { "--listen", "127.0.0.1:" .. host:port() }
    assert.matches("127%.0%.0%.1:" .. host:port(), why)
    assert.matches("in use", why)
    assert.equal(200, host:get("/healthz").status)
    host:stop()
  end)

  it("where the port is taken on [::1] alone: both or none", function()
    local other = socket.listen { host = "::1", port = 0, v6only = true }
    assert(other:listen())
    local _, _, port = other:localname()
    local why = refused { "--listen", "127.0.0.1:" .. port }
    assert.matches("%[::1%]:" .. port, why)
    other:close()
  end)

  it("with a kubeconfig that is named and cannot be read", function()
    local why = refused { "--listen", "127.0.0.1:0", "--kubeconfig", "/no/such/config" }
    assert.matches("/no/such/config", why)
    assert.matches("No such file", why)
    why = refused({ "--listen", "127.0.0.1:0" }, { env = { KUBECONFIG = "/no/such/other" } })
    assert.matches("/no/such/other", why)
  end)

  it("with a kubeconfig that is none, and names its place", function()
    local file = support.tree { config = "apiVersion: v1\nkind: Config\nclusters: {a: [\n" } .. "/config"
    local why = refused { "--listen", "127.0.0.1:0", "--kubeconfig", file }
    assert.is_truthy(why:find(file .. ":", 1, true), why)
  end)

  it("with a flag that it does not know, and names the nearest", function()
    assert.matches("%-%-lisen.*%-%-listen", refused { "--lisen", "127.0.0.1:0" })
    assert.matches("%-%-kubeconf.*%-%-kubeconfig", refused { "--kubeconf=x" })
    assert.matches("%-%-listen", refused { "--listen" })
    assert.matches("extra", refused { "extra" })
  end)

  for listen, why in pairs {
    ["7070"] = "HOST:PORT", ["127.0.0.1:"] = "HOST:PORT", ["127.0.0.1:http"] = "HOST:PORT",
    ["127.0.0.1:65536"] = "HOST:PORT", ["127.0.0.1:-1"] = "HOST:PORT",
  } do
    it("with --listen " .. listen, function()
      local said = refused { "--listen", listen }
      assert.is_truthy(said:find(listen, 1, true), said)
      assert.is_truthy(said:find(why, 1, true), said)
    end)
  end

  for _, listen in ipairs { "0.0.0.0:0", "[::]:0", ":0", "10.1.2.3:0", "example.org:0" } do
    it("open to other machines with local authentication: --listen " .. listen, function()
      local said = refused { "--listen", listen }
      assert.is_truthy(said:find("--auth tokens", 1, true), said)
    end)
  end

  for _, args in ipairs {
    { "--max-running", "0" }, { "--max-running", "many" }, { "--shell", "maybe" }, { "--log", "xml" },
    { "--log-level", "loud" }, { "--auth", "nobody" },
  } do
    it("with " .. table.concat(args, " "), function()
      local said = refused { args[1], args[2] }
      assert.is_truthy(said:find(args[1], 1, true), said)
    end)
  end
end)

describe("a host that is told to end", function()
  it("cancels its commands, shows their viewers how they end, and exits with 0", function()
    for _, name in ipairs { "TERM", "INT" } do
      local host = support.serve()
      local run = host:start(sh "echo $$; echo ready; sleep 600 & wait")
      local leader = run:read_until(is_ready)[3].text
      host.process:signal(name)
      local complete = events.complete(run:to_end())
      events.gapless(run.events)
      assert.equal("cancelled", complete.outcome)
      assert.equal("failed", complete.status)
      assert.equal(130, complete.summary.exitCode)
      assert.matches("^cancelled by ", complete.error)
      assert.equal(1000, run.close_code)
      local ended = host.process:finish(support.seconds(20))
      assert.equal(0, ended.code)
      assert.is_nil(ended.stderr:find("left open", 1, true), ended.stderr)
      assert.is_false(group_lives(leader))
    end
  end)

  it("cancels also what still waits for its turn", function()
    local host = support.serve { args = { "--max-running", "1" } }
    local first = host:start(sh "echo ready; exec sleep 600")
    first:read_until(is_ready)
    local second = host:start(sh "touch ran")
    second:read_until(function(event) return event.status == "planned" end)
    host.process:signal "TERM"
    assert.equal("cancelled", events.complete(second:to_end()).outcome)
    assert.equal("planned failed", events.states(second.events))
    assert.equal("cancelled", events.complete(first:to_end()).outcome)
    assert.equal(0, host.process:finish().code)
    assert.is_nil(io.open(host.process.home .. "/ran"))
  end)

  it("is no longer ready, takes nothing new, and is still alive to its viewers", function()
    local host = support.serve()
    local probe = host:connect()
    local request = ("GET %%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"):format(host:port())
    assert.equal(200, host:raw(request:format "/readyz", probe).status)
    -- Does not listen to SIGTERM, so the host has the grace's 5 s to be asked in.
    local run = host:start(sh "trap '' TERM; echo $$; echo ready; while :; do sleep 1; done")
    local leader = run:read_until(is_ready)[3].text
    local waiting = host:socket "/api/execution/stream"
    host.process:signal "TERM"
    support.eventually("503 at /readyz", function()
      return host:raw(request:format "/readyz", probe).status == 503
    end)
    assert.equal(200, host:raw(request:format "/healthz", probe).status)
    local body = '{"command":"true"}'
    local answer = host:raw(("POST /api/executions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n%s"):format(
      host:port(), #body, body), probe)
    assert.equal(503, answer.status)
    assert.equal("busy", answer:json().error.code)
    waiting:send { type = "start", command = "true" }
    assert.equal("busy", waiting:next().code)
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
    assert.equal(0, host.process:finish().code)
    assert.is_false(group_lives(leader))
  end)

  it("says goodbye to viewers that have said nothing", function()
    local host = support.serve()
    local idle = host:socket "/api/execution/stream"
    host.process:signal "TERM"
    assert.is_nil(idle:text())
    assert.equal(1001, idle.close_code)
    assert.equal(0, host.process:finish().code)
  end)

  it("for the second time ends at once with 1, and leaves no command behind", function()
    local host = support.serve()
    local run = host:start(sh "trap '' TERM; echo $$; echo ready; while :; do sleep 1; done")
    local leader = run:read_until(is_ready)[3].text
    host.process:signal "TERM"
    support.eventually("the host is stopping", function() return host:stderr():find("stopping", 1, true) end)
    host.process:signal "TERM"
    local ended = host.process:finish(support.seconds(4))
    assert.equal(1, ended.code)
    support.eventually("the command is gone", function() return not group_lives(leader) end, support.seconds(2))
  end)
end)
