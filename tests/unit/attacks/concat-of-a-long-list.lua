-- ends: concat-of-a-long-list.lua:
local t = {}
for i = 1, 100000 do
  t[i] = "0123456789"
end
while true do
  local _ = table.concat(t)
end
