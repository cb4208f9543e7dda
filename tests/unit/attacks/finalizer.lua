-- ends: fine
for _, event in ipairs { "__gc", "__close", "__len", "__mode" } do
  local ok = pcall(setmetatable, {}, { [event] = function()
    while true do
    end
  end })
  assert(not ok, event)
end
local late = {}
local t = setmetatable({}, late)
late.__gc = function()
  while true do
  end
end
late.__len = late.__gc
assert(#t == 0)
t = nil
for _ = 1, 1000 do
  t = { t and 1 or 2 }
end
