-- ends: error-in-error.lua:
while true do
  pcall(error, setmetatable({}, { __index = function(t, k)
    return t[k]
  end }))
  pcall(function()
    error(nil)
  end)
end
