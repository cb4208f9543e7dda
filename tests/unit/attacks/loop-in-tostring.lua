-- ends: ended
local t = setmetatable({}, { __tostring = function()
  while true do
  end
end })
print(t)
tostring(t)
