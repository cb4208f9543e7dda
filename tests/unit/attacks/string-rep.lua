-- ends: string-rep.lua:3:
-- Ten gigabytes, ten million times, or the empty string for ever.
local s = ("x"):rep(10000000000)
return s
