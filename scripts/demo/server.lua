-- demo/server.lua: a request → its answer: { status, body, type, warnings, watch }.
local discovery = require "demo.discovery"
local evictions = require "demo.evictions"
local kinds = require "demo.kinds"
local lists = require "demo.lists"
local logs = require "demo.logs"
local objects = require "demo.objects"
local status = require "demo.status"

local M = {}

local VERSION = { major = "1", minor = "34", gitVersion = "v1.34.0-demo", gitCommit = "", gitTreeState = "clean",
  buildDate = "1970-01-01T00:00:00Z", goVersion = "none", compiler = "none", platform = "demo" }

local function segments(path)
  local words = {}
  for word in path:gmatch("[^/]+") do words[#words + 1] = word end
  return words
end

local function health()
  return { status = 200, body = "ok", type = "text" }
end

-- What a path of no group at all gets.
local NO_PAGE = { status = 404, body = "404 page not found\n", type = "text" }

local function discovered(req, words)
  local wants = req.accept:find("as=APIGroupDiscoveryList", 1, true)
  if #words == 1 and wants then
    return { status = 200, body = discovery.aggregated(words[1] == "api"), discovery = "v2" }
  end
  if words[1] == "api" then
    return { status = 200, body = #words == 1 and discovery.core() or discovery.resources("", words[2]) }
  end
  if #words == 1 then return { status = 200, body = discovery.groups() } end
  if not discovery.serves(words[2], words[3]) then return NO_PAGE end
  return { status = 200, body = #words == 2 and discovery.group(words[2]) or discovery.resources(words[2], words[3]) }
end

local function has_subresource(kind, sub)
  if sub == "status" or sub == "scale" then return kind[sub] end
  for _, more in ipairs(kind.more or {}) do
    if more[1] == sub then return true end
  end
  return false
end

-- The words behind the version → kind, namespace, name, subresource. Nil for a path that is not served.
local function target(group, version, words)
  local ns, at = "", 1
  if words[1] == "namespaces" and #words >= 3 and not (#words == 3 and (words[3] == "status" or words[3] == "finalize")
    and group == "") then
    ns, at = words[2], 3
  end
  local kind = kinds.find(group, version, words[at])
  if not kind and not discovery.serves(group, version) then return nil end
  if not kind or #words > at + 2 or (ns ~= "" and not kind.namespaced) then status.no_path() end
  local sub = words[at + 2]
  if sub and not has_subresource(kind, sub) then status.no_path() end
  return kind, ns, words[at + 1], sub
end

local function manager_of(req)
  local named = req.query.fieldManager
  if named and named ~= "" then return named end
  local agent = req.user_agent:match("^([^/]+)") or ""
  return agent ~= "" and agent:sub(1, 128) or "unknown"
end

local function read_body(req)
  if req.body == "" then return nil end
  local kind = req.content_type
  if kind:find("yaml", 1, true) then
    local value, why = store.read(req.body)
    if value == nil then status.bad("error decoding YAML: %s", why) end
    return value
  end
  local ok, value = pcall(store.json, req.body)
  if not ok then
    status.bad("couldn't get version/kind; json parse error: %s", (tostring(value):gsub("^.-:%d+: ", "")))
  end
  return value
end

local DRY = "the demo cluster checks no schema, admission or quota; a real one may refuse this"

local function request_of(req, kind, version, ns, name, sub)
  local warnings = {}
  local api_version = kinds.api_version(kind, version)
  local dry = req.query.dryRun ~= nil and req.query.dryRun ~= ""
  if dry and req.query.dryRun ~= "All" then
    status.fail(422, "Invalid", ('PatchOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "%s": supported '
      .. 'values: "All"'):format(req.query.dryRun))
  end
  if dry and req.query.fieldValidation == "Strict" then warnings[1] = DRY end
  if kind.key == "endpoints" and req.method ~= "GET" and req.method ~= "DELETE" then
    warnings[#warnings + 1] = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
  end
  return {
    kind = kind, version = version, api_version = api_version, namespace = ns, name = name, sub = sub,
    query = req.query, accept = req.accept, dry = dry, warnings = warnings,
    content_type = req.content_type:match("^[^;%s]+") or "application/json",
    warn = function(text) warnings[#warnings + 1] = text end,
    who = { manager = manager_of(req), api_version = api_version, part = sub or "" },
  }
end

local function on_collection(method, r, req)
  if method == "GET" then return lists.list(r) end
  if method == "DELETE" then return lists.delete_all(r, read_body(req) or {}) end
  if method ~= "POST" then status.not_allowed() end
  if r.kind.namespaced and r.namespace == "" then status.not_allowed() end
  return objects.create(r, read_body(req))
end

local function on_object(method, r, req)
  if r.kind.namespaced and r.namespace == "" then status.no_path() end
  if r.sub == "eviction" then
    if method ~= "POST" then status.not_allowed() end
    return evictions.create(r, objects.read(r), read_body(req))
  end
  if method == "GET" then
    if r.sub == "scale" then return objects.get_scale(r) end
    return objects.read(r), 200
  end
  if r.sub == "scale" and (method == "PUT" or method == "PATCH") then
    return objects.scale(r, read_body(req) or {}, method == "PATCH")
  end
  if method == "PUT" then return objects.replace(r, read_body(req)) end
  if method == "PATCH" then return objects.patch(r, read_body(req)) end
  if method == "DELETE" and not r.sub then return objects.delete(r, read_body(req) or {}) end
  status.not_allowed()
end

local function served(req, group, version, words)
  local kind, ns, name, sub = target(group, version, words)
  if not kind then return NO_PAGE end
  local r = request_of(req, kind, version, ns, name, sub)
  local method = req.method == "HEAD" and "GET" or req.method
  local watches = req.query.watch == "true" or req.query.watch == "1"
  if method == "GET" and watches then return lists.watch(r) end
  if sub == "log" then
    if method ~= "GET" then status.not_allowed() end
    return logs.read(r, objects.read(r))
  end
  local body, code
  if name then body, code = on_object(method, r, req) else body, code = on_collection(method, r, req) end
  local is_object = type(body) == "table" and body.metadata and body.kind == kind.kind and name ~= nil
    or code == 201
  if is_object and r.sub ~= "scale" then body = lists.shape(r, body) end
  return { status = code, body = body, warnings = #r.warnings > 0 and r.warnings or nil }
end

local function route(req)
  local words = segments(req.path)
  local first = words[1]
  if first == "version" then return { status = 200, body = VERSION } end
  if first == "healthz" or first == "livez" or first == "readyz" then return health() end
  if first == "api" and #words <= 2 or first == "apis" and #words <= 3 then return discovered(req, words) end
  if first == "api" then return served(req, "", words[2], table.move(words, 3, #words, 1, {})) end
  if first == "apis" then return served(req, words[2], words[3], table.move(words, 4, #words, 1, {})) end
  return NO_PAGE
end

-- What C calls for each request.
function M.handle(req)
  local ok, answer = pcall(route, req)
  if ok then return answer end
  if type(answer) == "table" and answer.status_code then return { status = answer.status_code, body = answer.body } end
  error(answer, 0)
end

return M
