-- demo/logs.lua: what a Pod's containers write. Nothing is kept: the lines follow from when a container
-- started, so the same are there each time, and a follower only has to know how many it has seen.
local status = require "demo.status"

local M = {}

-- As a kubelet's logs are rotated, so a Pod that runs for days has no longer log than this.
local LINES_MOST, POLL_MS, FOLLOW_SECONDS = 2000, 500, 4 * 3600

local WORK = { "GET /products 200 %dms", "GET /cart 200 %dms", "POST /cart/items 201 %dms", "GET /healthz 200 1ms",
  "GET /products/%d 304 2ms", "cache: %d entries, none stale" }
local EVERY_MS, FIRST_MS = 1000, 1500

-- The same number for the same two, in no order that is seen.
local function mixed(seed, n)
  return (seed + n * 2654435761) % 4294967296 * 40503 % 4294967296 >> 8
end

local function seed_of(pod)
  return tonumber(pod.metadata.uid:sub(1, 8), 16)
end

local function first_lines(container)
  local port = (container.ports or {})[1]
  return { ("%s starts, image %s"):format(container.name, container.image), "configuration read",
    port and ("listening on port %d"):format(port.containerPort) or "ready" }
end

-- One life of a container: from when until when (nil: it runs), how it ends. Or nil and what it waits for.
local function life_of(pod, container, previous)
  local found
  for _, c in ipairs((pod.status or {}).containerStatuses or {}) do
    if c.name == container.name then found = c end
  end
  if not found then return nil, (pod.status or {}).phase == "Pending" and "ContainerCreating" or nil end
  local state, last = found.state or {}, found.lastState or {}
  local ended = not previous and state.terminated or (previous or state.waiting) and last.terminated
  if previous and not ended then
    status.bad('previous terminated container "%s" in pod "%s" not found', container.name, pod.metadata.name)
  end
  local run = ended or not previous and state.running
  if not run then return nil, state.waiting and state.waiting.reason end
  return { first = first_lines(container), seed = seed_of(pod), from = store.time(run.startedAt),
    to = ended and store.time(ended.finishedAt), code = ended and ended.exitCode }
end

-- Line n of a life (from 1) and its time; nil where it has not come yet, or never will.
local function line(life, n, now)
  local k = n - #life.first
  if k <= 0 then
    local at = life.from + 40 * n
    if life.to then at = math.min(at, life.to) end
    if at <= now then return life.first[n], at end
    return nil
  end
  local at = life.from + FIRST_MS + EVERY_MS * (k - 1) + mixed(life.seed, k) % 400
  if at > (life.to or now) then return nil end
  local number = mixed(life.seed, k * 7 + 3)
  return WORK[number % #WORK + 1]:format(number // 16 % 90 + 2), at
end

-- How many lines have come, found by the time and then looked at.
local function count(life, now)
  local n = math.max(((life.to or now) - life.from) // EVERY_MS, 0)
  while line(life, n + 1, now) do n = n + 1 end
  while n > 0 and not line(life, n, now) do n = n - 1 end
  return n
end

-- The last words of a container that has ended.
local function farewell(life)
  if not life.to then return nil end
  return life.code == 0 and "done" or ("fatal: it cannot go on, exit code %d"):format(life.code), life.to
end

-- ---- what was asked

local function number(r, name, least, why)
  local text = r.query[name]
  if not text or text == "" then return nil end
  local value = math.tointeger(tonumber(text))
  if not value or value < least then
    status.invalid({ kind = "PodLogOptions", group = "" }, r.name, { { field = name, reason = "FieldValueInvalid",
      message = ("%s: %s"):format(text, why) } })
  end
  return value
end

local function yes(r, name)
  return r.query[name] == "true" or r.query[name] == "1"
end

local function container_of(r, pod)
  local wanted = r.query.container or ""
  if wanted == "" and #pod.spec.containers == 1 then return pod.spec.containers[1] end
  local names = {}
  for _, all in ipairs { pod.spec.initContainers or {}, pod.spec.containers } do
    for _, c in ipairs(all) do
      if c.name == wanted then return c end
      names[#names + 1] = c.name
    end
  end
  if wanted ~= "" then status.bad("container %s is not valid for pod %s", wanted, r.name) end
  status.bad("a container name must be specified for pod %s, choose one of: [%s]", r.name, table.concat(names, " "))
end

local WAITS = { ErrImagePull = "image can't be pulled", ImagePullBackOff = "trying and failing to pull image" }

-- The text of the lines from `from` on, as the options want it, and how many lines there are now.
local function text_of(life, options, from)
  local _, now = store.now()
  local n, texts = count(life, now), {}
  local function add(text, at)
    if at >= options.since then
      texts[#texts + 1] = (options.timestamps and store.date(at):gsub("Z$", "000000Z ") or "") .. text .. "\n"
    end
  end
  for i = math.max(from, n - LINES_MOST + 1, 1), n do add(line(life, i, now)) end
  if life.to then add(farewell(life)) end
  return texts, n
end

-- No more bytes than were asked for. The second value: how many may follow.
local function cut(text, left)
  if not left then return text end
  return text:sub(1, left), math.max(left - #text, 0)
end

-- GET …/pods/NAME/log
function M.read(r, pod)
  local tail = number(r, "tailLines", 0, "must be greater than or equal to 0")
  local limit = number(r, "limitBytes", 1, "must be greater than 0")
  local seconds = number(r, "sinceSeconds", 1, "must be greater than 0")
  local container = container_of(r, pod)
  local answer = { status = 200, body = "", type = "text" }
  if not pod.spec.nodeName then return answer end
  local life, why = life_of(pod, container, yes(r, "previous"))
  if not life then
    status.bad('container "%s" in pod "%s" is %s', container.name, r.name,
      why and "waiting to start: " .. (WAITS[why] or why) or "not available")
  end
  local _, now = store.now()
  local since = seconds and now - seconds * 1000 or store.time(r.query.sinceTime or "")
  local options = { timestamps = yes(r, "timestamps"), since = since }
  local texts, n = text_of(life, options, 1)
  local left
  answer.body, left = cut(table.concat(texts, "", math.max(#texts - (tail or #texts) + 1, 1)), limit)
  if yes(r, "follow") and not life.to and left ~= 0 then
    answer.watch = { poll = POLL_MS, timeout = FOLLOW_SECONDS, spec = { namespace = r.namespace, name = r.name,
      uid = pod.metadata.uid, container = container, from = life.from, seen = n, left = left, options = options } }
  end
  return answer
end

-- What has come since; the second value is nil where no more will.
function M.more(spec)
  local pod = store.get("pods", spec.namespace, spec.name)
  if not pod or pod.metadata.uid ~= spec.uid then return "" end
  local life = life_of(pod, spec.container)
  -- One that was started again is another one: its log is asked for anew.
  if not life or life.from ~= spec.from then return "" end
  local texts, n = text_of(life, spec.options, spec.seen + 1)
  local text
  text, spec.left = cut(table.concat(texts), spec.left)
  spec.seen = n
  if life.to or spec.left == 0 then return text end
  return text, spec
end

return M
