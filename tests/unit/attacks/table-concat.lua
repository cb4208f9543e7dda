-- ends: table-concat.lua:
local endless = setmetatable({}, { __index = function()
  return ""
end })
while true do
  local _ = table.concat(endless, "", 1, 1e15)
end
