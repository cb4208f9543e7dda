-- lib/pods.lua: the Pods of a workload, and what is wrong with one.
local M = {}

-- Pods of one workload that are looked at: sixteen waits may do that at once, and a script has 64 MiB.
local MOST = 100

local function map(value) return type(value) == "table" and value or {} end
local function text(value) return type(value) == "string" and value ~= "" and value or nil end

-- One line of a message, and not too long.
function M.short(message)
  local line = (text(message) or ""):gsub("%s+", " ")
  if #line <= 300 then return line end
  local cut = 297
  while line:byte(cut + 1) & 0xC0 == 0x80 do cut = cut - 1 end
  return line:sub(1, cut) .. "…"
end

local OPERATORS = { In = "%s in (%s)", NotIn = "%s notin (%s)", Exists = "%s", DoesNotExist = "!%s" }

-- A LabelSelector as a query has it; nil where it chooses nothing.
function M.query(selector)
  local parts = {}
  for key, value in next, map(selector.matchLabels) do parts[#parts + 1] = key .. "=" .. value end
  for _, e in ipairs(map(selector.matchExpressions)) do
    local form = OPERATORS[e.operator]
    if not form then return nil end
    parts[#parts + 1] = form:format(e.key, table.concat(map(e.values), ","))
  end
  if #parts == 0 then return nil end
  table.sort(parts)
  return (table.concat(parts, ","):gsub("[^%w._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function owned_by(obj, uid)
  for _, owner in ipairs(map(obj.metadata.ownerReferences)) do
    if owner.uid == uid then return true end
  end
  return false
end

local function list(ctx, obj, api_version, kind, selector)
  local query = M.query(map(selector))
  if not query then return {} end
  local found = ctx:try(function()
    return ctx:list({ apiVersion = api_version, kind = kind, namespace = obj.metadata.namespace },
      { query = ("labelSelector=%s&limit=%d"):format(query, MOST) })
  end)
  return map(found)
end

local function revision(set)
  return math.tointeger(tonumber(map(set.metadata.annotations)["deployment.kubernetes.io/revision"])) or 0
end

-- The ReplicaSet that a Deployment rolls out now, or nil.
function M.newest_set(ctx, deployment)
  local newest
  for _, set in ipairs(list(ctx, deployment, "apps/v1", "ReplicaSet", map(deployment.spec).selector)) do
    local mine = owned_by(set, deployment.metadata.uid)
    if mine and (not newest or revision(set) > revision(newest)) then newest = set end
  end
  return newest
end

-- The Pods that `owner` made: a workload, of a Deployment its newest ReplicaSet.
function M.of(ctx, owner)
  local mine = {}
  for _, pod in ipairs(list(ctx, owner, "v1", "Pod", map(owner.spec).selector)) do
    if owned_by(pod, owner.metadata.uid) then mine[#mine + 1] = pod end
  end
  return mine
end

local PULLS = {
  ErrImagePull = true, ImagePullBackOff = true, ErrImageNeverPull = true, RegistryUnavailable = true,
  ImageInspectError = true,
}
local CANNOT_START = {
  CreateContainerConfigError = true, CreateContainerError = true, RunContainerError = true, PostStartHookError = true,
}

local function ended(state)
  local code = math.tointeger(state.exitCode)
  local said = text(state.message) and ": " .. M.short(state.message) or ""
  local reason = text(state.reason)
  return ("exit code %s%s%s"):format(code or "?", reason and reason ~= "Error" and " (" .. reason .. ")" or "", said)
end

local function crashes(container, last)
  return { level = "bad", crash = true, text = ("it crashes again and again (%d restarts), at last with %s"):format(
    math.tointeger(container.restartCount) or 0, ended(last)) }
end

local function waiting(container, state)
  local reason = text(state.reason)
  local last = map(map(container.lastState).terminated)
  if reason == "InvalidImageName" then
    return { level = "fatal", text = ('image "%s" is no image name: %s'):format(container.image,
      M.short(state.message)) }
  elseif PULLS[reason] then
    return { level = "bad", pull = true, text = ('image "%s" cannot be pulled: %s'):format(container.image,
      text(state.message) and M.short(state.message) or reason) }
  elseif reason == "CrashLoopBackOff" then
    return crashes(container, last)
  elseif CANNOT_START[reason] then
    local why = text(state.message) and M.short(state.message) or reason
    return { level = "bad", text = "it cannot be started: " .. why }
  end
end

-- What is wrong with one container: { level, text } or nil.
local function container_problem(container)
  local state = map(container.state)
  local terminated, last = map(state.terminated), map(map(container.lastState).terminated)
  local restarts = math.tointeger(container.restartCount) or 0
  if state.waiting then return waiting(container, map(state.waiting)) end
  local code = math.tointeger(terminated.exitCode)
  if code and code ~= 0 then
    return { level = "bad", crash = true, text = "it ended with " .. ended(terminated) }
  end
  local failed = math.tointeger(last.exitCode)
  if state.running and container.ready ~= true and restarts > 1 and failed and failed ~= 0 then
    return crashes(container, last)
  end
  if state.running and container.ready ~= true then return { level = "note", unready = true } end
end

local function containers_problem(pod)
  local s = map(pod.status)
  for _, group in ipairs { { s.initContainerStatuses, "init container" }, { s.containerStatuses, "container" } } do
    for _, container in ipairs(map(group[1])) do
      local problem = container_problem(container)
      -- An init container that runs is not "ready" and not meant to be.
      if problem and not (problem.unready and group[1] == s.initContainerStatuses) then
        problem.container = container.name
        problem.prefix = ("%s %s: "):format(group[2], container.name)
        return problem
      end
    end
  end
end

local function unscheduled(pod)
  for _, c in ipairs(map(map(pod.status).conditions)) do
    if c.type == "PodScheduled" and c.status == "False" then
      if c.reason == "SchedulingGated" then return { level = "note", text = "it waits for its scheduling gates" } end
      return { level = "bad", unscheduled = true, text = "it cannot be scheduled: " .. M.short(c.message) }
    end
  end
end

-- What is wrong with a Pod by its own status: { level, text, prefix, … } or nil. `pending`: nothing that it
-- says itself, and yet it does not start; its events may tell.
function M.problem(pod)
  local s = map(pod.status)
  if s.phase == "Succeeded" then return nil end
  local problem = unscheduled(pod) or containers_problem(pod)
  if s.phase == "Failed" then
    -- Whoever made it makes another one.
    problem = problem or { text = "it failed: " .. M.short(text(s.message) or text(s.reason) or "no reason is given") }
    problem.level = "note"
  end
  if problem then return problem end
  if s.phase == "Pending" then return { level = "note", pending = true } end
end

return M
