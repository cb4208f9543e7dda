-- ends: unpack.lua:
while true do
  local _ = select("#", table.unpack({}, 1, 900000))
end
