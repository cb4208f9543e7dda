-- ends: equal-long-strings.lua:
local a, b = ("x"):rep(2000000), ("x"):rep(2000000)
while true do
  local _ = a == b
end
