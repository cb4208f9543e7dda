-- ends: ended after 300 ms of CPU
-- Closures and tables by the hundred thousand, all garbage, and strings that are interned.
local n = 0
while true do
  n = n + 1
  local f = function()
    return { n, tostring(n) .. "x" }
  end
  f()
end
