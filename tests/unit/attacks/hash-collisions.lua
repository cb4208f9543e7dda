-- ends: hash-collisions.lua:
-- Floats and integers that fall on the same place of a table.
local t = {}
for i = 1, 1e9 do
  t[i * 2 ^ 40] = true
  local _ = t[(i + 1) * 2 ^ 40]
end
