-- ends: closing-variable.lua:
local meta = {}
local value = setmetatable({}, meta)
meta.__close = function()
  while true do
  end
end
do
  local _ <close> = value
end
