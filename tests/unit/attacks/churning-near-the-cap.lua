-- ends: 8 MiB is the limit
-- Nearly all of the memory is in use, so that each allocation could cost a whole collection.
local kept = {} -- luacheck: ignore
for i = 1, 1e9 do
  kept[i] = "a string that is kept, number " .. i
  local _ = { i, i, i }
end
