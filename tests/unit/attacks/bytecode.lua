-- ends: fine
assert(load == nil and loadstring == nil and dofile == nil and loadfile == nil) -- luacheck: ignore
assert(string.dump == nil)
