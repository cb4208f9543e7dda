-- ends: sort-with-a-lying-order.lua:
local t = {}
for i = 1, 50000 do
  t[i] = i
end
while true do
  pcall(table.sort, t, function()
    return true
  end)
end
