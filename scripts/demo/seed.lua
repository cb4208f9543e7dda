-- demo/seed.lua: what stands in a new demo cluster.
local server = require "demo.server"

local M = {}

local function create(path, body)
  local answer = server.handle { method = "POST", path = path, query = { fieldManager = "demo" }, accept = "",
    content_type = "application/json", user_agent = "demo", body = store.write(body) }
  if answer.status ~= 201 then error(path .. ": " .. store.write(answer.body), 0) end
  return answer.body
end

function M.plant()
  create("/api/v1/namespaces", { metadata = { name = "default" } })
end

return M
