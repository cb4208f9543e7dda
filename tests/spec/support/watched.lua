--- A client's picture of one subscription of GET /api/watch, from what the socket says.

local wait = require "tests.spec.support.wait"

local watched = {}
local methods = {}
local meta = { __index = methods }

--- Subscribes on the socket. `request.id` is "a" unless said.
function watched.subscribe(socket, request)
  request.id = request.id or "a"
  socket:send(request)
  return setmetatable({ socket = socket, id = request.id, rows = {}, messages = 0 }, meta)
end

local function key(row)
  return row.uid or row.executionId
end

local function take(self, message)
  self.messages = self.messages + 1
  if message.type == "snapshot" then
    self.rows, self.head, self.snapshots = {}, message, (self.snapshots or 0) + 1
  elseif message.type == "state" then
    self.state = message
  elseif message.type == "error" then
    self.error = message
  end
  for _, row in ipairs(message.rows or message.executions or message.changes or {}) do
    self.rows[key(row)] = not row.deleted and row or nil
  end
  if message.complete ~= nil then self.complete = message.complete end
end

--- The row of a name, or of an executionId.
function methods:named(name)
  for id, row in pairs(self.rows) do
    if row.name == name or id == name then return row end
  end
end

--- The names of all rows, sorted.
function methods:names()
  local list = {}
  for id, row in pairs(self.rows) do list[#list + 1] = row.name or id end
  table.sort(list)
  return table.concat(list, " ")
end

--- Reads until the picture is as `fn` wants it; without one until it is complete.
function methods:wait(fn, limit)
  fn = fn or function() return self.complete end
  if self.messages > 0 and fn(self) then return self end
  self.socket:read_until(function(message)
    if message.id ~= self.id then return false end
    take(self, message)
    return fn(self)
  end, limit or wait.seconds(20))
  return self
end

return watched
