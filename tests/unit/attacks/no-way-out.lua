-- ends: fine
local forbidden = {
  "io", "os", "debug", "package", "coroutine", "collectgarbage", "load", "dofile",
  "rawset", "rawget", "xpcall", "getmetatable", "_G",
}
for _, name in ipairs(forbidden) do
  local ok, value = pcall(function()
    return _ENV[name]
  end)
  assert(not ok or value == nil, name)
end
