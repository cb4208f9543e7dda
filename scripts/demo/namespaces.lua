-- demo/namespaces.lua: what comes with a Namespace, and what goes with it.
local kinds = require "demo.kinds"
local write = require "demo.write"

local M = {}

local function content(name, fn)
  for _, kind in ipairs(kinds.all()) do
    if kind.namespaced then
      for _, obj in ipairs(store.list(kind.key, name)) do fn(kind, obj) end
    end
  end
end

function M.run(space)
  local name = space.metadata.name
  if not space.metadata.deletionTimestamp then
    write.create("serviceaccounts", { apiVersion = "v1", kind = "ServiceAccount",
      metadata = { name = "default", namespace = name } })
    return
  end
  local waits = false
  content(name, function(kind, obj)
    local guarded = #(obj.metadata.finalizers or {}) > 0 and kind.key ~= "persistentvolumeclaims"
    if kind.key ~= "pods" and guarded then
      waits = true
      if not obj.metadata.deletionTimestamp then write.delete(kind.key, obj) end
    elseif store.get(kind.key, name, obj.metadata.name) then
      write.remove(kind.key, obj)
    end
  end)
  -- Removing has made nobody write anew: nothing can be created here any more.
  if waits then store.due("namespaces", "", name, 1000) else write.remove("namespaces", space) end
end

return M
