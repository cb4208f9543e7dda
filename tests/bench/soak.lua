--- A host under everything at once, for minutes: tests/bench/run soak BINARY [SECONDS] [KEY=VALUE…].
-- Keys: outage=off (the API server stays), heavy=on (an 8 MiB manifest and a script that computes for
-- 2 s, over and over), seed=N. Prints a row every 10 s and at the end what was wrong; exit 1 if anything.

local cqueues = require "cqueues"
local support = require "tests.spec.support"
local cluster = require "tests.cluster.support"
local process = require "tests.spec.support.process"
local events = support.events

local options = { outage = "on", heavy = "off", seed = "1" }
local seconds = tonumber(arg[1]) or 300
for i = 1, #arg do
  local key, value = arg[i]:match("^(%w+)=(.*)$")
  if key then options[key] = value end
end
math.randomseed(math.tointeger(tonumber(options.seed)))

local LEASE = "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: { name: %s }\nspec: { holderIdentity: '%s' }\n"

local LEASES = [[
return resource {
  name = "leases", kind = "Lease", versions = { "coordination.k8s.io/v1" }, help = "Generation %d.",
  apply = function(ctx, obj)
    local n = 0
    for _ = 1, tonumber(obj.spec.holderIdentity) do n = n + #tostring(n) %% 7 end
    ctx:line("counted %%d", n)
    return ctx:apply(obj)
  end,
}
]]

local folder = support.tree { ["resources/leases.lua"] = LEASES:format(0) }
local ns = cluster.namespace()
local host = cluster.serve { args = { "--scripts", folder, "--log-level", "warn" } }
local started = cqueues.monotime()
local deadline
local ran, faults, outage = {}, {}, false

local function running()
  return cqueues.monotime() < deadline
end

local function count(what)
  ran[what] = (ran[what] or 0) + 1
end

local function check(truth, message, ...)
  if not truth then error(message:format(...), 2) end
end

local function sleep(least, most)
  cqueues.sleep(least + math.random() * ((most or least) - least))
end

local function apply(manifest, more)
  local request = { command = "__k8s-apply-yaml", intent = "apply-yaml", mode = "apply", kubernetesEquivalent = true,
    namespace = ns, yaml = manifest, label = "soak" }
  for key, value in pairs(more or {}) do request[key] = value end
  return request
end

local function configmap(name, value)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: { value: '%s' }\n---\n"):format(name, value)
end

local function ended(run)
  local all = run:to_end(support.seconds(90))
  events.gapless(all)
  return events.complete(all), all
end

-- An execution that must succeed, unless the API server is away, and then must say why.
local function must_succeed(request)
  local excused = outage
  local complete = ended(host:start(request))
  if excused or outage then
    check(complete.status == "succeeded" or complete.error ~= "", "failed without a reason")
  else
    check(complete.status == "succeeded", "not succeeded: %s", complete.error)
  end
  return complete
end

local guestbook = assert(io.open("examples/guestbook.yaml")):read("a")

local work = {}

function work.applies()
  local parts = { guestbook, "---\n" }
  for _ = 1, math.random(1, 8) do parts[#parts + 1] = configmap("soak-" .. math.random(50), math.random(1000)) end
  must_succeed(apply(table.concat(parts)))
end

function work.dry_runs()
  must_succeed(apply(guestbook:gsub("replicas: 2", "replicas: 5") .. "---\n" .. configmap("dry-" .. math.random(9), 1),
    { mode = "dry-run" }))
end

function work.refused()
  local bad = "apiVersion: v1\nkind: Service\nmetadata: { name: bad }\nspec: { ports: [{ port: 99999 }] }\n"
  local excused = outage
  local complete = ended(host:start(apply(math.random(2) == 1 and bad or "kind: [")))
  check(complete.status == "failed" and complete.error ~= "", "a bad manifest was not refused")
  if not (excused or outage) then check(not complete.error:find("traceback"), "a traceback: %s", complete.error) end
end

function work.scripts()
  must_succeed(apply(LEASE:format("turn-" .. math.random(9), math.random(1000, 100000))))
end

function work.commands()
  local n = math.random(1, 3000)
  local complete, all = ended(host:start { command = "seq", args = { "1", tostring(n) } })
  check(complete.status == "succeeded", "seq: %s", complete.error)
  check(#events.lines(all, "stdout") == n, "seq %d gave %d lines", n, #events.lines(all, "stdout"))
  sleep(0.1)
end

function work.cancelled()
  local run = host:start { command = "sh", args = { "-c", "echo up; sleep 600 & sleep 600" } }
  run:read_until(function(e) return e.text == "up" end)
  sleep(0, 0.3)
  run:cancel()
  local all = run:to_end(support.seconds(30))
  check(all[#all].outcome == "cancelled", "cancelled gave %s", tostring(all[#all].outcome))
end

-- A viewer that comes and goes sees each event once.
function work.viewers()
  local run = host:start { command = "sh", args = { "-c", "for i in $(seq 1 60); do echo line $i; sleep 0.02; done" } }
  local seen = run:read_until(function(e) return e.type == "line" end)
  local id, last = run.id, seen[#seen].seq
  for _ = 1, 3 do
    run:drop()
    sleep(0, 0.2)
    run = host:attach(id, last)
    for _, e in ipairs(run:read_until(function() return true end)) do
      check(e.seq == last + 1, "after %d came %s", last, tostring(e.seq))
      last = e.seq
    end
  end
  local rest = run:to_end(support.seconds(60))
  events.gapless(rest, last + 1)
  check(rest[#rest].type == "complete", "no end")
end

function work.slow_viewers()
  local run = host:start { command = "seq", args = { "1", "20000" } }
  for _ = 1, math.random(1, 4) do
    run:next(support.seconds(20))
    sleep(0.5, 1.5)
  end
  if math.random(4) > 1 then return run:drop() end
  run:to_end(support.seconds(60))
end

function work.lists()
  local list = host:get("/api/executions?limit=200").json()
  if #list == 0 then return sleep(0.2) end
  local id = list[math.random(#list)].executionId
  local logs = host:get("/api/executions/logs?executionId=" .. id)
  check(logs.status == 200, "logs: %d", logs.status)
  check(host:get("/api/executions/logs?executionId=none").status == 404, "logs of none")
  check(host:get("/api/resources").status == 200, "resources")
  check(host:get("/api/cluster/status").status == 200, "status")
  local posted = host:post("/api/executions", { command = "true", label = "posted" })
  check(posted.status == 202, "post: %d %s", posted.status, posted.text)
  sleep(0.2)
end

function work.reloads()
  local text = LEASES:format(math.random(1000))
  if math.random(4) == 1 then text = "return resource { name = 'leases', verison = 1 }\n" end
  local file = assert(io.open(folder .. "/resources/leases.lua", "w"))
  file:write(text)
  file:close()
  sleep(0.5, 2)
end

local heavy = {}

-- Messages just below the 8 MiB that the host takes, sent by curl: masking one for a WebSocket, or
-- writing it as JSON, would keep this process from its other work for seconds.
local function message(n, size)
  local parts = {}
  for i = 1, n do parts[i] = configmap("big-" .. i, ("0123456789abcde "):rep(size // 16)) end
  local text = support.json.encode(apply(table.concat(parts), { mode = "dry-run" }))
  return support.tree { message = text } .. "/message"
end

local few = options.heavy == "on" and message(9, 912000)
local many = options.heavy == "on" and message(1900, 4096)
local marks = {}

local function marked(name, fn)
  local from = cqueues.monotime() - started
  fn()
  marks[#marks + 1] = ("%s %.1f-%.1f s"):format(name, from, cqueues.monotime() - started)
end

local function posted(file)
  local answer = support.run { "curl", "-sS", "-H", "Content-Type: application/json", "-H", "Expect:",
    "--data-binary", "@" .. file, host:url("/api/executions"), limit = 60 }
  local id = answer.stdout:match('"executionId":"([^"]+)"')
  check(id, "not accepted: %s%s", answer.stdout, answer.stderr)
  local complete = ended(host:attach(id))
  check(complete.status == "succeeded", "not succeeded: %s", complete.error)
end

function heavy.manifests()
  marked("8 MiB in 9 documents", function() posted(few) end)
  sleep(2)
  marked("8 MiB in 1,900 documents", function() posted(many) end)
  sleep(2)
end

function heavy.busy()
  marked("busy script", function() must_succeed(apply(LEASE:format("busy", 20000000))) end)
  sleep(1)
end

-- How many of a hundred. The workers draw from a shuffled deck of a hundred, so that what the host keeps
-- of a thousand executions is always of one mix, however busy the machine is, and its memory compares.
local shares = {
  applies = 16, dry_runs = 10, refused = 12, scripts = 10, commands = 16, cancelled = 14, viewers = 9,
  slow_viewers = 2, lists = 9, reloads = 2,
}
local deck = {}

local function drawn()
  if #deck == 0 then
    for name, share in pairs(shares) do
      for _ = 1, share do table.insert(deck, math.random(#deck + 1), name) end
    end
  end
  local name = table.remove(deck)
  return name, work[name]
end

local function worker(next_work)
  while running() do
    local name, fn = next_work()
    local ok, why = xpcall(fn, function(e) return debug.traceback(tostring(e), 2) end)
    count(name)
    if not ok then
      faults[#faults + 1] = ("%.0f s, %s: %s"):format(cqueues.monotime() - started, name, why)
      if #faults > 20 or not host.process:alive() then deadline = 0 end
    end
  end
end

local function status(field)
  local file = io.open(("/proc/%d/status"):format(host.process.pid))
  local text = file and file:read("a") or ""
  if file then file:close() end
  return tonumber(text:match(field .. ":%s*(%d+)")) or 0
end

local function descriptors()
  local pipe = assert(io.popen(("ls /proc/%d/fd | wc -l"):format(host.process.pid)))
  local n = pipe:read("n")
  pipe:close()
  return n
end

local series = {}

local function watch()
  while running() do
    local sum = 0
    for _, n in pairs(ran) do sum = sum + n end
    local row = { at = cqueues.monotime() - started, rss = status("VmRSS") / 1024, n = sum }
    series[#series + 1] = row
    print(("%4.0f s  %6d done  VmRSS %6.1f MiB  %3d descriptors  %d threads  %d faults"):format(
      row.at, row.n, row.rss, descriptors(), status("Threads"), #faults))
    io.stdout:flush()
    cqueues.sleep(10)
  end
end

-- In the background: to wait for these scripts would keep this process from its other work.
local function cluster_script(name)
  assert(os.execute(("tests/cluster/%s '%s' >/dev/null 2>&1 &"):format(name, cluster.dir())))
end

local function break_the_cluster()
  cqueues.sleep(seconds * 0.4)
  outage = true
  cluster_script "stop-apiserver"
  support.eventually("the host says that the API server is away", function()
    return not host:get("/api/cluster/status").json().connected
  end, support.seconds(20))
  print "         the API server is gone"
  cqueues.sleep(5)
  cluster_script "start-apiserver"
  support.eventually("applies succeed again", function()
    local all = host:start(apply(configmap("back", 1))):to_end(support.seconds(60))
    return all[#all].status == "succeeded"
  end, support.seconds(60))
  print "         the API server is back"
  outage = false
end

started = cqueues.monotime()
deadline = started + seconds
local probe = process.start { "lua5.4", "tests/bench/delay.lua", "127.0.0.1", tostring(host:port()),
  tostring(host.process.pid), tostring(seconds), cwd = assert(io.popen("pwd")):read("l") }

local controller = cqueues.new()
controller:wrap(watch)
for _ = 1, 20 do controller:wrap(worker, drawn) end
if options.heavy == "on" then
  for name, fn in pairs(heavy) do
    controller:wrap(worker, function() return name, fn end)
  end
end
if options.outage == "on" then
  controller:wrap(function()
    local ok, why = pcall(break_the_cluster)
    if not ok then faults[#faults + 1] = "outage: " .. why end
  end)
end
while not controller:empty() do
  local ok, why = controller:step()
  if not ok then faults[#faults + 1] = "the soak itself: " .. tostring(why) end
end

local function fail_unless(ok, why)
  if not ok then faults[#faults + 1] = why end
end

local ok, why = pcall(host.stop, host)
fail_unless(ok, tostring(why))
if ok and why.stderr ~= "" then print("--- the host said\n" .. why.stderr:sub(-6000) .. "---") end
print(probe:finish(60).stdout)
if #marks > 0 then print(table.concat(marks, "; ")) end
for name, n in pairs(ran) do print(("%-14s %6d"):format(name, n)) end

-- The host keeps a thousand executions; until there are so many it has to grow.
local full = {}
for _, row in ipairs(series) do
  if row.n > 1000 then full[#full + 1] = row.rss end
end
local function mean(from, to)
  local sum = 0
  for i = from, to do sum = sum + full[i] end
  return sum / math.max(1, to - from + 1)
end
local half = #full // 2
if half > 0 then
  print(("VmRSS with 1,000 executions kept: %.1f MiB in the first half of the time, %.1f in the second"):format(
    mean(1, half), mean(half + 1, #full)))
end
print(#faults .. " faults")
for i = 1, math.min(#faults, 20) do print(faults[i]) end
process.clean_up()
os.exit(#faults == 0 and 0 or 1)
