-- ends: ended after 300 ms of CPU
while true do
  pcall(function()
    while true do
    end
  end)
end
