-- ends: string-rep-of-nothing.lua:
while true do
  local _ = (""):rep(9007199254740992)
end
