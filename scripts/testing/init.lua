-- testing/init.lua: the module `moonsail.testing` for specs of scripts: a ctx over a cluster in memory. The same
-- under busted and in a cell. It is called with what differs there: read(path) → text or nil, load(path) → what
-- the script returns, folders (of scripts, the last one wins), here (the spec's folder).
local cluster = require "testing.cluster"
local core = require "testing.core"
local json = require "testing.json"
local object = require "lib.object"
local store = require "testing.store"

local Test = {}
Test.__index = Test

-- ---- what is in the cluster

-- Puts an object as it is, unchecked, or takes its place. Returns it as the cluster has it.
function Test:put(obj) return object.copy(cluster.put(self.cluster, obj, self.request.namespace)) end

-- Takes an object away at once.
function Test:remove(target) cluster.remove(self.cluster, target, self.request.namespace) end

-- The object as the cluster has it now, or nil. Not among the calls.
function Test:get(target)
  local kind = cluster.kind(self.cluster, target.apiVersion, target.kind)
  local meta = target.metadata or target
  local ns = kind.namespaced and (meta.namespace or self.request.namespace) or ""
  return store.get(kind.key, ns, meta.name)
end

-- The next `times` (1) calls of a verb (get list create update patch apply delete evict) of such an object
-- fail: with = { status, reason, message, details, code }. A target without kind or name means all.
function Test:fail(verb, target, with, times)
  self.failures[#self.failures + 1] = { verb = verb, target = target, with = with, left = times or 1 }
end

-- ---- running a script

-- The version that the host would send: the object's own, else the first of the resource that is served.
local function version_for(self, resource, obj)
  if cluster.kind(self.cluster, obj.apiVersion, obj.kind) then return obj.apiVersion end
  local group = obj.apiVersion:match("^.*/") or ""
  for _, version in ipairs(resource and resource.versions or {}) do
    if (version:match("^.*/") or "") == group and cluster.kind(self.cluster, version, obj.kind) then return version end
  end
  error(('no matches for kind "%s" in version "%s"'):format(obj.kind, obj.apiVersion), 0)
end

-- Applies an object as the host applies a document of a manifest; `base` is what an edit began with. Returns
-- "created", "configured", "unchanged" or "deleted". Raises what a person would read of a refusal.
function Test:apply(resource, obj, base)
  obj = json.carry(obj, "the object")
  local version = version_for(self, resource, obj)
  local kind = cluster.kind(self.cluster, version, obj.kind)
  local outcome = require("lib.apply").document(self.ctx, {
    object = obj, base = base and json.carry(base, "the base"), version = version, index = 0, resource = resource,
    namespace = kind.namespaced and (obj.metadata.namespace or self.request.namespace) or "",
  })
  self.counts[outcome] = (self.counts[outcome] or 0) + 1
  return outcome
end

-- The text of whatever `fn` fails with, without "file:line: "; nil where it does not fail.
local function failure(fn)
  local ok, err = pcall(fn)
  if ok then return nil end
  return (tostring(err):gsub("^[^\n]-%.lua:%d+: ", ""))
end

local IS = {
  string = function(value) return type(value) == "string" end,
  integer = function(value) return math.type(value) == "integer" end,
  number = function(value) return type(value) == "number" end,
  boolean = function(value) return type(value) == "boolean" end,
  list = function(value) return type(value) == "table" and (is_list(value) or next(value) == nil) end,
  object = function(value) return type(value) == "table" and not is_list(value) end,
}

local function is_one_of(value, allowed)
  for _, one in ipairs(allowed or { value }) do
    if object.equal(one, value) then return true end
  end
  return false
end

-- The inputs that a flow gets: what is given, and the defaults of the others.
local function inputs_of(flow, given)
  local input = json.carry(given or {}, "the input")
  for name in next, input do
    if not (flow.input and flow.input[name]) then error(("this flow has no input %q"):format(name), 0) end
  end
  for name, parameter in next, flow.input or {} do
    if input[name] == nil then input[name] = json.carry(parameter.default) end
    if input[name] == nil then
      if parameter.required then error(("input %s is missing"):format(name), 0) end
    elseif not IS[parameter.type](input[name]) then
      error(("input %s must be of the type %s"):format(name, parameter.type), 0)
    elseif not is_one_of(input[name], parameter.enum) then
      error(("input %s must be one of its enum"):format(name), 0)
    end
  end
  return input
end

-- Runs a flow on an object that is in the cluster, and then what it has deferred. Returns its summary, where it
-- has one. Raises what a person would read of its failure.
function Test:flow(flow, input, target)
  local ref = object.ref(target)
  ref.namespace = ref.namespace or cluster.kind(self.cluster, ref.apiVersion, ref.kind).namespaced
    and self.request.namespace or nil
  self.deferred = {}
  local shared, inputs = require("lib.flow"), inputs_of(flow, input)
  local ok, result = pcall(shared.run, flow, self.ctx, ref, inputs)
  shared.clean_up(self.ctx, self.deferred)
  if not ok then error(result, 0) end
  return result
end

local WEEKDAY, TIME = "thursday", "2026-01-01T00:00:00.000Z"

-- nothing, a verdict or a list of them → a list of { verdict, level, field, message }; the level as the host has it.
local function verdicts_of(guardrail, answer)
  local found = {}
  for i, said in ipairs(not answer and {} or answer.verdict and { answer } or answer) do
    local warns = said.verdict == "warn" and guardrail.level == "deny"
    found[i] = { verdict = said.verdict, level = warns and "warn" or guardrail.level, field = said.field or "",
      message = said.message }
  end
  return found
end

-- What a guardrail says to an object: a list of { verdict, level, field, message }. `req` replaces fields of
-- the request that it gets.
function Test:check(guardrail, obj, req)
  obj = json.carry(obj, "the object")
  local live = self:get(obj)
  local ns = obj.metadata.namespace or self.request.namespace
  local full = {
    user = self.user.name, role = self.user.role, context = self.request.context, dry_run = self.dry_run,
    namespace = ns, action = live and "update" or "create", live = live,
    time = { unix = store.time(TIME) // 1000, iso = TIME, weekday = WEEKDAY, hour = 0, minute = 0, zone = "UTC" },
    bundle = {
      { apiVersion = obj.apiVersion, kind = obj.kind, namespace = ns, name = obj.metadata.name, index = 0 },
    },
  }
  for key, value in next, req or {} do full[key] = value end
  return verdicts_of(guardrail, guardrail.check(full, obj))
end

local function new(options)
  options = options or {}
  local self = setmetatable({
    lines = {}, warnings = {}, phases = {}, log = {}, calls = {}, conflicts = {}, remembered = {}, failures = {},
    executed = {}, deferred = {}, commands = options.commands or {}, logs = options.logs or {},
    counts = { created = 0, configured = 0, unchanged = 0, deleted = 0 }, slept = 0,
    dry_run = options.dry_run == true, may = options.may or {}, on_sleep = options.on_sleep,
    user = options.user or { name = "tester", role = "admin" }, is_cancelled = options.cancelled == true,
    request = { namespace = "default", context = "test", resource = "", action = "apply", intent = "apply-yaml",
      name = "", userAction = "", propagation = "", force = false, recreate = false, wait = false, timeout = 300,
      leave = {}, allowClusterWide = true },
    cluster = cluster.new(options),
  }, Test)
  for key, value in next, options.request or {} do self.request[key] = value end
  self:put { apiVersion = "v1", kind = "Namespace", metadata = { name = self.request.namespace },
    spec = { finalizers = { "kubernetes" } }, status = { phase = "Active" } }
  for _, obj in ipairs(options.objects or {}) do self:put(obj) end
  self.ctx = require("lib.ctx")(core.new(self), {
    request = self.request, user = self.user, dry_run = self.dry_run,
  })
  return self
end

-- ---- the module

local WHERE = { resource = "resources", flow = "flows", guardrail = "guardrails" }

return function(host)
  local M = { new = new, failure = failure, list = list, is_list = is_list, null = null }

  -- The first file of that name: of the folders (the last one wins), then of the shipped ones.
  local function find(below, name)
    for i = #host.folders, 1, -1 do
      local path = ("%s/%s/%s.lua"):format(host.folders[i], below, name)
      if host.read(path) then return path end
    end
    local path = ("%s/%s/%s.lua"):format(host.shipped, below == "resources" and below or "scripts/" .. below, name)
    return host.read(path) and path
  end

  -- testing.resource("leases"), testing.flow("restart"), testing.guardrail("pin-image-tags"): what the file of
  -- that name declares.
  for word, below in next, WHERE do
    M[word] = function(name)
      local path = find(below, name)
      if not path then error(("there is no %s %q in the folders' %s/"):format(word, name, below), 2) end
      local declaration = host.load(path)
      if type(declaration) ~= "table" then error(("%s returns no declaration"):format(path), 2) end
      return declaration
    end
  end

  -- A module of the scripts: testing.lib("pdb") is what require "lib.pdb" gives them.
  function M.lib(name) return require("lib." .. name) end

  -- A recorded object: a table, or a JSON file beside the spec (kubectl get -o json).
  function M.object(what)
    if type(what) == "table" then return json.carry(what) end
    local path = host.here .. "/" .. what
    local text = host.read(path) or error(("%s cannot be read"):format(path), 2)
    local ok, value = pcall(json.read, text)
    if not ok then error(("%s: %s"):format(path, value), 2) end
    return value
  end

  return M
end
