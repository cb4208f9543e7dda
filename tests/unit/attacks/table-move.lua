-- ends: table-move.lua:
while true do
  table.move({}, 1, 1e15, 2)
end
