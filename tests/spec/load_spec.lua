local support = require "tests.spec.support"
local events, json = support.events, support.json

local function sh(script)
  return { command = "sh", args = { "-c", script } }
end

-- Ends when the file is there.
local function until_there(path)
  return sh(("until [ -e %s ]; do sleep 0.1; done"):format(path))
end

local function count(host, status)
  local n, before = 0, ""
  repeat
    local page = host:get(("/api/executions?limit=200&status=%s&before=%s"):format(status, before)):json()
    n = n + #page
    before = page[#page] and page[#page].executionId
  until #page < 200
  return n
end

-- Start requests over one connection, one after the other; the statuses counted.
local function post_many(host, request, times)
  local peer, statuses = host:connect(), {}
  local body = json.encode(request)
  local text = ("POST /api/executions HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s"):format(
    host:authority(), #body, body)
  local last
  for _ = 1, times do
    last = host:raw(text, peer)
    statuses[last.status] = (statuses[last.status] or 0) + 1
  end
  peer:close()
  return statuses, last
end

describe("many executions at once", function()
  it("each have their own stream, whole and in order: 200 through 200 sockets", function()
    local host = support.serve()
    local work = {}
    for i = 1, 200 do
      work[i] = function()
        local id = ("crowd-%d"):format(i)
        local options = i % 2 == 0 and { protocols = { "moonsail.batch.v1" } } or nil
        local run = host:start({ executionId = id, command = "seq", args = { tostring(i), tostring(i + 99) } }, options)
        local all = run:to_end(support.seconds(50))
        assert.equal(1000, run.close_code)
        assert.equal("planned running succeeded", events.states(all))
        assert.equal(#all, events.gapless(all))
        assert.equal("succeeded", events.complete(all).outcome)
        local lines = events.lines(all)
        assert.equal(100, #lines)
        assert.equal(tostring(i), lines[1])
        assert.equal(tostring(i + 99), lines[100])
        for _, event in ipairs(all) do assert.equal(id, event.executionId) end
        return true
      end
    end
    support.together(table.unpack(work))
    assert.equal(200, count(host, "succeeded"))
    host:stop()
  end)

  it("run 64 at a time; the others wait in planned, and have their turn", function()
    local host = support.serve()
    local go = host.process.home .. "/go"
    local runs = {}
    for i = 1, 70 do runs[i] = host:start(until_there(go)) end
    support.eventually("64 run", function() return count(host, "running") == 64 end)
    assert.equal(6, count(host, "planned"))
    -- First come, first served.
    assert.equal("planned", runs[70]:next().status)
    assert.equal("running", host:get("/api/executions?limit=1&before=" .. host:get("/api/executions?limit=6")
      :json()[6].executionId):json()[1].status)
    support.run { "touch", go }
    for _, run in ipairs(runs) do
      run:to_end()
      assert.equal("succeeded", events.complete(run.events).outcome)
      events.gapless(run.events)
    end
    host:stop()
  end)

  it("are refused as busy where a thousand wait already, and taken again afterwards", function()
    local host = support.serve { args = { "--max-running", "1" } }
    local go = host.process.home .. "/go"
    local first = host:start(until_there(go))
    first:read_until(function(event) return event.status == "running" end)
    assert.same({ [202] = 1000 }, (post_many(host, { command = "true" }, 1000)))
    assert.equal(1000, count(host, "planned"))

    local statuses, last = post_many(host, { command = "true" }, 5)
    assert.same({ [503] = 5 }, statuses)
    assert.equal("busy", last:json().error.code)
    assert.matches("1000 wait", last:json().error.message)
    local refused = host:events_of { command = "true" }
    assert.equal(1, #refused)
    assert.equal("busy", refused[1].code)

    -- Whoever waits can be cancelled without having run, and makes room.
    local newest = host:get("/api/executions?limit=1"):json()[1].executionId
    assert.equal(202, host:post("/api/executions/cancel?executionId=" .. newest).status)
    assert.equal("planned failed", events.states(host:attach(newest):to_end()))
    assert.equal(202, host:post("/api/executions", { command = "true" }).status)

    support.run { "touch", go }
    support.eventually("the queue is empty", function()
      return count(host, "planned") == 0 and count(host, "running") == 0
    end, support.seconds(40))
    assert.equal("succeeded", events.complete(host:events_of { command = "true" }).outcome)
    host:stop()
  end)

  it("over REST, in a storm from many clients, all run to their end", function()
    local host = support.serve()
    local clients = {}
    for i = 1, 20 do
      clients[i] = function()
        assert.same({ [202] = 25 }, (post_many(host, { command = "echo", args = json.list { "storm" } }, 25)))
      end
    end
    -- The host answers others meanwhile.
    clients[21] = function()
      for _ = 1, 20 do assert.equal(200, host:get("/api/me").status) end
    end
    support.together(table.unpack(clients))
    support.eventually("all have ended", function() return count(host, "succeeded") == 500 end, support.seconds(40))
    local seen = {}
    for _, record in ipairs(host:get("/api/executions?limit=200"):json()) do
      assert.is_nil(seen[record.executionId])
      seen[record.executionId] = true
      assert.equal(0, record.summary.exitCode)
    end
    host:stop()
  end)
end)
