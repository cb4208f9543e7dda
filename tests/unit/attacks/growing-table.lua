-- ends: not enough memory (8 MiB is the limit)
local t = {} -- luacheck: ignore
for i = 1, 1e9 do
  t[i] = { i }
end
