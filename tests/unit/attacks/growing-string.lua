-- ends: not enough memory (8 MiB is the limit)
local s = "x"
while true do
  s = s .. s
end
