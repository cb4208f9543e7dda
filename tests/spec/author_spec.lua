-- What somebody who writes scripts has: moonsail new, check, test.

local support = require "tests.spec.support"

local cli = support.cli
local here = assert(io.popen "pwd"):read "l"

-- Debian's plain Lua modules for busted are found without a LUA_PATH.
local function test(folder, ...) return cli({ "test", folder, ... }, { limit = support.seconds(60) }) end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- A folder with one resource, and a spec of it with this body.
local function folder_with(body, resource)
  return support.tree {
    ["resources/gears.lua"] = resource or [[
return resource { name = "gears", kind = "Gear", versions = { "example.com/v1" }, help = "Turns.",
  validate = function(obj) if obj.spec.teeth == 13 then return "thirteen teeth bring bad luck" end end }
]],
    ["resources/gears_spec.lua"] = "local testing = require 'moonsail.testing'\n" .. [[
local function gear(teeth)
  return { apiVersion = "example.com/v1", kind = "Gear", metadata = { name = "one" }, spec = { teeth = teeth } }
end
describe("gears", function()
  it("turn", function()
    local gears = testing.resource "gears"
    local t = testing.new()
]] .. body .. "\n  end)\nend)\n",
  }
end

-- Under busted and in a cell: what ran, and how it ended.
local function both(folder, code, ...)
  for _, flags in ipairs { {}, { "--cell" } } do
    local result = test(folder, table.unpack(flags))
    assert.equal(code, result.code, result.stdout .. result.stderr)
    for _, words in ipairs { ... } do assert.matches(words, result.stdout, 1, true) end
  end
end

describe("moonsail new", function()
  it("writes a script and a spec that are right as they are", function()
    local folder = support.tree()
    for _, kind in ipairs { "resource", "flow", "guardrail" } do
      local result = cli { "new", kind, "tidy-ups", folder .. "/mine" }
      assert.equal(0, result.code, result.stderr)
      assert.matches(("wrote %s/mine/%ss/tidy-ups.lua"):format(folder, kind), result.stdout, 1, true)
      assert.matches("moonsail test " .. folder .. "/mine\n", result.stdout, 1, true)
    end
    assert.matches('name = "tidy%-ups",.*kind = "TidyUp"', read(folder .. "/mine/resources/tidy-ups.lua"))
    assert.matches('label = "Tidy ups"', read(folder .. "/mine/flows/tidy-ups.lua"), 1, true)
    local checked = cli { "check", folder .. "/mine" }
    assert.equal(0, checked.code, checked.stderr)
    both(folder .. "/mine", 0)
  end)

  it("writes over nothing", function()
    local folder = support.tree { ["flows/drain_spec.lua"] = "-- mine" }
    local result = cli { "new", "flow", "drain", folder }
    assert.equal(2, result.code)
    assert.matches("drain_spec.lua is there already", result.stderr, 1, true)
    assert.is_nil(io.open(folder .. "/flows/drain.lua"))
    assert.equal("-- mine", read(folder .. "/flows/drain_spec.lua"))
  end)

  it("goes where the configuration says that scripts lie, else into this folder", function()
    local folder = support.tree { ["config.yaml"] = "scripts: [ours, theirs]\n" }
    assert.equal(0, cli({ "new", "resource", "gears", "--config", folder .. "/config.yaml" }).code)
    assert.matches("Gear", read(folder .. "/ours/resources/gears.lua"))
    assert.equal(0, cli({ "new", "resource", "gears" }, { cwd = folder }).code)
    assert.matches("Gear", read(folder .. "/resources/gears.lua"))
  end)

  it("says what a kind and a name are", function()
    assert.matches('"plugin" is no kind of script: resource, flow or guardrail', cli({ "new", "plugin", "x" }).stderr, 1, true)
    assert.matches('"../x" is no name: small letters', cli({ "new", "flow", "../x" }).stderr, 1, true)
    assert.equal(2, cli({ "new", "flow" }).code)
  end)
end)

describe("moonsail test", function()
  it("runs a spec over a cluster in memory, under busted and in the host's own sandbox", function()
    both(folder_with [[
    assert.equal("created", t:apply(gears, gear(12)))
    assert.equal(12, t:get(gear()).spec.teeth)
    assert.equal("thirteen teeth bring bad luck", testing.failure(function() t:apply(gears, gear(13)) end))
]], 0, "1 ")
  end)

  it("exits 1 with the name of a spec that fails, and what it found", function()
    both(folder_with [[assert.equal("created", "unchanged")]], 1, "gears turn", "unchanged")
    both(folder_with [[assert.has_error(function() t:apply(gears, gear(12)) end)]], 1, "gears turn")
    both(folder_with [[t:apply(gears, gear(13))]], 1, "thirteen teeth bring bad luck")
    both(folder_with [[this is no Lua]], 1, "gears_spec.lua")
  end)

  it("gives scripts no more than the host does", function()
    for _, name in ipairs { "io", "os", "debug", "load", "coroutine", "string.dump" } do
      both(folder_with([[assert.is_nil(gears.ready())]], ([[
return resource { name = "gears", kind = "Gear", help = "Turns.", ready = function() return %s end }]]):format(name)), 0)
    end
    both(folder_with([[assert.matches("global 'x' cannot be set", testing.failure(gears.ready), 1, true)]],
      [[return resource { name = "gears", kind = "Gear", help = "Turns.", ready = function() x = 1 end }]]), 0)
  end)

  it("has a limit on a script that waits for what never comes", function()
    both(folder_with([[t:apply(gears, gear(1))]], [[
return resource { name = "gears", kind = "Gear", versions = { "example.com/v1" }, help = "Turns.",
  apply = function(ctx) while true do ctx:sleep(60) end end }]]), 1, "sleeps for more than a day")
    local result = test(folder_with [[while true do end]], "--cell")
    assert.equal(1, result.code)
    assert.matches("ended after 10 s of CPU", result.stdout, 1, true)
  end)

  it("reads recorded objects beside the spec, lists and null as they are", function()
    local folder = folder_with [[
    local recorded = testing.object "gear.json"
    t:put(recorded)
    local live = t:get(recorded)
    assert.is_true(testing.is_list(live.spec.empty))
    assert.equal(testing.null, live.spec.none)
    assert.equal("ä\n😀", live.spec.text)
    assert.equal(9007199254740993, live.spec.large)
    assert.matches("line 1: ", testing.failure(function() testing.object "bad.json" end), 1, true)
]]
    local function write(name, text)
      local file = assert(io.open(folder .. "/resources/" .. name, "w"))
      file:write(text)
      file:close()
    end
    write("gear.json", [[{"apiVersion":"example.com/v1","kind":"Gear","metadata":{"name":"one"},
      "spec":{"empty":[],"none":null,"text":"\u00e4\n\ud83d\ude00","large":9007199254740993}}]])
    write("bad.json", "{")
    both(folder, 0)
  end)

  it("refuses a folder whose scripts do not pass the check", function()
    local folder = folder_with("", [[return resource { name = "gears", kind = "Gear", hlep = "Turns." }]])
    local result = test(folder)
    assert.equal(1, result.code)
    assert.matches('gears.lua:1: unknown field "hlep", did you mean "help"?', result.stderr, 1, true)
  end)

  it("says which package is missing, and what works without it", function()
    local folder = folder_with ""
    -- Without it the specs' own support starts nothing.
    assert(os.execute("ln -s \"$(command -v setpriv)\" " .. folder))
    local result = cli({ "test", folder }, { env = { PATH = folder } })
    assert.equal(2, result.code)
    assert.matches("lua5.4 is not installed: apt install lua5.4", result.stderr, 1, true)
    assert.matches("moonsail test --cell", result.stderr, 1, true)
  end)

  it("finds no spec where there is none", function()
    local result = test(support.tree())
    assert.equal(2, result.code)
    assert.matches("moonsail new writes one", result.stderr, 1, true)
  end)
end)

describe("the shipped scripts", function()
  it("hold what their specs say, under busted and in a cell", function()
    both(here .. "/tests/scripts", 0)
  end)

  it("and so do the examples", function()
    both(here .. "/examples/scripts", 0)
  end)
end)

describe("what is written about scripts", function()
  local types, readme = read(here .. "/scripts/moonsail.d.lua"), read(here .. "/scripts/README.md")

  local function names_in(text, pattern)
    local names = {}
    for name in text:gmatch(pattern) do names[name] = true end
    return names
  end

  -- Both have the same names; what one lacks is said.
  local function same(these, those, of_these, of_those)
    for name in pairs(these) do assert.is_true(those[name], ("%s of %s is not in %s"):format(name, of_these, of_those)) end
    for name in pairs(those) do assert.is_true(these[name], ("%s of %s is not in %s"):format(name, of_those, of_these)) end
  end

  local function methods_of(object)
    local names = {}
    for name, value in pairs(object) do
      if type(value) == "function" and name:sub(1, 1) ~= "_" then names[name] = true end
    end
    return names
  end

  local testing = require "scripts.moonsail.testing"

  it("has every method of ctx, and no other", function()
    local methods = methods_of(testing.new().ctx)
    same(methods, names_in(types, "\nfunction ctx:([%w_]+)"), "ctx", "moonsail.d.lua")
    same(methods, names_in(readme:match "\n## ctx\n(.-)\n## ", "`?ctx:([%w_]+)%("), "ctx", "README.md")
  end)

  it("has every part of moonsail.testing, and no other", function()
    local t = testing.new()
    same(methods_of(getmetatable(t)), names_in(types, "\nfunction Test:([%w_]+)"), "a test", "moonsail.d.lua")
    local fields = names_in(types:match "%-%-%-@class moonsail.Test\n(.-)\nlocal Test", "%-%-%-@field ([%w_]+)")
    for name in pairs(fields) do assert.is_not_nil(t[name], name) end
    local spec = readme:match "\n## A spec\n(.-)\n## "
    for name in pairs(fields) do
      if name ~= "ctx" then assert.matches("t." .. name, spec, 1, true) end
    end
    local module = methods_of(testing)
    module.list, module.is_list = nil, nil -- fields there, as they are no methods
    same(module, names_in(types, "\nfunction testing%.([%w_]+)"), "moonsail.testing", "moonsail.d.lua")
    for name in pairs(methods_of(getmetatable(t))) do assert.matches("t:" .. name .. "(", spec, 1, true) end
    for name in pairs(module) do assert.matches("testing." .. name, spec, 1, true) end
  end)

  it("has every field that a declaration may have, and no other", function()
    local source = read(here .. "/core/script/pack-declare.c")
    for _, word in ipairs { "resource", "flow", "guardrail" } do
      local fields = names_in(source:match(("struct field %s_fields%%[%%] = {(.-)\n};"):format(word)), '{"([%w_]+)", FIELD_')
      local class = "moonsail." .. word:sub(1, 1):upper() .. word:sub(2)
      local typed = names_in(types:match(("@class %s\n(.-)\n\n"):format(class:gsub("%.", "%%."))), "@field ([%w_]+)")
      same(fields, typed, word, class)
    end
  end)

  it("has every global that scripts have beyond Lua's own, and they have it", function()
    local source = read(here .. "/.luacheckrc"):match("local script = {(.-)\n  },")
    local globals, own = names_in(source, '"([%w_]+)"'), {}
    for name in pairs(globals) do
      if name == "warn" or _G[name] == nil then own[name] = true end
    end
    local declared = names_in(types, "\nfunction ([%w_]+)%(")
    for name in pairs(names_in(types, "\n([%w_]+) = ")) do declared[name] = true end
    same(own, declared, ".luacheckrc", "moonsail.d.lua")
    local names = {}
    for name in pairs(globals) do names[#names + 1] = ("%s = type(%s)"):format(name, name) end
    both(folder_with([[for name, kind in pairs(gears.ready()) do assert.is_not_equal("nil", kind, name) end]], ([[
return resource { name = "gears", kind = "Gear", help = "Turns.", ready = function() return { %s } end }
]]):format(table.concat(names, ", "))), 0)
  end)

  it("shows examples that pass the check, and a spec that passes", function()
    local files, more, count = {}, {}, 0
    for code in readme:gmatch "\n```lua\n(.-)\n```" do
      local word = code:match "^return (%l+) {"
      count = count + 1
      local path = word and ("%ss/%s.lua"):format(word, code:match 'name = "([%l-]+)"')
      if path then more[path], files[path] = files[path], code end
      if code:find("describe", 1, true) then files["resources/leases_spec.lua"] = code end
    end
    assert.is_true(count >= 5)
    local folder = support.tree(files)
    local checked = cli { "check", folder, support.tree(more) }
    assert.equal(0, checked.code, checked.stderr)
    both(folder, 0)
  end)
end)
