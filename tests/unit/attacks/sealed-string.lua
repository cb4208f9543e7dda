-- ends: fine
-- No way to what all scripts share through a string, a library or a global.
assert(not pcall(setmetatable, "", {}))
assert(not pcall(function()
  string.format = nil -- luacheck: ignore
end))
assert(not pcall(function()
  string.mine = print -- luacheck: ignore
end))
assert(not pcall(function()
  mine = print -- luacheck: ignore
end))
assert(type(string.format) == "function")
assert(("x"):upper() == "X")
