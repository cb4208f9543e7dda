-- lib/secret.lua: what is special about Secrets.
local base64 = require "lib.base64"

local M = {}

-- stringData becomes data: server-side apply would keep a dropped stringData key in data.
function M.string_data_to_data(obj)
  if type(obj.stringData) ~= "table" then return obj end
  if type(obj.data) ~= "table" then obj.data = {} end
  for key, value in next, obj.stringData do
    if type(value) ~= "string" then error(("stringData.%s must be a string"):format(key), 0) end
    obj.data[key] = base64.encode(value)
  end
  obj.stringData = nil
  return obj
end

return M
