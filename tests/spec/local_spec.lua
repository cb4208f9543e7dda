local support = require "tests.spec.support"
local events = support.events

local nobody = "65534"
local build = os.getenv("MOONSAIL_BUILD") or "release"
if build:sub(1, 1) ~= "/" then build = support.binary:match("^(.*)/") end

-- Another user of this machine can only be played by root.
local function as_root()
  local id = support.run { "id", "-u" }.stdout
  assert.equal("0\n", id, "this spec plays another user of the machine and has to run as root")
end

-- A request as that user: the status and the body. `more` are further header lines; with `body` it is a POST.
local function other_user(host, family, path, more, body)
  local request = ("%s %s HTTP/1.1\r\nHost: localhost:%d\r\n%s%s\r\n%s"):format(body and "POST" or "GET", path,
    host:port(), more or "Connection: close\r\n", body and ("Content-Length: %d\r\n"):format(#body) or "", body or "")
  local said = support.run { build .. "/knock", family, tostring(host:port()), "1", nobody, "raw",
    stdin = request, limit = support.seconds(20) }
  assert.equal(0, said.code, said.stderr)
  local status, text = said.stdout:match("^HTTP/1.1 (%d+).-\r\n\r\n(.*)$")
  return tonumber(status), text
end

describe("another user of the machine", function()
  local host

  lazy_setup(function()
    as_root()
    host = support.serve()
  end)
  lazy_teardown(function() if host then host:stop() end end)

  for family, name in pairs { ["4"] = "127.0.0.1", ["6"] = "[::1]" } do
    it("is refused at " .. name .. ", over REST", function()
      for _, path in ipairs { "/", "/api/executions", "/api/me", "/api/cluster/status" } do
        local status, text = other_user(host, family, path)
        assert.equal(403, status, path)
        local fault = support.json.decode(text).error
        assert.equal("forbidden", fault.code)
        assert.matches("uid " .. nobody, fault.message)
      end
      local status = other_user(host, family, "/api/executions", nil, '{"command":"touch","args":["ran"]}')
      assert.equal(403, status)
      assert.equal("[]", host:get("/api/executions").text)
    end)

    it("is refused at " .. name .. ", over WebSocket", function()
      local status = other_user(host, family, "/api/execution/stream", "Upgrade: websocket\r\n"
        .. "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
      assert.equal(403, status)
    end)

    it("may ask at " .. name .. " whether the host is alive", function()
      assert.equal(200, (other_user(host, family, "/healthz")))
      assert.equal(200, (other_user(host, family, "/readyz")))
    end)
  end

  it("gets in by no header that it makes up", function()
    for _, header in ipairs { "X-User: root", "X-User-Role: admin", "Authorization: Bearer x", "X-Forwarded-For: 127.0.0.1" } do
      assert.equal(403, (other_user(host, "4", "/api/me", header .. "\r\nConnection: close\r\n")), header)
    end
  end)

  it("keeps the host's own user out by no number of connections", function()
    -- More than may be open at once without having been admitted.
    local crowd = support.start { build .. "/knock", "4", tostring(host:port()), "200", nobody, "crowd" }
    assert.equal("open", crowd:line(support.seconds(20)))
    assert.equal(200, host:get("/api/me").status)
    events.complete(host:events_of { command = "true" })
    crowd:kill()
  end)
end)

describe("a client that writes a start and closes at once", function()
  for _, how in ipairs { { "rest", "4" }, { "rest", "6" }, { "ws", "4" }, { "ws", "6" } } do
    it(("starts nothing as another user, a thousand times: %s over IPv%s"):format(how[1], how[2]), function()
      as_root()
      local host = support.serve { args = { "--log-level", "warn" } }
      local own = host:by(how[2] == "6" and "[::1]" or "127.0.0.1")
      local mark = host.process.home .. "/knocked"
      local function knock(count, uid, ...)
        local said = support.run { build .. "/knock", how[2], tostring(host:port()), tostring(count), uid, how[1], ...,
          env = { MARK = mark }, limit = support.seconds(60) }
        assert.equal(0, said.code, said.stderr)
        return said.stdout
      end
      knock(1000, nobody)
      -- Connections are accepted in their order: once this has run, those before it have been judged.
      events.complete(own:events_of { executionId = "afterwards", command = "true" })
      local all = host:get("/api/executions?limit=200"):json()
      assert.equal(1, #all, "started: " .. #all)
      assert.is_nil(io.open(mark))

      -- The same bytes from the host's own user, who waits for the answer, do start something.
      local own_uid = support.run({ "id", "-u" }).stdout:gsub("\n", "")
      assert.matches(how[1] == "ws" and "^HTTP/1.1 101" or "^HTTP/1.1 202", knock(1, own_uid, "stay"))
      support.eventually("the command ran", function() return io.open(mark) end)
      assert.matches("^HTTP/1.1 403", knock(1, nobody, "stay"))
      host:stop()
    end)
  end
end)
