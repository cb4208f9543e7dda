-- ends: encode-shared.lua:
-- A few tables that are each in the next one twice are 2^40 values as JSON.
local encode = cjson.encode -- luacheck: ignore
local t = { 1 }
for _ = 1, 40 do
  t = { t, t }
end
while true do
  encode(t)
end
