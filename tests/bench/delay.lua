--- How long a host's loop lets others wait, seen from outside: lua5.4 delay.lua HOST PORT PID SECONDS.
-- A /healthz request every 10 ms on one kept connection. Beside the time of each answer stands what the
-- host's loop thread did meanwhile, out of /proc: what it computed, and what it waited for a processor,
-- which is the machine's fault and not the host's.

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local name, port, pid, seconds = table.unpack(arg)

local stat = assert(io.open("/proc/" .. pid .. "/schedstat"))
stat:setvbuf("no")

-- Milliseconds that the thread has computed, and waited for a processor.
local function spent()
  stat:seek("set")
  local ran, waited = stat:read("n", "n")
  return (ran or 0) / 1e6, (waited or 0) / 1e6
end

local function connect()
  local peer = socket.connect { host = name, port = math.tointeger(tonumber(port)) }
  peer:setmode("b", "bn")
  peer:settimeout(30)
  return peer
end

local function ask(peer)
  assert(peer:write("GET /healthz HTTP/1.1\r\nHost: " .. name .. ":" .. port .. "\r\n\r\n"))
  local status = assert(peer:read("*l"), "no answer")
  assert(status:match("^HTTP/1%.1 200"), status)
  local length = 0
  for line in function() return peer:read("*l") end do
    line = line:gsub("\r$", "")
    if line == "" then break end
    length = tonumber(line:lower():match("^content%-length: *(%d+)")) or length
  end
  if length > 0 then peer:read(length) end
end

local function quantile(sorted, q)
  return sorted[math.max(1, math.ceil(#sorted * q))] or 0
end

local times, computed, worst, again = {}, {}, {}, 0
local start = cqueues.monotime()
local peer = connect()
while cqueues.monotime() - start < tonumber(seconds) do
  local before, ran, waited = cqueues.monotime(), spent()
  local ok, why = pcall(ask, peer)
  local took = (cqueues.monotime() - before) * 1000
  local ran_after, waited_after = spent()
  if ok then
    times[#times + 1] = took
    computed[#computed + 1] = math.min(took, ran_after - ran)
    if took > 20 then
      worst[#worst + 1] = { at = before - start, took = took, ran = ran_after - ran, waited = waited_after - waited }
    end
  else
    again = again + 1
    io.stderr:write(("delay: %s; connects again\n"):format(why))
    peer:close()
    peer = connect()
  end
  cqueues.sleep(math.max(0, 0.010 - (cqueues.monotime() - before)))
end

table.sort(times)
table.sort(computed)
table.sort(worst, function(a, b) return a.ran > b.ran end)
print(("healthz: %d answers, %d reconnects; ms p50 %.2f p99 %.2f max %.1f; of it computed by the loop p50 %.2f p99 %.2f max %.1f")
  :format(#times, again, quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1),
    quantile(computed, 0.5), quantile(computed, 0.99), quantile(computed, 1)))
print(("over 20 ms: %d, most computing first"):format(#worst))
for i = 1, math.min(#worst, 15) do
  local w = worst[i]
  print(("  at %7.2f s: %6.1f ms, loop computed %6.1f, waited for a processor %6.1f"):format(w.at, w.took, w.ran, w.waited))
end
