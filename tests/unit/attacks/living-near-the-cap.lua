-- ends: not enough memory (8 MiB is the limit)
-- Most of the memory stays in use, so that the cap is met again after little more.
local kept = {}
for i = 1, 72000 do
  kept[i] = { i }
end
while #kept > 0 do
  local _ = { {}, {}, {} }
end
