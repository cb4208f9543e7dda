-- ends: error-object-that-loops.lua:3: the error value is a table without a message
-- Nobody asks a script's error value for its text.
error(setmetatable({}, { __tostring = function()
  while true do
  end
end }))
