-- ends: concat-of-long-strings.lua:
local a = ("x"):rep(2000000)
while true do
  local _ = a .. a
end
