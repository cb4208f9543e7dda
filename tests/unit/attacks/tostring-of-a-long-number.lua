-- ends: tostring-of-a-long-number.lua:
local s = ("9"):rep(1000000)
while true do
  tonumber(s)
  string.format("%99.99f", 1e300)
end
