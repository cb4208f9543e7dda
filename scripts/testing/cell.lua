-- testing/cell.lua: runs one spec inside a real cell of the host (`moonsail test --cell`): the sandbox, its
-- limits and the compiled modules are those that scripts have in an execution. The host calls it with
-- read(path), compile(path), set_global(name, value), shipped, folders, here, spec.
local host = ...
local modules_of_scripts = require
local loaded = { ["demo.controllers"] = { touched = function() end } }

local function load_file(path) return host.compile(path)() end

host.set_global("require", function(module)
  local kind, name = module:match("^(%l+)%.([%w_-]+)$")
  if loaded[module] ~= nil then return loaded[module] end
  if kind == "demo" or kind == "testing" then
    loaded[module] = load_file(("%s/scripts/%s/%s.lua"):format(host.shipped, kind, name))
  elseif module == "moonsail.testing" then
    loaded[module] = require "testing.init" {
      read = host.read, load = load_file, folders = host.folders, shipped = host.shipped, here = host.here,
    }
  else
    return modules_of_scripts(module)
  end
  return loaded[module]
end)
host.set_global("store", require "testing.store")

local specs = require "testing.specs"
for name, value in next, specs do
  if name ~= "counts" then host.set_global(name, value) end
end
load_file(host.spec)
return specs.counts.passed, specs.counts.failed
