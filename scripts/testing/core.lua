-- testing/core.lua: the host's primitives under lib/ctx.lua, over a cluster in memory. What they are asked is
-- recorded in a test (testing/init.lua).
local cluster = require "testing.cluster"
local diff = require "testing.diff"
local object = require "lib.object"
local store = require "testing.store"
local tasks = require "testing.tasks"

local M = {}

local CODES = { [400] = "bad_request", [401] = "unauthorized", [403] = "forbidden", [404] = "not_found",
  [409] = "conflict", [413] = "too_large", [429] = "busy", [503] = "unavailable", [504] = "timeout" }
local LONGEST = 86400 -- seconds: who sleeps longer waits for what no spec puts
local OUTCOMES = { created = true, configured = true, unchanged = true, deleted = true }
local ACTIONS = { apply = "update", patch = "update", evict = "delete" }

local api_error = { __tostring = function(err) return err.message end, __metatable = false }

-- Raises what scripts get of a refusal: { code, status, reason, message, details }.
local function raise(code, status, reason, message, details)
  error(setmetatable({ code = code, status = status, reason = reason, message = message, details = details },
    api_error), 0)
end

-- Does a scripted failure mean this call?
local function meets(failure, verb, target)
  if failure.verb ~= verb or failure.left == 0 then return false end
  local wanted, name = failure.target, (target.metadata or target).name
  return not wanted or (wanted.kind == nil or wanted.kind == target.kind)
    and ((wanted.metadata or wanted).name == nil or (wanted.metadata or wanted).name == name)
end

local function fail_as_told(test, verb, target)
  for _, failure in ipairs(test.failures) do
    if meets(failure, verb, target) then
      failure.left = failure.left - 1
      local with = failure.with
      raise(with.code or CODES[with.status] or "failed", with.status or 0, with.reason or "",
        with.message or "it fails, as the spec says", with.details)
    end
  end
end

-- As the gate does: what may create needs both permissions, but for a body whose uid keeps it from creating.
local function check_permission(test, verb, resource, body, subresource)
  local action = subresource == "scale" and "scale" or ACTIONS[verb] or verb
  if (verb == "apply" or verb == "update") and test.may[action] ~= false and not (body.metadata or {}).uid then
    action = "create"
  end
  if test.may[action] == false then
    raise("forbidden", 0, "", ("%s may not %s %s"):format(test.user.name, action, resource))
  end
end

local function request(test, verb, target, body, options)
  options = options or {}
  local called = verb == "update" and options.content_type and "patch" or verb
  if options.subresource == "eviction" then called = "evict" end
  local kind = cluster.kind(test.cluster, target.apiVersion, target.kind)
  local meta = target.metadata or target
  local ns = meta.namespace or test.request.namespace
  if kind and not kind.namespaced or verb == "list" and ns == "*" then ns = "" end
  test.calls[#test.calls + 1] = {
    verb = called, ref = verb == "list" and target.kind or object.text(target), namespace = ns,
    body = object.copy(body), subresource = options.subresource, query = options.query,
  }
  fail_as_told(test, called, target)
  check_permission(test, called, kind and kind.plural or target.kind, body, options.subresource)
  local ok, answer, status = pcall(cluster.request, test.cluster, verb, target, body, {
    content_type = options.content_type, query = options.query, subresource = options.subresource,
    namespace = ns, dry_run = test.dry_run,
    warn = function(text) test.warnings[#test.warnings + 1] = "Warning: " .. text end,
  })
  if ok then return answer, status end
  if type(answer) ~= "table" or not answer.status_code then error(answer, 0) end
  if options.missing_is_nil and answer.status_code == 404 then return nil end
  local said = answer.body
  raise(CODES[said.code] or "failed", said.code, said.reason, said.message, said.details)
end

-- The primitives of a test.
function M.new(test)
  local core = {}

  function core.request(verb, target, body, options) return request(test, verb, target, body, options) end

  function core.may(action) return test.may[action] ~= false end

  function core.line(stream, text)
    local said = stream == "stderr" and test.warnings or test.lines
    said[#said + 1] = text
  end

  function core.phase(name, detail, progress, total)
    test.phases[#test.phases + 1] = { name = name, detail = detail or "", progress = progress or 0,
      total = total or 0 }
  end

  function core.changed(outcome)
    if not OUTCOMES[outcome] then error("created, configured, unchanged or deleted", 0) end
    test.counts[outcome] = test.counts[outcome] + 1
  end

  function core.conflict(field, manager, live, since)
    test.conflicts[#test.conflicts + 1] = { field = field, manager = manager, live = live, since = since }
  end

  function core.remember(before, after)
    test.remembered[#test.remembered + 1] = { before = object.copy(before), after = object.copy(after) }
  end

  function core.diff(before, after) return diff(before, after) end

  function core.log(text) test.log[#test.log + 1] = text end

  function core.now()
    store.use(test.cluster.store)
    return store.date(select(2, store.now()))
  end

  function core.clock() return test.slept end

  function core.sleep(seconds)
    if type(seconds) ~= "number" or seconds < 0 or seconds > 3600 then error("0 to 3600 seconds", 0) end
    test.cluster.store.slept = test.cluster.store.slept + seconds
    test.slept = test.slept + seconds
    if test.slept > LONGEST then error("it sleeps for more than a day: what it waits for never comes", 0) end
    if test.on_sleep then test:on_sleep(test.slept) end
  end

  function core.cancelled() return test.is_cancelled end

  function core.raise(message) raise("failed", 0, "", message) end

  tasks.add(core, test, raise)

  -- A primitive that is newer than this module is named, where nil would only be called.
  return setmetatable(core, { __index = function(_, name)
    error(("moonsail.testing does not know core.%s yet"):format(tostring(name)), 2)
  end })
end

return M
