-- ends: endless-loop.lua:2: ended after 300 ms of CPU
local function spin() while true do end end
spin()
