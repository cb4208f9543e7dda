-- ends: deep-recursion-through-c.lua:
local function down()
  return (string.gsub("a", "a", down))
end
while true do
  down()
end
