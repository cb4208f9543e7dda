-- ends: fine
assert(load == nil and loadstring == nil and dofile == nil and loadfile == nil)
assert(string.dump == nil)
