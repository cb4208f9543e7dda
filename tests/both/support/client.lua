--- Requests to an API server as they are written, the same for the demo cluster and a real one.

local support = require "tests.spec.support"

local client = {}
local methods = {}
local meta = { __index = methods }

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

--- The API server and the bearer token that a kubeconfig names.
function client.new(kubeconfig)
  local text = read(kubeconfig)
  local self = setmetatable({
    server = assert(text:match('server:%s*"?(https?://[^%s"]+)'), kubeconfig .. " names no server"),
    token = assert(text:match('token:%s*"?([^%s"}]+)'), kubeconfig .. " holds no token"),
  }, meta)
  local ca = text:match('certificate%-authority%-data:%s*"?([^%s"]+)')
  if ca then
    local dir = support.tree { ["ca.base64"] = ca }
    local made = support.run { "sh", "-c", "base64 -d ca.base64 >ca.pem", cwd = dir }
    assert(made.code == 0, made.stderr)
    self.ca = dir .. "/ca.pem"
  end
  return self
end

--- One request: { status, text, headers (text), json() }. `body`: a text or a table; `options`: type, accept.
function methods:request(method, path, body, options)
  options = options or {}
  if type(body) == "table" then body = support.json.encode(body) end
  local dir = support.tree()
  local words = { "curl", "-sS", "--max-time", "30", "-X", method, "-D", dir .. "/head", "-o", dir .. "/body",
    "-H", "Authorization: Bearer " .. self.token, "-H", "Accept: " .. (options.accept or "application/json"),
    "-A", options.agent or "spec/1", "-w", "%{http_code}", stdin = body, limit = support.seconds(40) }
  if self.ca then table.move({ "--cacert", self.ca }, 1, 2, #words + 1, words) end
  if body then
    table.move({ "-H", "Content-Type: " .. (options.type or "application/json"), "--data-binary", "@-" }, 1, 4,
      #words + 1, words)
  end
  words[#words + 1] = self.server .. path
  local result = support.run(words)
  if result.code ~= 0 then error(("%s %s: %s"):format(method, path, result.stderr), 2) end
  local text = io.open(dir .. "/body") and read(dir .. "/body") or ""
  return { status = math.tointeger(tonumber(result.stdout)), text = text, headers = read(dir .. "/head"),
    json = function() return support.json.decode(text) end }
end

return client
