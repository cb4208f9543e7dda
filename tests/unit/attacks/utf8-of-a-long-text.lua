-- ends: utf8-of-a-long-text.lua:
local s = ("ä"):rep(1000000)
while true do
  utf8.len(s)
  utf8.codepoint(s, 1, 10)
end
