-- ends: fine
-- No way to what all scripts share through a string.
assert(type(getmetatable) == "nil" or getmetatable("") ~= string)
assert(not pcall(setmetatable, "", {}))
assert(not pcall(function()
  string.format = nil
end))
assert(not pcall(function()
  string.mine = print
end))
assert(type(string.format) == "function")
assert(("x"):upper() == "X")
