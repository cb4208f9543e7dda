--- One WebSocket as a client sees it: events in order, each wait with a limit.

local websocket = require "http.websocket"
local ce = require "cqueues.errno"
local json = require "tests.spec.support.json"
local wait = require "tests.spec.support.wait"

local stream = {}
local methods = {}
local meta = { __index = methods }

-- lua-http waits for a frame's first bytes and then wants the others to be there at once; TCP does
-- not promise that. This one waits for them as well.
local function patient(socket)
  return setmetatable({}, { __index = function(_, name)
    return function(_, ...)
      if name ~= "xread" then return socket[name](socket, ...) end
      local what, mode, timeout = ...
      return socket:xread(what, mode, timeout == 0 and wait.seconds(10) or timeout)
    end
  end })
end

function stream.open(host, path, options)
  options = options or {}
  local ws = websocket.new_from_uri(host:url(path):gsub("^http", "ws"), options.protocols)
  ws.request.proxies, ws.request.follow_redirects = false, false
  ws.request.headers:upsert(":authority", host:authority())
  for name, value in pairs(options.headers or {}) do
    name = name:lower()
    ws.request.headers:upsert(name == "host" and ":authority" or name, value)
  end
  -- Not ws:connect(), which keeps the status of a refusal to itself.
  local limit = wait.seconds(10)
  local go, status = ws.request.go, nil
  ws.request.go = function(...)
    local headers, answer, errno = go(...)
    status = headers and math.tointeger(tonumber(headers:get(":status")))
    return headers, answer, errno
  end
  local ok, why = ws:connect(limit)
  if ok then
    ws.socket = patient(ws.socket)
    return setmetatable({ host = host, ws = ws, events = {}, pending = {} }, meta)
  end
  if status then return nil, status end
  host:fail(("no WebSocket at %s: %s"):format(path, why), 3)
end

function methods:send(message)
  local ok, why = self.ws:send(type(message) == "table" and json.encode(message) or message, "text", wait.seconds(10))
  if not ok then self.host:fail(("could not send to the stream: %s"):format(why), 2) end
  return self
end

--- The next message as text; nil once the host has closed, and then `close_code` and
-- `close_reason` say how: nil for a connection that just broke.
function methods:text(limit)
  local text, why, errno = self.ws:receive(limit or wait.seconds(10))
  if text then return text end
  if errno == ce.ETIMEDOUT then self.host:fail("nothing on the stream within the limit", 2) end
  self.closed, self.close_code, self.close_reason = true, self.ws.got_close_code, self.ws.got_close_message
  self.broken = not self.close_code and why or nil
end

--- The next event; nil at the end. A batch gives its events one by one.
function methods:next(limit)
  if #self.pending == 0 then
    local text = self:text(limit)
    if not text then return nil end
    local message = json.decode(text)
    self.pending = message[1] and message or { message }
  end
  local event = table.remove(self.pending, 1)
  self.events[#self.events + 1] = event
  self.id = self.id or event.executionId
  return event
end

--- The events up to the first for which `fn` says yes, that one included.
function methods:read_until(fn, limit)
  local deadline, events = wait.deadline(limit or wait.seconds(20)), {}
  repeat
    local event = self:next(wait.left(deadline))
    if not event then
      self.host:fail(("the stream ended before that: %s"):format(json.encode(events[#events] or {})), 2)
    end
    events[#events + 1] = event
  until fn(event)
  return events
end

--- The events until the host closes.
function methods:to_end(limit)
  local deadline, events = wait.deadline(limit or wait.seconds(30)), {}
  for event in function() return self:next(wait.left(deadline)) end do events[#events + 1] = event end
  return events
end

function methods:cancel()
  return self:send { type = "cancel", executionId = self.id }
end

--- Goes away as a broken network does: no closing handshake.
function methods:drop()
  if self.ws.socket then self.ws.socket:close() end
  self.ws.readyState = 3
  return self
end

--- Goes away politely.
function methods:close()
  self.ws:close(1000, nil, wait.seconds(5))
end

return stream
