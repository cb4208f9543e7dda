-- ends: plain-find.lua:
local hay = ("a"):rep(2000000)
local needle = ("a"):rep(500000) .. "b"
while true do
  local _ = hay:find(needle, 1, true)
end
