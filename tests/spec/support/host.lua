--- A host as its users see it: started by its command line, spoken to over HTTP and WebSocket.

local http_request = require "http.request"
local socket = require "cqueues.socket"
local process = require "tests.spec.support.process"
local stream = require "tests.spec.support.stream"
local json = require "tests.spec.support.json"
local wait = require "tests.spec.support.wait"

local host = {}
local methods = {}
local meta = { __index = methods }

local function launch(self)
  local args = { "serve", "--listen", self.listen }
  table.move(self.args, 1, #self.args, #args + 1, args)
  self.process = process.start_cli(args, { env = self.env, home = self.home })
  local line = self.process:line(wait.seconds(15))
  self.base = line and line:match("^listening on (http://%S+)$")
  if not self.base then
    self.process:fail(("serve did not say where it listens, but %q"):format(line or "nothing"), 3)
  end
  return self
end

local no_context = [[
apiVersion: v1
kind: Config
clusters: [{name: unused, cluster: {server: "https://127.0.0.1:1"}}]
]]

--- A home folder of an account without a cluster, and without the demo cluster.
function host.home(dir)
  dir = dir or process.tree()
  process.write(dir, { [".kube/config"] = no_context })
  return dir
end

--- Starts `moonsail serve` on a free port, in a home of its own, and waits until it accepts
-- connections. `args`: more flags; `env`: name → text; `home`: a folder that is there;
-- `listen`: HOST:PORT; `demo`: the account has no kubeconfig, so there will be a demo cluster.
-- Without it the account has one in which no context is named: no cluster at all.
function host.serve(options)
  options = options or {}
  local home = options.home or process.tree()
  if not options.demo then host.home(home) end
  return launch(setmetatable({
    args = options.args or {}, env = options.env, home = home, listen = options.listen or "127.0.0.1:0",
  }, meta))
end

--- A host that is there already.
function host.at(url)
  return setmetatable({ base = url }, meta)
end

--- Raises with what the host said on stderr.
function methods:fail(message, level)
  if self.process then
    if not self.process:alive() then message = message .. " (the host has died)" end
    self.process:fail(message, (level or 1) + 1)
  end
  error(message, (level or 1) + 1)
end

function methods:url(path)
  return self.base .. (path or "")
end

--- Any request: { status, headers (:get(name)), text }, and :json(). `body`: a text, or a table
-- that is sent as JSON.
function methods:request(method, path, body, headers)
  local request = http_request.new_from_uri(self:url(path))
  request.proxies, request.follow_redirects = false, false
  request.headers:upsert(":method", method)
  request.headers:upsert(":authority", self:authority())
  if type(body) == "table" then
    body = json.encode(body)
    request.headers:upsert("content-type", "application/json")
  end
  if body then
    request:set_body(body)
    request.headers:delete("expect")
  end
  for name, value in pairs(headers or {}) do
    name = name:lower()
    request.headers:upsert(name == "host" and ":authority" or name, value)
  end
  local limit = wait.seconds(10)
  local answer, answer_stream = request:go(limit)
  if not answer then self:fail(("%s %s: no answer: %s"):format(method, path, answer_stream), 2) end
  local text, why = answer_stream:get_body_as_string(limit)
  if not text then self:fail(("%s %s: the answer breaks off: %s"):format(method, path, why), 2) end
  answer_stream:shutdown()
  return {
    status = math.tointeger(tonumber(answer:get(":status"))), headers = answer, text = text,
    json = function() return json.decode(text) end,
  }
end

function methods:get(path, headers)
  return self:request("GET", path, nil, headers)
end

function methods:post(path, body, headers)
  return self:request("POST", path, body or "", headers)
end

function methods:port()
  return math.tointeger(tonumber(self.base:match(":(%d+)$")))
end

--- What clients write into Host: 127.0.0.1:7070.
function methods:authority()
  return self.base:match("^http://(.*)$")
end

--- The host by another of its names: host:by("[::1]").
function methods:by(name)
  return setmetatable({ base = ("http://%s:%d"):format(name, self:port()), process = self.process }, meta)
end

--- A bare TCP connection to the host, for what no proper client sends.
function methods:connect()
  local name = self.base:match("^http://%[?([^%]/]+)%]?:%d+")
  local peer = assert(socket.connect { host = name, port = self:port() })
  peer:onerror(function(_, _, code) return code end)
  peer:setmode("b", "b")
  peer:settimeout(wait.seconds(10))
  return peer
end

--- Sends a request as it is written and reads one answer: { status, text, head, headers (lower-case
-- name → value) }, and :json(). nil where the host hung up without one. `peer`: a connection that is there already.
function methods:raw(text, peer)
  peer = peer or self:connect()
  peer:setmode("b", "bf")
  peer:write(text)
  local line = peer:read("*l")
  if not line then return nil end
  local headers, head = {}, { line }
  for row in function() return peer:read("*l") end do
    row = row:gsub("\r$", "")
    if row == "" then break end
    head[#head + 1] = row
    local name, value = row:match("^(.-):%s*(.*)$")
    if name then headers[name:lower()] = value end
  end
  local length = tonumber(headers["content-length"] or "0")
  local body = length > 0 and peer:read(length) or ""
  return {
    status = math.tointeger(tonumber(line:match("^HTTP/1%.1 (%d+)"))), headers = headers, text = body,
    head = table.concat(head, "\n"), json = function() return json.decode(body) end,
  }
end

--- A WebSocket: the stream (stream.lua), or nil and the HTTP status that refused it.
-- options: `headers`, `protocols`.
function methods:socket(path, options)
  return stream.open(self, path, options)
end

local function opened(self, first, options)
  local run, status = self:socket("/api/execution/stream", options)
  if not run then self:fail(("the stream was refused with %s"):format(status), 3) end
  run.id = first.executionId
  return run:send(first)
end

-- The message that starts an execution.
local function first_message(request)
  local first = { type = "start" }
  for name, value in pairs(request) do first[name] = value end
  if type(first.args) == "table" then first.args = json.list(first.args) end
  return first
end

--- Starts an execution, watches it to its end and returns all its events.
function methods:events_of(request, options)
  return opened(self, first_message(request), options):to_end()
end

--- Starts an execution and watches it. `type` need not be said.
function methods:start(request, options)
  return opened(self, first_message(request), options)
end

--- Watches an execution from `seq` on.
function methods:attach(id, seq, options)
  return opened(self, { type = "attach", executionId = id, afterSeq = seq }, options)
end

--- Ends it as an init system does, and holds it to its promise: exit 0, and nothing that was
-- opened is left open.
function methods:stop()
  local result = self.process:signal("TERM"):finish(wait.seconds(40))
  if result.code ~= 0 then self:fail(("serve ended with %d after SIGTERM"):format(result.code), 2) end
  if result.stderr:find("left open", 1, true) then self:fail("serve left something open at its end", 2) end
  return result
end

--- kill -9.
function methods:kill()
  self.process:kill()
  return self
end

--- Once more with the same flags and the same home; the port may be another.
function methods:restart()
  if not self.process.status then self:stop() end
  return launch(self)
end

function methods:stderr()
  return self.process:stderr()
end

return host
