--- What a host remembers: across viewers that go, across its own end, and when its disk fails it.

local support = require "tests.spec.support"
local events, json = support.events, support.json

local function data_of(host)
  return host.home .. "/.local/state/moonsail"
end

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function files_of(host, where)
  return output(("find '%s/%s' -type f 2>/dev/null"):format(data_of(host), where))
end

local function shell(host, id, script)
  local all = host:events_of { executionId = id, command = "sh", args = { "-c", script } }
  events.complete(all)
  return all
end

local function joined(...)
  local all = {}
  for _, part in ipairs { ... } do table.move(part, 1, #part, #all + 1, all) end
  return all
end

local function ids(list)
  local found = {}
  for i, record in ipairs(list) do found[i] = record.executionId end
  return found
end

describe("a viewer that comes back", function()
  it("misses nothing and sees nothing twice, across a restart of the host", function()
    local host = support.serve()
    local run = host:start { command = "seq", args = { "1", "10000" } }
    local first = run:read_until(function(event) return event.seq >= 4000 end)
    run:drop()
    support.eventually("it has ended", function()
      return host:get("/api/executions"):json()[1].summary ~= nil
    end)
    host:kill():restart()
    local rest = host:attach(run.id, first[#first].seq):to_end()
    local all = joined(first, rest)
    events.gapless(all)
    events.complete(all)
    assert.equal(10000, #events.lines(all, "stdout"))
    assert.equal("10000", events.lines(all)[10000])
    host:stop()
  end)

  it("finds everything that a slow one has not read yet", function()
    local host = support.serve()
    local run = host:start { command = "seq", args = { "1", "50000" } }
    support.eventually("it has ended", function()
      return host:get("/api/executions"):json()[1].summary ~= nil
    end)
    local all = run:to_end()
    events.gapless(all)
    assert.equal(50000, #events.lines(all))
    host:stop()
  end)
end)

describe("a host that is killed", function()
  local host, seen, record

  lazy_setup(function()
    host = support.serve()
    local run = host:start { executionId = "cut-off", label = "A long one", command = "sh",
      args = { "-c", "i=0; while :; do i=$((i+1)); echo line $i; [ $((i % 1000)) = 0 ] && sleep 0.01; done" } }
    local waiting = host:start { executionId = "unseen", command = "sleep", args = { "600" } }
    waiting:read_until(function(event) return event.status == "running" end)
    seen = run:read_until(function(event) return event.seq >= 5000 end)
    host:kill():restart()
    record = host:get("/api/executions?q=cut-off"):json()[1]
  end)
  lazy_teardown(function() host:stop() end)

  it("has lost nothing that a viewer had seen", function()
    local again = host:attach("cut-off"):to_end()
    events.gapless(again)
    for i, event in ipairs(seen) do assert.same(event, again[i]) end
    local rest = host:attach("cut-off", seen[#seen].seq):to_end()
    events.gapless(joined(seen, rest))
  end)

  it("leaves its executions failed and interrupted", function()
    assert.equal("failed", record.status)
    assert.equal("interrupted", record.outcome)
    assert.equal("A long one", record.label)
    assert.matches("the host ended", record.error)
    local last = events.complete(host:attach("cut-off"):to_end())
    assert.equal("interrupted", last.outcome)
    assert.equal(record.error, last.error)
    assert.equal("interrupted", host:get("/api/executions?q=unseen"):json()[1].outcome)
    assert.matches("2 executions are interrupted", host:stderr())
  end)

  it("says it once: the next restart changes nothing", function()
    local before = host:attach("cut-off"):to_end()
    host:restart()
    assert.same(before, host:attach("cut-off"):to_end())
    assert.same(record, host:get("/api/executions?q=cut-off"):json()[1])
  end)

  it("does not let an executionId of then be taken again", function()
    assert.equal(409, host:post("/api/executions", { executionId = "cut-off", command = "true" }).status)
  end)

  it("has nothing left to cancel", function()
    assert.equal(409, host:post("/api/executions/cancel?executionId=cut-off").status)
  end)
end)

describe("the history of a host", function()
  local host

  lazy_setup(function()
    host = support.serve()
    for i = 1, 5 do shell(host, "old-" .. i, "echo out; echo err >&2; echo 'a \"Word\"'; exit " .. i % 2) end
    host:restart()
    for i = 1, 3 do shell(host, "new-" .. i, "echo new") end
  end)
  lazy_teardown(function() host:stop() end)

  it("is one list with what runs now, in pages and by every filter", function()
    assert.same({ "new-3", "new-2", "new-1", "old-5", "old-4", "old-3", "old-2", "old-1" },
      ids(host:get("/api/executions"):json()))
    assert.same({ "new-1", "old-5", "old-4" }, ids(host:get("/api/executions?limit=3&before=new-2"):json()))
    assert.same({ "old-2", "old-1" }, ids(host:get("/api/executions?before=old-3"):json()))
    assert.same({ "old-5", "old-3", "old-1" }, ids(host:get("/api/executions?status=failed"):json()))
    assert.same({ "old-4" }, ids(host:get("/api/executions?q=OLD-4"):json()))
    assert.same({}, host:get("/api/executions?mode=dry-run"):json())
    assert.same({}, host:get("/api/executions?user=nobody-else"):json())
    assert.equal(8, #host:get("/api/executions?since=2020-01-01T00:00:00Z"):json())
    assert.same({}, host:get("/api/executions?since=2999-01-01T00:00:00Z"):json())
    assert.equal(400, host:get("/api/executions?before=nobody").status)
  end)

  it("has the same records as before, and the same logs", function()
    local before, logs = host:get("/api/executions"):json(), {}
    local ask = "/api/executions/logs?executionId=old-2"
    for i, more in ipairs { "", "&limit=1", "&afterSeq=3&limit=1", "&stream=stderr", "&q=word", "&format=text" } do
      logs[i] = host:get(ask .. more).text
    end
    host:restart()
    assert.same(before, host:get("/api/executions"):json())
    for i, more in ipairs { "", "&limit=1", "&afterSeq=3&limit=1", "&stream=stderr", "&q=word", "&format=text" } do
      assert.equal(logs[i], host:get(ask .. more).text)
    end
    assert.equal(3, #json.decode(logs[1]).logs)
    assert.equal("err", json.decode(logs[4]).logs[1].text)
    assert.equal(1, json.decode(logs[5]).matches)
    assert.same({ "a \"Word\"", "err", "out" }, (function()
      local lines = {}
      for line in logs[6]:gmatch("[^\n]+") do lines[#lines + 1] = line end
      table.sort(lines)
      return lines
    end)())
  end)

  it("lies in files that are its owner's alone", function()
    local open = output(("find '%s' \\( -name 'history.db*' -o -path '*journals*' \\) -perm /077"):format(data_of(host)))
    assert.equal("", open)
    assert.matches("journals/1/1%.jsonl", files_of(host, "journals"))
    assert.is_nil(files_of(host, "journals"):find("old%-"))
  end)
end)

describe("a long log", function()
  local host

  lazy_setup(function()
    host = support.serve { args = { "--history-journal", "1MiB" } }
    shell(host, "long", "seq 1 60000; echo the needle; seq 1 10")
  end)
  lazy_teardown(function() host:stop() end)

  local function check()
    local all = host:attach("long"):to_end()
    events.gapless(all)
    local gaps = events.of(all, "gap")
    assert.equal(1, #gaps)
    local lines = events.lines(all)
    assert.equal("1", lines[1])
    assert.equal("10", lines[#lines])
    assert.is_true(gaps[1].fromSeq > 500)
    return gaps[1]
  end

  it("keeps its head and its tail, with one gap between, also after a restart", function()
    local gap = check()
    local logs = host:get("/api/executions/logs?executionId=long"):json()
    assert.is_true(logs.truncated)
    assert.equal(gap.toSeq + 1, logs.firstSeq)
    assert.equal(500, #logs.logs)
    assert.is_nil(host:get(("/api/executions/logs?executionId=long&afterSeq=%d"):format(gap.toSeq)):json().truncated)
    host:restart()
    assert.same(gap, check())
    assert.same(logs, host:get("/api/executions/logs?executionId=long"):json())
    local size = tonumber(output(("du -sb '%s/journals/1'"):format(data_of(host))):match("^%d+"))
    assert.is_true(size < 1200 * 1024, size)
  end)

  it("comes as plain text, and says where some of it is missing", function()
    local answer = host:get "/api/executions/logs?executionId=long&format=text"
    assert.matches("^text/plain", answer.headers:get("content-type"))
    assert.matches("^1\n2\n3\n", answer.text)
    assert.matches("\n%[%d+ events of this log are no longer kept%]\n", answer.text)
    assert.matches("\n8\n9\n10\n$", answer.text)
  end)

  it("is searched through on the host", function()
    local found = host:get("/api/executions/logs?executionId=long&q=NEEDLE"):json()
    assert.equal(1, found.matches)
    local row = host:get(("/api/executions/logs?executionId=long&limit=1&afterSeq=%d"):format(found.seqs[1] - 1)):json()
    assert.equal("the needle", row.logs[1].text)
    assert.is_true(found.lookedTo >= found.seqs[1])
  end)
end)

describe("the bounds of a history", function()
  it("let the oldest go, with their files, in memory and on disk", function()
    local host = support.serve { args = { "--history-executions", "3" } }
    for i = 1, 5 do shell(host, "run-" .. i, "echo hello") end
    support.eventually("two of them have gone", function()
      local list = ids(host:get("/api/executions"):json())
      return #list == 3 and list[3] == "run-3"
    end)
    assert.equal(404, host:get("/api/executions/logs?executionId=run-1").status)
    host:restart()
    assert.same({ "run-5", "run-4", "run-3" }, ids(host:get("/api/executions"):json()))
    support.eventually("their files have gone", function()
      return select(2, files_of(host, "journals"):gsub("%.jsonl", "")) == 3
    end)
    host:stop()
  end)

  it("hold from the start on, where they are tighter than before", function()
    local host = support.serve()
    for i = 1, 4 do shell(host, "run-" .. i, "echo hello") end
    host:stop()
    host = support.serve { home = host.home, args = { "--history-executions", "1" } }
    assert.same({ "run-4" }, ids(host:get("/api/executions"):json()))
    support.eventually("their files have gone", function()
      return select(2, files_of(host, "journals"):gsub("%.jsonl", "")) == 1
    end)
    host:stop()
  end)

  it("clear away what a host that died has left of one that went", function()
    local host = support.serve { args = { "--history-executions", "1" } }
    for i = 1, 2 do shell(host, "run-" .. i, "echo hello") end
    host:stop()
    local journals = data_of(host) .. "/journals"
    assert(os.execute(("cp -r '%s/2' '%s/1'"):format(journals, journals)))
    host:restart()
    support.eventually("it has gone", function()
      return output(("ls '%s'"):format(journals)) == "2\n"
    end)
    host:stop()
  end)
end)

describe("--history off", function()
  it("writes nothing, and keeps what fits in memory", function()
    local host = support.serve { args = { "--history", "off" } }
    local all = shell(host, "run-1", "seq 1 1000")
    assert.same(all, host:attach("run-1"):to_end())
    assert.equal("", files_of(host, "journals"))
    assert.equal("", output(("ls '%s' | grep history"):format(data_of(host))))
    host:restart()
    assert.same({}, host:get("/api/executions"):json())
    host:stop()
  end)

  it("is what a command in its own process does", function()
    local home = support.home()
    assert.equal(0, support.cli({ "run", "echo", "hello" }, { home = home }).code)
    assert.equal("", output(("find '%s' -name 'history*' -o -name 'journals'"):format(home)))
  end)
end)

describe("a disk that fails", function()
  it("costs the history, not the executions: a damaged database", function()
    local host = support.serve()
    shell(host, "run-1", "echo hello")
    host:stop()
    local db = assert(io.open(data_of(host) .. "/history.db", "w"))
    db:write(("this is no database\n"):rep(1000))
    db:close()
    os.remove(data_of(host) .. "/history.db-wal")
    host:restart()
    assert.matches("error no history: [^\n]*history%.db: [^\n]*in memory only", host:stderr())
    shell(host, "run-2", "seq 1 2000")
    assert.same({ "run-2" }, ids(host:get("/api/executions"):json()))
    host:stop()
  end)

  it("is a gap to its viewers: a journal that was cut, and one with other bytes in it", function()
    local host = support.serve()
    local all = shell(host, "run-1", "seq 1 5000")
    shell(host, "run-2", "seq 1 5000")
    host:stop()
    local journal = data_of(host) .. "/journals/%d/1.jsonl"
    assert(os.execute(("truncate -s 20000 '%s'"):format(journal:format(1))))
    local file = assert(io.open(journal:format(2), "r+"))
    file:seek("set", 20000)
    file:write(("\0"):rep(3000))
    file:close()
    host:restart()
    for _, id in ipairs { "run-1", "run-2" } do
      local left = host:attach(id):to_end()
      assert.equal(all[#all].seq, events.gapless(left))
      assert.equal("gap", left[#left].type)
      assert.is_true(#left > 20)
      assert.is_truthy(host:stderr():find("the journal of " .. id .. " is damaged", 1, true))
      assert.equal(200, host:get("/api/executions/logs?executionId=" .. id).status)
      assert.equal(200, host:get("/api/executions/logs?format=text&executionId=" .. id).status)
    end
    assert.equal("succeeded", host:get("/api/executions"):json()[1].status)
    host:stop()
  end)

  it("is said once, and what still fits in memory is shown: no room on it", function()
    local home = support.home()
    local wrapper = support.tree { serve = "#!/bin/sh\nulimit -f 2048\nexec \"$@\"\n" } .. "/serve"
    local process = support.start { "sh", wrapper, support.binary, "serve", "--listen", "127.0.0.1:0",
      "--history-journal", "1GiB", home = home }
    local host = support.at(process:line(support.seconds(15)):match("^listening on (http://%S+)$"))
    local all = shell(host, "run-1", "yes " .. ("x"):rep(1000) .. " | head -n 6000")
    events.gapless(all)
    events.complete(all)
    assert.equal(1, select(2, process:stderr():gsub("File too large", "")))
    shell(host, "run-2", "echo hello")
    assert.equal(0, process:signal("TERM"):finish().code)
  end)
end)

describe("an apply that its host does not survive", function()
  it("tells what was done, what is in doubt and what was not started", function()
    local host = support.serve { demo = true }
    local yaml = { "apiVersion: v1\nkind: Namespace\nmetadata: { name: many }\n" }
    for i = 1, 400 do
      yaml[#yaml + 1] = ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c%d, namespace: many }\n"):format(i)
    end
    local run = host:start { executionId = "cut", intent = "apply-yaml", command = "__k8s-apply-yaml", namespace = "many",
      allowClusterWide = true, yaml = table.concat(yaml, "---\n") }
    run:read_until(function(event) return event.type == "line" and event.text:find("^configmap/") end)
    host:kill():restart()

    local complete = events.complete(host:attach("cut"):to_end())
    local counts, created = {}, {}
    for _, row in ipairs(complete.summary.documents) do
      counts[row.outcome] = (counts[row.outcome] or 0) + 1
      if row.outcome == "created" then created[#created + 1] = row.ref end
      if row.outcome == "in-doubt" then assert.is_true(#row.message > 0) end
    end
    assert.equal("interrupted", complete.outcome)
    assert.equal(401, #complete.summary.documents)
    assert.equal("namespace/many", created[1])
    assert.is_true(counts["not-started"] > 0)
    assert.is_true((counts["in-doubt"] or 0) <= 16)
    assert.equal(401, #created + (counts["in-doubt"] or 0) + counts["not-started"])
    assert.equal(#created, complete.summary.resourcesChanged.created)
    assert.matches("of 401 documents", complete.error)

    local there = #host:get("/api/objects?resource=configmaps&namespace=many&limit=500"):json().rows
    assert.is_true(there >= #created - 1)
    assert.is_true(there <= #created - 1 + (counts["in-doubt"] or 0))
    assert.equal("", output(("find '%s' -name ledger"):format(data_of(host))))
    host:stop()
  end)
end)

describe("a retry after a restart", function()
  local host

  lazy_setup(function()
    host = support.serve { demo = true }
    shell(host, "command", "echo as it was")
    for id, kind in pairs { config = "ConfigMap", secret = "Secret" } do
      events.complete(host:events_of { executionId = id, intent = "apply-yaml", namespace = "default",
        yaml = ("apiVersion: v1\nkind: %s\nmetadata: { name: kept, namespace: default }\n"):format(kind)
          .. ("data: { key: dmFsdWUtb2YtdGhpcw%s }\n"):format(kind == "Secret" and "Xy" or "==")
          .. ("# a comment\n"):rep(1000) })
    end
    support.eventually("two requests are kept", function()
      return select(2, files_of(host, "requests"):gsub("\n", "")) == 2
    end)
    host:restart()
  end)
  lazy_teardown(function() host:stop() end)

  it("does the same again, for a command and for a manifest", function()
    assert.same({ "as it was" }, events.lines(host:events_of { retryOf = "command" }))
    local again = host:events_of { retryOf = "config", mode = "dry-run" }
    assert.equal("succeeded", events.complete(again).outcome)
    assert.equal("dry-run", events.complete(again).mode)
    assert.equal("configmap/kept", events.complete(again).summary.documents[1].ref)
  end)

  it("is refused where the manifest held a Secret, which no disk has seen", function()
    local answer = host:post("/api/executions", { retryOf = "secret" })
    assert.equal(404, answer.status)
    assert.matches("holds a Secret", answer:json().error.message)
    assert.not_equal("", output(("grep -rl 'dmFsdWUtb2YtdGhpcw==' '%s/requests'"):format(data_of(host))))
    assert.equal("", output(("cd '%s' && grep -rl dmFsdWUtb2YtdGhpcwXy requests journals history.db*"):format(data_of(host))))
  end)

  it("lies in files that are its owner's alone", function()
    assert.equal("", output(("find '%s/requests' -perm /077"):format(data_of(host))))
  end)
end)
