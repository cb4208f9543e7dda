-- ends: not enough memory (8 MiB is the limit)
while true do
  local s = "x"
  pcall(function()
    while true do
      s = s .. s
    end
  end)
end
