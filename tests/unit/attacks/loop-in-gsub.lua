-- ends: ended: 100 ms inside a callback that cannot be interrupted
string.gsub("abc", ".", function()
  while true do
  end
end)
