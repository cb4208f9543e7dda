-- ends: fine
for _, name in ipairs { "io", "os", "debug", "package", "coroutine", "collectgarbage", "rawset", "rawget", "_G", "xpcall" } do
  local ok, value = pcall(function()
    return _ENV[name]
  end)
  assert(not ok or value == nil, name)
end
