-- ends: encode-cycle.lua:
local t = {}
t.t = t
cjson.encode(t) -- luacheck: ignore
