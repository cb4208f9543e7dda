-- moonsail/testing.lua: what a spec under busted requires: scripts are loaded into a world like the host's.
-- `moonsail test` puts this folder on LUA_PATH and names the folders of scripts in MOONSAIL_SCRIPTS.
local cjson = require "cjson"

local SHIPPED = debug.getinfo(1, "S").source:match("^@(.*)/scripts/moonsail/testing%.lua$") or "."

local LIST = { __metatable = "list", __name = "list" }
local REFUSED = { "__gc", "__close", "__mode", "__len" }

local globals = { null = cjson.null, print = print, utf8 = utf8, math = math }

-- A table of a library without what the sandbox takes out.
local function without(library, names)
  local copy = {}
  for name, value in pairs(library) do copy[name] = value end
  for _, name in ipairs(names) do copy[name] = nil end
  return copy
end

for _, name in ipairs { "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring",
  "type" } do
  globals[name] = _G[name]
end
globals.string = without(string, { "dump", "pack", "packsize", "unpack" })
globals.table = without(table, {})
globals.cjson = { encode = cjson.encode, decode = cjson.decode, null = cjson.null }

function globals.is_list(value) return type(value) == "table" and debug.getmetatable(value) == LIST end

function globals.list(items)
  items = items or {}
  if type(items) ~= "table" then error(("list: a table is wanted, this is a %s"):format(type(items)), 2) end
  if getmetatable(items) and not globals.is_list(items) then error("list: this table has a metatable of its own", 2) end
  return debug.setmetatable(items, LIST)
end

function globals.setmetatable(value, meta)
  for _, event in ipairs(REFUSED) do
    if meta and meta[event] ~= nil then error(("setmetatable: %s is not offered to scripts"):format(event), 2) end
  end
  return setmetatable(value, meta)
end

local env = setmetatable({}, { __index = globals, __metatable = "sealed", __newindex = function(_, name)
  error(("global '%s' cannot be set: scripts share them, make it a local"):format(tostring(name)), 2)
end })

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local function load_file(path)
  local text = read(path) or error(path .. " cannot be read", 0)
  return assert(load(text, "@" .. path, "t", env))
end

for _, word in ipairs { "resource", "flow", "guardrail" } do
  globals[word] = function(declaration)
    if type(declaration) ~= "table" then error(("%s takes one table: %s { name = … }"):format(word, word), 2) end
    return declaration
  end
end
function globals.redact_pattern(pattern)
  if type(pattern) ~= "string" or pattern == "" then error("a pattern of 1 to 4,095 characters", 2) end
end

-- deny(field, its values …, message, its values …), or deny(message, its values …).
local function verdict(word)
  local function directives(text) return select(2, text:gsub("%%%%", ""):gsub("%%", "")) end
  local function text(values, first, last)
    return first == last and values[first] or values[first]:format(table.unpack(values, first + 1, last))
  end
  return function(...)
    local values = table.pack(...)
    local message = 2 + directives(values[1])
    if message > values.n then return { verdict = word, message = text(values, 1, values.n) } end
    return { verdict = word, field = text(values, 1, message - 1), message = text(values, message, values.n) }
  end
end
for _, word in ipairs { "deny", "warn", "approve" } do globals[word] = verdict(word) end

local folders = {}
for folder in (os.getenv("MOONSAIL_SCRIPTS") or "."):gmatch("[^:]+") do folders[#folders + 1] = folder end

-- As in the host: lib.<name>, of the last folder that has it, else the shipped one. And the modules of this one.
local loaded = { ["demo.controllers"] = { touched = function() end } }

local function path_of(module)
  local kind, name = module:match("^(%l+)%.([%w_-]+)$")
  if kind == "lib" then
    for i = #folders, 1, -1 do
      local path = ("%s/lib/%s.lua"):format(folders[i], name)
      if read(path) then return path end
    end
  end
  local ours = kind == "lib" or kind == "demo" or kind == "testing"
  local path = ours and ("%s/scripts/%s/%s.lua"):format(SHIPPED, kind, name)
  return path and read(path) and path
end

function globals.require(module)
  if module == "cjson" then return globals.cjson end
  if loaded[module] == nil then
    local path = path_of(module)
    if not path then
      error(("there is no module %q: scripts can require lib.<name> and cjson"):format(module), 2)
    end
    loaded[module] = load_file(path)() or true
  end
  return loaded[module]
end

globals.store = globals.require "testing.store"

-- The folder of the spec that requires this module: the caller outside of Lua's own `require`.
local function folder_of_spec()
  for level = 3, 20 do
    local info = debug.getinfo(level, "S")
    local folder = info and info.source:match("^@(.*)/[^/]*_spec%.lua$")
    if folder then return folder end
  end
  return "."
end

return globals.require "testing.init" {
  read = read, load = function(path) return load_file(path)() end, folders = folders, shipped = SHIPPED,
  here = folder_of_spec(),
}
