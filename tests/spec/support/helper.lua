-- What busted loads first: nothing that a spec started outlives its file.

local busted = require "busted"
local process = require "tests.spec.support.process"

busted.subscribe({ "file", "end" }, function()
  process.kill_all()
  return nil, true
end)

busted.subscribe({ "exit" }, function()
  process.clean_up()
  return nil, true
end)
