-- ends: pattern-recursion.lua:
while true do
  local _ = ("a"):rep(100000):match(("(a?)"):rep(30) .. ("a?"):rep(100000) .. "b")
end
