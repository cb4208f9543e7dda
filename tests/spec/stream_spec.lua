local support = require "tests.spec.support"
local cqueues = require "cqueues"
local events, json = support.events, support.json

local function sh(script)
  return { command = "sh", args = { "-c", script } }
end

-- An execution that says "ready" and goes on until it is cancelled.
local lasting = sh "echo ready; exec sleep 600"

local function is_ready(event)
  return event.type == "line" and event.text == "ready"
end

local function is_complete(event)
  return event.type == "complete"
end

-- Does anything of the process group live? What only waits for its parent to look is dead.
local function group_lives(leader)
  return support.run({ "pgrep", "-r", "D,I,R,S,T", "-g", leader }).code == 0
end

describe("an execution's stream", function()
  local host

  lazy_setup(function() host = support.serve() end)
  lazy_teardown(function() host:stop() end)

  it("goes from planned over running to its end, numbered from 1 without a hole", function()
    local run = host:start { command = "seq", args = { "1", "200" } }
    local all = run:to_end()
    assert.equal("planned running succeeded", events.states(all))
    assert.equal("planned", all[1].status)
    assert.equal("running", all[2].status)
    assert.equal(#all, events.gapless(all))
    assert.equal(200, #events.lines(all, "stdout"))
    local complete = events.complete(all)
    assert.equal("succeeded", complete.outcome)
    assert.equal("", complete.error)
    assert.equal(1000, run.close_code)
  end)

  it("says in each event whose it is, when it was, and what kind of execution it is", function()
    local all = host:events_of { executionId = "named-1", command = "echo", args = { "hello" }, label = "A greeting" }
    for _, event in ipairs(all) do
      assert.equal("named-1", event.executionId)
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", event.timestamp)
      assert.equal("apply", event.mode)
      assert.equal("shell", event.sourceLabel)
      assert.is_string(event.type)
      assert.is_number(event.seq)
    end
    assert.equal("A greeting", all[1].label)
  end)

  it("calls a command that touches a cluster kubectl-equivalent", function()
    local all = host:events_of { command = "true", kubernetesEquivalent = true, namespace = "default" }
    assert.equal("kubectl-equivalent", all[1].sourceLabel)
    assert.equal("kubectl-equivalent", events.complete(all).sourceLabel)
  end)

  it("ends with a summary: times, how long it took, the exit code and all four counts", function()
    local summary = events.complete(host:events_of { command = "true" }).summary
    assert.equal(0, summary.exitCode)
    assert.same({ created = 0, configured = 0, unchanged = 0, deleted = 0 }, summary.resourcesChanged)
    assert.matches("Z$", summary.startedAt)
    assert.is_true(summary.completedAt >= summary.startedAt)
    assert.is_true(summary.durationMs >= 0)
  end)

  it("makes up an executionId where none is given, another one each time", function()
    local one, two = host:events_of { command = "true" }[1], host:events_of { command = "true" }[1]
    assert.matches("^[%w._-]+$", one.executionId)
    assert.are_not.equal(one.executionId, two.executionId)
  end)

  it("is started by a request whose unknown fields are ignored", function()
    local all = host:events_of { command = "echo", args = { "hello" }, colour = "blue", later = { "x" } }
    assert.same({ "hello" }, events.lines(all))
  end)

  it("has no event and no batch of more than 256 KiB, however much a line needs as JSON", function()
    local line = [[head -c 70000 /dev/zero | tr '\0' '\\'; echo; head -c 70000 /dev/zero | tr '\0' '"'; echo]]
    local script = ("for i in 1 2 3 4 5 6 7 8; do %s; done"):format(line)
    for _, protocols in ipairs { {}, { "moonsail.batch.v1" } } do
      local run = host:start({ command = "sh", args = { "-c", script } }, { protocols = protocols[1] and protocols })
      local all = {}
      for text in function() return run:text(support.seconds(20)) end do
        assert.is_true(#text <= 256 * 1024)
        local message = json.decode(text)
        table.move(message[1] and message or { message }, 1, message[1] and #message or 1, #all + 1, all)
      end
      events.gapless(all)
      events.complete(all)
      assert.equal(16, #events.lines(all))
      for i, text in ipairs(events.lines(all)) do
        assert.equal((i % 2 == 1 and "\\" or '"'):rep(100), text:sub(1, 100))
        assert.matches("more bytes of this line are not kept%]$", text)
      end
    end
  end)

  it("comes in batches of the same events for who offers moonsail.batch.v1", function()
    local request = { command = "sh", args = { "-c", "seq 1 20000" } }
    local run = host:start(request, { protocols = { "moonsail.batch.v1" } })
    local all, frames, most = {}, 0, 0
    for text in function() return run:text(support.seconds(20)) end do
      frames, most = frames + 1, math.max(most, #text)
      assert.equal("[", text:sub(1, 1))
      for _, event in ipairs(json.decode(text)) do all[#all + 1] = event end
    end
    assert.equal(1000, run.close_code)
    assert.equal(#all, events.gapless(all))
    assert.equal(20000, #events.lines(all))
    events.complete(all)
    assert.is_true(most <= 256 * 1024, ("a frame has %d bytes"):format(most))
    assert.is_true(frames < #all / 2, ("%d events came in %d frames"):format(#all, frames))

    local alone = host:attach(all[1].executionId, 0):to_end()
    assert.same(alone, all)
  end)
end)

describe("a viewer", function()
  local host, id, all

  lazy_setup(function()
    host = support.serve()
    all = host:events_of { command = "seq", args = { "1", "20" } }
    id = all[1].executionId
  end)
  lazy_teardown(function() host:stop() end)

  it("that comes later sees everything from the start", function()
    local run = host:attach(id)
    assert.same(all, run:to_end())
    assert.equal(1000, run.close_code)
    assert.same(all, host:attach(id, 0):to_end())
  end)

  it("that comes back at any place misses nothing and sees nothing twice", function()
    for seq = 1, #all do
      local rest = host:attach(id, seq):to_end()
      assert.equal(#all - seq, #rest)
      assert.equal(#all, events.gapless(rest, seq + 1))
    end
  end)

  it("that comes back beyond the end is told that nothing follows", function()
    local run = host:attach(id, #all + 1000)
    assert.same({}, run:to_end())
    assert.equal(1000, run.close_code)
  end)

  it("that comes back while it runs goes on where it was", function()
    local run = host:start(sh "for i in 1 2 3 4 5; do echo $i; done; echo ready; exec sleep 600")
    local first = run:read_until(is_ready)
    run:drop()
    local again = host:attach(run.id, first[3].seq)
    local rest = again:read_until(is_ready)
    assert.equal(first[#first].seq, events.gapless(rest, first[3].seq + 1))
    again:cancel()
    events.gapless(again:to_end(), first[#first].seq + 1)
  end)

  it("is not alone: a second one sees the same", function()
    local run = host:start(lasting)
    run:read_until(is_ready)
    local second = host:attach(run.id)
    second:read_until(is_ready)
    run:cancel()
    local one, two = support.together(function() run:to_end() return run.events end,
      function() second:to_end() return second.events end)
    assert.same(one, two)
    events.complete(one)
  end)

  it("that drops does not end the execution", function()
    local run = host:start(lasting)
    run:read_until(is_ready)
    run:drop()
    local again = host:attach(run.id)
    again:read_until(is_ready)
    assert.equal("running", host:get("/api/executions?limit=1"):json()[1].status)
    again:cancel()
    assert.equal("cancelled", events.complete(again:to_end()).outcome)
  end)

  it("that says goodbye does not end the execution either", function()
    local run = host:start(lasting)
    run:read_until(is_ready)
    run:close()
    local again = host:attach(run.id)
    again:read_until(is_ready)
    again:cancel()
    events.complete(again:to_end())
  end)
end)

describe("a viewer that never reads", function()
  it("slows nobody, and what is no longer kept comes as a gap, never as a hole", function()
    local host = support.serve { args = { "--history", "off" } }
    -- 50,000 lines of 200 bytes: more than a journal keeps in memory.
    local go = host.process.home .. "/go"
    local script = ("until [ -e %s ]; do sleep 0.02; done; yes %s | head -n 50000 | cat -n"):format(go, ("x"):rep(200))
    local slow = host:start(sh(script))
    slow:read_until(function(event) return event.status == "running" end)
    local quick = host:attach(slow.id, 0, { protocols = { "moonsail.batch.v1" } })
    quick:read_until(function(event) return event.status == "running" end)
    support.run { "touch", go }
    local seen = quick:to_end(support.seconds(30))
    assert.equal(1000, quick.close_code)
    events.complete(quick.events)
    events.gapless(quick.events)
    assert.is_true(#seen > 10)

    local rest = slow:to_end(support.seconds(30))
    events.complete(slow.events)
    assert.equal(quick.events[#quick.events].seq, events.gapless(slow.events))
    assert.is_true(#events.of(rest, "gap") >= 1)
    for _, gap in ipairs(events.of(rest, "gap")) do
      assert.is_nil(gap.seq)
      assert.equal(slow.id, gap.executionId)
      assert.is_true(gap.toSeq >= gap.fromSeq)
    end

    -- Who comes only now is told as well, from the first one on.
    local late = host:attach(slow.id):to_end()
    assert.equal("gap", late[1].type)
    assert.equal(1, late[1].fromSeq)
    events.gapless(late)
    host:stop()
  end)
end)

describe("what a client may not say", function()
  local host

  lazy_setup(function() host = support.serve() end)
  lazy_teardown(function() host:stop() end)

  -- Sends the first message and returns the one event that comes back.
  local function refused(message, options)
    local run = host:socket("/api/execution/stream", options)
    run:send(message)
    local all = run:to_end()
    assert.equal(1, #all, json.encode(all))
    assert.equal("error", all[1].type)
    assert.is_nil(all[1].seq)
    assert.is_string(all[1].executionId)
    assert.is_not_nil(run.close_code, "the host closes after an error")
    return all[1]
  end

  local function start(fields)
    local message = { type = "start" }
    for name, value in pairs(fields) do message[name] = value end
    return message
  end

  for what, case in pairs {
    ["text that is no JSON"] = { "start please", "JSON" },
    ["a list"] = { "[1,2]", "object" },
    ["JSON that breaks off"] = { '{"type":"start"', "JSON" },
    ["the same key twice"] = { '{"type":"start","command":"true","command":"false"}', "duplicate" },
    ["a type that is not known"] = { { type = "begin" }, "start" },
    ["no type"] = { { command = "true" }, "type" },
    ["a cancel as the first message"] = { { type = "cancel" }, "first message" },
    ["an attach without an executionId"] = { { type = "attach" }, "executionId" },
    ["an afterSeq that is no number"] = { { type = "attach", executionId = "a", afterSeq = "1" }, "afterSeq" },
    ["a negative afterSeq"] = { { type = "attach", executionId = "a", afterSeq = -1 }, "afterSeq" },
    ["an executionId with a slash"] = { start { command = "true", executionId = "a/b" }, "executionId" },
    ["an executionId with a leading dot"] = { start { command = "true", executionId = ".a" }, "executionId" },
    ["an executionId that is too long"] = { start { command = "true", executionId = ("a"):rep(65) }, "executionId" },
    ["an executionId that is a number"] = { start { command = "true", executionId = 7 }, "executionId" },
    ["nothing to do"] = { start {}, "nothing to do" },
    ["a command that is a list"] = { start { command = json.list { "true" } }, "command" },
    ["args that are one text"] = { start { command = "true", args = "-l" }, "args" },
    ["an argument that is a number"] = { start { command = "true", args = json.list { 1 } }, "args%[0%]" },
    ["a mode that is not known"] = { start { command = "true", mode = "try" }, "mode" },
    ["a dryRun that is a text"] = { start { command = "true", dryRun = "yes" }, "dryRun" },
    ["a manifest that is an object"] = { start { intent = "apply-yaml", yaml = { kind = "Pod" } }, "yaml" },
    ["an apply without a manifest"] = { start { intent = "apply-yaml", namespace = "default" }, "^the manifest is empty$" },
    ["an apply of white space"] = {
      start { intent = "apply-yaml", namespace = "default", yaml = " \n\t", command = "true" }, "^the manifest is empty$" },
    ["a flow that is not there"] = { start { intent = "restrat", namespace = "default" }, "restrat" },
    ["a command with a NUL"] = { '{"type":"start","command":"tr\\u0000ue"}', "." },
  } do
    it("is a bad request: " .. what, function()
      local event = refused(case[1])
      assert.equal("bad_request", event.code)
      assert.matches(case[2], event.error)
    end)
  end

  it("is a bad request: bytes in a binary frame", function()
    local run = host:socket("/api/execution/stream")
    run.ws:send('{"type":"start","command":"true"}', "binary")
    local all = run:to_end()
    assert.equal("bad_request", all[1].code)
  end)

  it("comes as an array as well to who asked for batches", function()
    local run = host:socket("/api/execution/stream", { protocols = { "moonsail.batch.v1" } })
    run:send { type = "attach", executionId = "nobody" }
    local message = json.decode(run:text())
    assert.equal("not_found", message[1].code)
  end)

  it("is a conflict: an executionId that there is already", function()
    events.complete(host:events_of { executionId = "taken", command = "true" })
    local event = refused(start { executionId = "taken", command = "true" })
    assert.equal("conflict", event.code)
    assert.equal("taken", event.executionId)
    assert.matches("taken", event.error)
  end)

  it("is not found: an execution that nobody started", function()
    local event = refused { type = "attach", executionId = "nobody" }
    assert.equal("not_found", event.code)
    assert.equal("nobody", event.executionId)
  end)

  it("is forbidden: an apply that names no namespace and does not ask for the whole cluster", function()
    local event = refused(start { intent = "apply-yaml", yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" })
    assert.equal("forbidden", event.code)
    assert.equal("namespace is required for Kubernetes-equivalent executions unless allowClusterWide is explicitly "
      .. "enabled", event.error)
  end)

  it("is forbidden likewise for a command that says it is kubernetes-equivalent", function()
    local event = refused(start { command = "true", kubernetesEquivalent = true })
    assert.equal("forbidden", event.code)
    assert.matches("^namespace is required", event.error)
    events.complete(host:events_of { command = "true", kubernetesEquivalent = true, allowClusterWide = true })
  end)

  it("is a second start on the same socket; the execution of the first goes on", function()
    local run = host:start(lasting)
    run:read_until(is_ready)
    run:send(start { command = "true" })
    local all = run:to_end()
    assert.equal("error", all[#all].type)
    assert.equal("bad_request", all[#all].code)
    assert.equal(run.id, all[#all].executionId)
    local again = host:attach(run.id)
    again:read_until(is_ready)
    again:cancel()
    events.complete(again:to_end())
  end)

  it("starts nothing", function()
    local before = #host:get("/api/executions?limit=200"):json()
    refused(start { intent = "apply-yaml", namespace = "default" })
    refused "start please"
    assert.equal(before, #host:get("/api/executions?limit=200"):json())
  end)
end)

describe("a cancel", function()
  local host, me

  lazy_setup(function()
    host = support.serve()
    me = host:get("/api/me"):json().name
  end)
  lazy_teardown(function() host:stop() end)

  it("ends a running command and all that it has started", function()
    local run = host:start(sh "echo $$; sleep 600 & sleep 600 & echo ready; wait")
    local leader = run:read_until(is_ready)[3].text
    assert.is_true(group_lives(leader))
    run:cancel()
    local all = run:to_end()
    local complete = events.complete(all)
    assert.equal("failed", complete.status)
    assert.equal("cancelled", complete.outcome)
    assert.equal("cancelled by " .. me, complete.error)
    assert.equal(130, complete.summary.exitCode)
    assert.is_false(group_lives(leader))
  end)

  it("leaves nothing of a command whose children do not listen", function()
    -- The first one goes at once; the second can only be killed, which takes the grace of 5 s.
    local run = host:start(sh "echo $$; (trap '' TERM; echo ready; while :; do sleep 1; done) & sleep 600")
    local leader = run:read_until(is_ready)[3].text
    run:cancel()
    local complete = events.complete(run:to_end())
    assert.equal("cancelled", complete.outcome)
    assert.is_false(group_lives(leader))
  end)

  it("need not name the execution that its socket carries", function()
    local run = host:start(lasting)
    run:read_until(is_ready)
    run:send { type = "cancel" }
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
  end)

  it("cannot mean another execution than the one that its socket carries", function()
    local other = host:start(lasting)
    other:read_until(is_ready)
    local run = host:start(lasting)
    run:read_until(is_ready)
    run:send { type = "cancel", executionId = other.id }
    assert.equal("bad_request", run:read_until(function(event) return event.type == "error" end)[1].code)
    for _, id in ipairs { other.id, run.id } do
      assert.equal("running", host:get("/api/executions?q=" .. id):json()[1].status)
      assert.equal(202, host:post("/api/executions/cancel?executionId=" .. id).status)
    end
    events.complete(other:to_end())
  end)

  it("after the end is ignored", function()
    local run = host:start { command = "true" }
    run:read_until(is_complete)
    run:cancel()
    assert.same({}, run:to_end())
    assert.equal(1000, run.close_code)
    assert.equal("succeeded", host:get("/api/executions?q=" .. run.id):json()[1].outcome)
  end)

  it("by a second viewer is a cancel too", function()
    local run = host:start(lasting)
    run:read_until(is_ready)
    host:attach(run.id):cancel()
    assert.equal("cancelled", events.complete(run:to_end()).outcome)
  end)
end)

describe("the host's WebSocket", function()
  local host, key = nil, "dGhlIHNhbXBsZSBub25jZQ=="

  lazy_setup(function() host = support.serve() end)
  lazy_teardown(function() host:stop() end)

  local function upgrade(more)
    return ("GET /api/execution/stream HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n"):format(host:port(), key, more or "")
  end

  -- A client's frame; the mask is zeros, which is one as well as another.
  local function frame(first_byte, text)
    local n = #text
    local length = n < 126 and string.pack("B", 128 + n) or n < 65536 and string.pack(">BI2", 128 + 126, n)
      or string.pack(">BI8", 128 + 127, n)
    return string.char(first_byte) .. length .. "\0\0\0\0" .. text
  end

  -- The text of the next server frame.
  local function read_frame(peer)
    local head = peer:read(2)
    if not head then return nil end
    local n = head:byte(2)
    if n == 126 then n = string.unpack(">I2", peer:read(2)) end
    return n == 0 and "" or peer:read(n), head:byte(1) & 15
  end

  local function opened()
    local peer = host:connect()
    local answer = host:raw(upgrade(), peer)
    assert.equal(101, answer.status)
    assert.equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", answer.headers["sec-websocket-accept"])
    return peer
  end

  it("takes a message that comes in pieces", function()
    local peer = opened()
    local text = json.encode { type = "start", executionId = "pieces", command = "echo", args = json.list { "whole" } }
    peer:write(frame(0x01, text:sub(1, 10)))
    peer:write(frame(0x89, "ping"))
    peer:write(frame(0x00, text:sub(11, 20)))
    peer:write(frame(0x00, ""))
    peer:write(frame(0x80, text:sub(21)))
    local all, pong = {}, nil
    repeat
      local said, op = read_frame(peer)
      if op == 1 then all[#all + 1] = json.decode(said) elseif op == 10 then pong = said end
    until op ~= 1 and op ~= 10
    assert.equal("ping", pong)
    assert.same({ "whole" }, events.lines(all))
    events.complete(all)
    peer:close()
  end)

  it("takes a message byte by byte", function()
    local peer = opened()
    local bytes = frame(0x81, json.encode { type = "start", executionId = "bytes", command = "true" })
    for i = 1, #bytes do
      peer:write(bytes:sub(i, i))
      peer:flush()
    end
    assert.equal("planned", json.decode((read_frame(peer))).status)
    peer:close()
    events.complete(host:attach("bytes"):to_end())
  end)

  it("takes messages of 8 MiB and none that is larger, in one frame or in many", function()
    local limit = 8 * 1024 * 1024
    local head, tail = '{"type":"start","command":"true","label":"', '"}'
    local whole = head .. ("x"):rep(limit - #head - #tail) .. tail
    local part = ("x"):rep(1024 * 1024)
    for _, case in ipairs {
      { frame(0x81, whole), "bad_request", "label" },
      { frame(0x81, whole .. " "), "too_large", "8 MiB" },
      { frame(0x01, part) .. frame(0x00, part):rep(8), "too_large", "8 MiB" },
    } do
      local peer = opened()
      peer:settimeout(support.seconds(10))
      -- A refusal comes before the message's end; what is then not taken any more is as good as sent.
      local said
      support.together(function() peer:write(case[1]) peer:flush() end, function() said = read_frame(peer) end)
      local event = json.decode(said)
      assert.equal(case[2], event.code)
      assert.matches(case[3], event.error)
      peer:close()
    end
  end)

  it("takes the first message with the handshake", function()
    local peer = host:connect()
    local first = json.encode { type = "start", executionId = "eager", command = "true" }
    assert.equal(101, host:raw(upgrade() .. frame(0x81, first), peer).status)
    assert.equal("planned", json.decode((read_frame(peer))).status)
    peer:close()
  end)

  it("answers properly where a client offers only a subprotocol that it does not know", function()
    local answer = host:raw(upgrade "Sec-WebSocket-Protocol: chat.v7\r\n")
    assert.equal(400, answer.status)
    assert.matches("moonsail%.batch%.v1", answer:json().error.message)
  end)

  it("chooses its subprotocol among several", function()
    local answer = host:raw(upgrade "Sec-WebSocket-Protocol: chat.v7, moonsail.batch.v1\r\n")
    assert.equal(101, answer.status)
    assert.equal("moonsail.batch.v1", answer.headers["sec-websocket-protocol"])
  end)

  it("is nothing else: without an upgrade, and with another version, 426", function()
    local answer = host:get("/api/execution/stream")
    assert.equal(426, answer.status)
    assert.equal("bad_request", answer:json().error.code)
    assert.equal(426, host:raw((upgrade():gsub("Version: 13", "Version: 8"))).status)
  end)

  it("is at no other path", function()
    assert.equal(404, host:raw((upgrade():gsub("/api/execution/stream", "/api/nowhere"))).status)
    assert.equal(400, host:raw((upgrade():gsub("/api/execution/stream", "/api/me"))).status)
  end)

  it("hangs up on garbage, and goes on with the others", function()
    for _, garbage in ipairs { "\22\3\1\2\0\1\0\1\252\3\3" .. ("\0"):rep(600), "GET\r\n\r\n", ("x"):rep(40000) .. "\r\n\r\n",
      "GET /api/me HTTP/9.9\r\n" .. ("A: b\r\n"):rep(4000) .. "\r\n" } do
      local peer = host:connect()
      peer:write(garbage)
      peer:flush()
      -- An answer or none, but an end.
      local limit = support.seconds(15)
      peer:settimeout(limit)
      local began = cqueues.monotime()
      while true do
        local part, why = peer:read(-4096)
        if not part then assert.is_true(cqueues.monotime() - began < limit, tostring(why)) break end
        if part:find("^HTTP/1.1 [45]") then break end
      end
      peer:close()
    end
    assert.equal(200, host:get("/healthz").status)
  end)

  it("drops a client that comes only halfway, and one that says nothing", function()
    local half, silent, wordless = host:connect(), host:connect(), opened()
    half:write("GET /api/execution/stream HTTP/1.1\r\nHost: 127.0.0.1")
    half:flush()
    -- All three at once: the limit is 10 s.
    support.together(function()
      half:settimeout(support.seconds(20))
      assert.is_nil((half:read(1)))
    end, function()
      silent:settimeout(support.seconds(20))
      assert.is_nil((silent:read(1)))
    end, function()
      wordless:settimeout(support.seconds(20))
      local event = json.decode((read_frame(wordless)))
      assert.equal("bad_request", event.code)
      assert.matches("10 s", event.error)
    end)
    for _, peer in ipairs { half, silent, wordless } do peer:close() end
  end)
end)
