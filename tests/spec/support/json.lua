--- JSON as it is on the wire: 64-bit integers stay integers and [] stays a list.

local dkjson = require("dkjson").use_lpeg()

local json = { null = dkjson.null }

--- A table that is written as a list, even when it is empty.
function json.list(t)
  return setmetatable(t or {}, { __jsontype = "array" })
end

function json.encode(value)
  return dkjson.encode(value)
end

--- The value of a text; null is nil. Raises for text that is none, or that goes on after the value.
function json.decode(text)
  local value, after, message = dkjson.decode(text)
  if message or text:find("%S", after) then
    error(("no JSON: %s: %s"):format(message or "it goes on after the value", text:sub(1, 200)), 2)
  end
  return value
end

return json
