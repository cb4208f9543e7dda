-- testing/specs.lua: as much of busted and luassert as specs of scripts need, for a cell, where busted cannot be:
-- describe it pending setup teardown before_each after_each, and assert.<word>.
local object = require "lib.object"

local M = {}

local function shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" or value == null then return value == null and "null" or tostring(value) end
  local parts = {}
  for key, inner in next, value do parts[#parts + 1] = ("%s = %s"):format(tostring(key), shown(inner)) end
  table.sort(parts)
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- Each: is it so, and the sentence where it is not.
local CHECKS = {
  equal = function(expected, passed) return expected == passed, shown(passed) .. " is not " .. shown(expected) end,
  same = function(expected, passed)
    return object.equal(expected, passed), shown(passed) .. " is not the same as " .. shown(expected)
  end,
  truthy = function(value) return value, shown(value) .. " is not truthy" end,
  falsy = function(value) return not value, shown(value) .. " is not falsy" end,
  ["true"] = function(value) return value == true, shown(value) .. " is not true" end,
  ["false"] = function(value) return value == false, shown(value) .. " is not false" end,
  ["nil"] = function(value) return value == nil, shown(value) .. " is not nil" end,
  matches = function(pattern, text, from, plain)
    return type(text) == "string" and text:find(pattern, from or 1, plain), shown(text) .. " does not match " .. pattern
  end,
  error = function(fn, expected)
    local ok, err = pcall(fn)
    local is = not ok and (expected == nil or object.equal(expected, err))
    return is, ok and "nothing was raised" or shown(err) .. " was raised"
  end,
}
for _, name in ipairs { "string", "number", "table", "boolean", "function" } do
  CHECKS[name] = function(value) return type(value) == name, shown(value) .. " is no " .. name end
end
CHECKS.equals, CHECKS.match, CHECKS.errors = CHECKS.equal, CHECKS.matches, CHECKS.error

local FILLERS = { is = true, are = true, was = true, has = true, does = true, be = true }
local NEGATIONS = { ["not"] = true, no = true }

-- assert.is_not_nil, assert.is_not.equal: words that negate, words that only read well, and a check.
local function chain(said)
  local negated, name = false, nil
  for word in said:gmatch("[^_]+") do
    if NEGATIONS[word] then negated = not negated
    elseif not FILLERS[word] then name = name and name .. "_" .. word or word end
  end
  return setmetatable({}, {
    __index = function(_, more) return chain(said .. "_" .. more) end,
    __call = function(_, ...)
      local check = CHECKS[name] or error(("assert.%s is not known in a cell"):format(said), 2)
      local is, why = check(...)
      if (is and true or false) == negated then
        error({ failed = negated and ("not expected: assert.%s(%s)"):format(said, shown((...))) or why }, 0)
      end
      return ...
    end,
  })
end

local plain_assert = assert
M.assert = setmetatable({}, {
  __index = function(_, word) return chain(word) end,
  __call = function(_, ...) return plain_assert(...) end,
})

-- ---- running

-- A block: its name, what runs around each spec below it, and the block around it.
local block = { before = {}, after = {}, last = {} }
local counts = { passed = 0, failed = 0 }
local names = {}

local function fail(name, err)
  counts.failed = counts.failed + 1
  local why = type(err) == "table" and err.failed or tostring(err)
  print(("failed: %s\n  %s"):format(name, why))
end

local function run_before(at)
  if at.outer then run_before(at.outer) end
  for _, hook in ipairs(at.before) do hook() end
end

local function run_after(at)
  for _, hook in ipairs(at.after) do hook() end
  if at.outer then run_after(at.outer) end
end

function M.describe(name, fn)
  local outer = block
  block = { before = {}, after = {}, last = {}, outer = outer }
  names[#names + 1] = name
  local ok, err = pcall(fn)
  for _, hook in ipairs(block.last) do
    local fine, why = pcall(hook)
    if not fine then fail(table.concat(names, " "), why) end
  end
  if not ok then fail(table.concat(names, " "), err) end
  names[#names] = nil
  block = outer
end

function M.it(name, fn)
  local here = block
  local ok, err = pcall(function()
    run_before(here)
    fn()
  end)
  local fine, why = pcall(run_after, here)
  if ok and fine then
    counts.passed = counts.passed + 1
  else
    fail(table.concat(names, " ") .. " " .. name, ok and why or err)
  end
end

function M.pending() end
function M.before_each(fn) block.before[#block.before + 1] = fn end
function M.after_each(fn) block.after[#block.after + 1] = fn end
function M.setup(fn) fn() end
function M.teardown(fn) block.last[#block.last + 1] = fn end
M.lazy_setup, M.lazy_teardown = M.setup, M.teardown
M.context, M.insulate, M.expose, M.spec, M.test = M.describe, M.describe, M.describe, M.it, M.it

M.counts = counts

return M
