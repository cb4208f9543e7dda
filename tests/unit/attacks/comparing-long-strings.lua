-- ends: comparing-long-strings.lua:
local a, b = ("a"):rep(1000000) .. "b", ("a"):rep(1000000) .. "c"
while true do
  local _ = a < b
end
