--- The shipped Lua modules in plain Lua, and a ctx whose time is a number: what waits is tested without waiting.

local scripts = {}

local list_meta = {}
local null = setmetatable({}, { __tostring = function() return "null" end })

local function list(t) return setmetatable(t or {}, list_meta) end
local function is_list(t) return type(t) == "table" and (getmetatable(t) == list_meta or #t > 0) end

local function load_module(loaded, name)
  if loaded[name] then return loaded[name] end
  local path = "scripts/" .. name:gsub("%.", "/") .. ".lua"
  local env = setmetatable({ null = null, list = list, is_list = is_list,
    require = function(other) return load_module(loaded, other) end }, { __index = _G })
  loaded[name] = assert(loadfile(path, "t", env))()
  return loaded[name]
end

--- A function like `require` in a script: module "lib.status".
function scripts.loader()
  local loaded = {}
  return function(name) return load_module(loaded, name) end
end

scripts.list, scripts.null = list, null

--- What an API refusal is in a script.
function scripts.refusal(status, message, causes)
  return { code = "refused", status = status, reason = "Invalid", message = message,
    details = { causes = causes and list(causes) } }
end

local methods = {}

function methods:clock() return self.now end
function methods:sleep(seconds) self.now = self.now + seconds end
function methods:line(format, ...) self.lines[#self.lines + 1] = format:format(...) end
function methods:warn(format, ...) self.warnings[#self.warnings + 1] = format:format(...) end
function methods:fail(format, ...) error(format:format(...), 0) end
function methods:changed(outcome) self.counts[#self.counts + 1] = outcome end
function methods:copy(value) return scripts.loader()("lib.object").copy(value) end

function methods:try(fn)
  local results = table.pack(pcall(fn))
  if results[1] then return table.unpack(results, 2, results.n) end
  if type(results[2]) == "table" and results[2].code then return nil, results[2] end
  error(results[2], 0)
end

-- What is there at this time: the last step of the timeline that has come.
local function present(self)
  local last
  for _, step in ipairs(self.timeline) do
    if step.at <= self.now then last = step end
  end
  return last
end

local function of_step(step)
  if not step or step.gone then return nil end
  if step.refusal then error(step.refusal, 0) end
  return step.object
end

function methods:get(ref)
  local other = self.others[ref.kind .. "/" .. tostring(ref.name)]
  if other then return other end
  return of_step(present(self))
end

function methods:next_change(_, _, seconds)
  for _, step in ipairs(self.timeline) do
    if step.at > self.now and step.at <= self.now + seconds then
      self.now = step.at
      local object = of_step(step)
      return object, object == nil and "deleted" or nil
    end
  end
  self.now = self.now + seconds
  return nil, "timeout"
end

function methods:list(target, options)
  self.queries[#self.queries + 1] = target.kind .. "?" .. options.query
  local found = self.lists[target.kind]
  if type(found) == "function" then found = found(options.query, self.now) end
  return list(found or {})
end

--- A ctx: timeline = { { at = seconds, object = …, gone = true, refusal = … } … } of the object that is waited for,
-- lists = { Pod = { … } or function(query, now) }, others = { ["StorageClass/x"] = object }.
function scripts.ctx(fields)
  local ctx = { now = 1000, timeline = {}, lists = {}, others = {}, lines = {}, warnings = {}, counts = {}, queries = {},
    request = {} }
  for key, value in pairs(fields or {}) do ctx[key] = value end
  for _, step in ipairs(ctx.timeline) do step.at = step.at + 1000 end
  return setmetatable(ctx, { __index = methods })
end

return scripts
