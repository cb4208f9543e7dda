-- ends: endless-recursion-of-pcall.lua:
-- What pcall catches here is the C stack's end, again and again.
local function again()
  pcall(again)
  pcall(again)
end
again()
while true do
end
