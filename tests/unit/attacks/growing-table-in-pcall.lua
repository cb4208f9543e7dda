-- ends: not enough memory (8 MiB is the limit)
local kept = {}
while true do
  pcall(function()
    for i = 1, 1e9 do
      kept[#kept + 1] = { i }
    end
  end)
end
