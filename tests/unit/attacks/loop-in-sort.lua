-- ends: ended: 100 ms inside a callback that cannot be interrupted
table.sort({ 1, 2, 3 }, function()
  while true do
  end
end)
