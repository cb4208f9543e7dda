-- ends: pattern-blow-up.lua:
while true do
  local s = ("a"):rep(100000)
  local _ = s:find(".-.-.-.-.-.-.-.-.-.-b")
end
