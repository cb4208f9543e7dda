-- ends: endless-loop.lua:2: ended after 300 ms of CPU
while true do
end
