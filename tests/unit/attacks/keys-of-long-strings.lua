-- ends: keys-of-long-strings.lua:
local a, t = ("x"):rep(2000000), {}
while true do
  local _ = t[a .. "y"]
end
