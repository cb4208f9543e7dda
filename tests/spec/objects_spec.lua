-- What the host says of objects and of its scripts, to somebody who has the demo cluster only.

local support = require "tests.spec.support"

local FLOW = [[
return flow {
  name = "greet", label = "Greet", action = "update", help = "Says hello.", resources = { "deploy", "pods" },
  input = {
    word = { type = "string", default = "hello", help = "what is said" },
    loud = { type = "boolean", required = true },
  },
  run = function() end,
}
]]

local GUARDRAIL = [[
return guardrail {
  name = "tags", level = "warn", help = "Every image has a tag.", resources = { "deployments" },
  check = function() end,
}
]]

describe("the demo cluster through its host", function()
  local host

  lazy_setup(function()
    local scripts = support.tree { ["flows/greet.lua"] = FLOW, ["guardrails/tags.lua"] = GUARDRAIL,
      ["flows/broken.lua"] = "return flow { name = 'broken' }",
      ["resources/leases.lua"] = 'return resource { name = "leases", kind = "Lease", help = "Whose turn.",'
        .. ' versions = { "coordination.k8s.io/v1" }, flows = { "greet" } }' }
    host = support.serve { demo = true, args = { "--scripts", scripts } }
    support.eventually("the demo cluster answers", function() return host:get("/api/cluster/status"):json().connected end)
  end)
  lazy_teardown(function() host:stop() end)

  local function refused(status, path, sentence)
    local answer = host:get(path)
    assert.equal(status, answer.status, answer.text)
    assert.equal(sentence, answer:json().error.message)
  end

  it("lists events as any other kind, over all namespaces", function()
    support.eventually("there are events", function()
      return #host:get("/api/objects?resource=events"):json().rows > 0
    end)
    local found = host:get("/api/objects?resource=ev&limit=1"):json()
    assert.equal("Event", found.kind)
    assert.equal(1, #found.rows)
    assert.equal("shop", found.rows[1].namespace)
    assert.equal("Message", found.columns[5].name)
  end)

  it("lists what has no namespace", function()
    local found = host:get("/api/objects?resource=namespaces&namespace=ignored"):json()
    assert.is_false(found.namespaced)
    assert.equal("default", found.rows[1].name)
    assert.equal("", found.continue)
    assert.is_nil(found.remaining)
    local text = host:get("/api/object?resource=ns&name=default").text
    assert.matches("^apiVersion: v1\nkind: Namespace\nmetadata:\n", text)
    assert.matches("\nstatus:\n  phase: Active\n$", text)
  end)

  it("says what is missing, wrong or unknown", function()
    refused(400, "/api/objects", "resource is missing")
    refused(400, "/api/object?resource=pods", "name is missing")
    refused(400, "/api/object?resource=pods&name=x", "namespace is missing: pods are in namespaces")
    refused(400, "/api/objects?resource=pods&limit=1001", "limit must be a number from 1 to 1000")
    refused(400, "/api/object?resource=secrets&namespace=shop&name=shop-db&reveal=1", "reveal must be true or false")
    refused(404, "/api/objects?resource=boats", 'the cluster serves no "boats"')
    refused(400, "/api/schema?apiVersion=v1", "kind is missing")
    refused(400, "/api/schema?apiVersion=../v1&kind=Pod", "apiVersion must be such as v1 or apps/v1, and kind a word")
    refused(404, "/api/schema?apiVersion=v1&kind=Pod", "the cluster publishes no OpenAPI v3 document of v1")
    for _, path in ipairs { "objects?resource=pods", "object?resource=ns&name=x", "schema?apiVersion=v1&kind=Pod" } do
      local answer = host:get("/api/" .. path .. "&context=elsewhere")
      assert.equal(404, answer.status)
      assert.matches("elsewhere", answer:json().error.message, 1, true)
    end
    for _, path in ipairs { "objects", "object", "schema", "flows", "guardrails" } do
      local answer = host:post("/api/" .. path)
      assert.equal(405, answer.status)
      assert.matches("GET", answer.headers:get("allow"), 1, true)
    end
  end)

  it("writes into its log who has seen a Secret", function()
    local hidden = host:get("/api/object?resource=secrets&namespace=shop&name=shop-db").text
    local shown = host:get("/api/object?resource=secrets&namespace=shop&name=shop-db&reveal=true").text
    assert.matches("'[REDACTED]'", hidden, 1, true)
    assert.is_nil(shown:find("REDACTED", 1, true))
    support.eventually("the log says so", function()
      return host.process:stderr():find("reveals secret/shop-db in namespace shop of demo", 1, true)
    end)
  end)

  it("tells flows with their input, and where they are offered", function()
    local answer = host:get("/api/flows"):json()
    local greet, shipped = nil, {}
    for _, flow in ipairs(answer.flows) do
      if flow.name == "greet" then greet = flow else shipped[flow.name] = flow end
    end
    assert.same({ name = "greet", label = "Greet", help = "Says hello.", action = "update",
      resources = { "deploy", "pods" }, source = greet.source,
      input = { word = { type = "string", default = "hello", help = "what is said", required = false },
        loud = { type = "boolean", help = "", required = true } } }, greet)
    assert.matches("flows/greet.lua$", greet.source)
    assert.equal("integer", shipped.restart.input.timeout.type)
    assert.equal(1, #answer.faults)
    assert.matches('broken.lua:1: field "label" is missing', answer.faults[1].text, 1, true)
    local offered = {}
    for _, resource in ipairs(host:get("/api/resources"):json().resources) do
      for _, flow in ipairs(resource.flows) do
        if flow == "greet" then offered[#offered + 1] = resource.name end
      end
    end
    table.sort(offered)
    assert.same({ "deployments", "leases", "pods" }, offered)
  end)

  it("tells guardrails with their level, and how often each has stopped or warned", function()
    local answer = host:get("/api/guardrails"):json()
    assert.same({ { name = "tags", level = "warn", help = "Every image has a tag.", resources = { "deployments" },
      source = answer.guardrails[1].source, stopped = 0, warned = 0 } }, answer.guardrails)
  end)
end)

-- An API server that has a bad day: it serves Pods, and a schema with more in it than was asked for.
local API = [[
local server, headers = require "http.server", require "http.headers"
local function status(code, reason, message)
  return code, ('{"kind":"Status","apiVersion":"v1","reason":"%s","message":"%s"}'):format(reason, message)
end
local function schema(kind, more)
  return ('{"type":"object","x-kubernetes-group-version-kind":[{"group":"","kind":"%s","version":"v1"}]%s}')
    :format(kind, more or "")
end
local asked = 0
local answers = {
  ["/api"] = function() return 200, '{"kind":"APIVersions","versions":["v1"]}' end,
  ["/apis"] = function() return 200, '{"kind":"APIGroupList","groups":[]}' end,
  ["/api/v1"] = function()
    return 200, '{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod",'
      .. '"namespaced":true,"kind":"Pod","verbs":["get","list"]},'
      .. '{"name":"reviews","singularName":"review","namespaced":false,"kind":"Review","verbs":["create"]}]}'
  end,
  ["/api/v1/pods"] = function(query)
    if query:find("continue=old", 1, true) then return status(410, "Expired", "The continue parameter is too old") end
    if query:find("continue=list", 1, true) then return 200, '{"kind":"PodList","items":[]}' end
    return status(403, "Forbidden", "pods is forbidden for moonsail")
  end,
  ["/api/v1/namespaces/x/pods/a"] = function() return status(401, "Unauthorized", "Unauthorized") end,
  ["/api/v1/namespaces/x/pods/b"] = function() return 200, "<html>" end,
  ["/openapi/v3/api/v1"] = function()
    asked = asked + 1
    return 200, '{"components":{"schemas":{'
      .. '"a.Loop":{"properties":{"next":{"$ref":"#/components/schemas/a.Loop"}}},'
      .. '"a.Unused":{"description":"' .. asked .. '"},'
      .. '"a.Pod":' .. schema("Pod", ',"properties":{"spec":{"allOf":[{"$ref":"#/components/schemas/a.Spec"}]}}') .. ','
      .. '"a.Spec":{"description":"asked ' .. asked .. '","items":{"$ref":"#/components/schemas/a.Loop"}}}}}'
  end,
}
local api = server.listen { host = "127.0.0.1", port = 0, tls = false, onstream = function(_, stream)
  local path, query = stream:get_headers():get(":path"):match("^([^?]*)%??(.*)$")
  local code, body = status(404, "NotFound", "not found")
  if answers[path] then code, body = answers[path](query) end
  local head = headers.new()
  head:append(":status", tostring(code))
  head:append("content-type", "application/json")
  stream:write_headers(head, false)
  stream:write_body_from_string(body)
end }
assert(api:listen())
print((select(3, api:localname())))
io.stdout:flush()
assert(api:loop())
]]

describe("a cluster that refuses", function()
  local api, host

  lazy_setup(function()
    local dir = support.tree { ["api.lua"] = API }
    api = support.start { "lua5.4", dir .. "/api.lua", env = { LUA_PATH = package.path, LUA_CPATH = package.cpath } }
    local port = api:line(support.seconds(10)) or api:fail "it does not listen"
    local home = support.tree { config = ([[
apiVersion: v1
kind: Config
current-context: bad
contexts: [{ name: bad, context: { cluster: bad, user: me } }]
clusters: [{ name: bad, cluster: { server: "http://127.0.0.1:%s" } }]
users: [{ name: me, user: {} }]
]]):format(port) }
    host = support.serve { env = { KUBECONFIG = home .. "/config" } }
  end)
  lazy_teardown(function()
    host:stop()
    api:kill()
  end)

  local function refused(status, code, message, path)
    local answer = host:get("/api/" .. path)
    assert.equal(status, answer.status, answer.text)
    assert.same({ code = code, message = message }, answer:json().error)
  end

  it("is told by its own words, and its 401 is not the viewer's", function()
    refused(403, "forbidden", "pods is forbidden for moonsail", "objects?resource=pods")
    refused(410, "expired", "The continue parameter is too old", "objects?resource=pods&continue=old")
    refused(503, "unavailable", "Unauthorized", "object?resource=pods&namespace=x&name=a")
    refused(400, "bad_request", "the cluster does not list reviews", "objects?resource=reviews")
  end)

  it("does not pass for one that answers", function()
    refused(500, "failed", "the cluster's answer is no table: whatever serves this kind does not make one",
      "objects?resource=pods&continue=list")
    refused(500, "failed", "the cluster's answer is no object", "object?resource=pods&namespace=x&name=b")
  end)

  it("publishes a schema, of which is told what a kind needs, and which is asked for once", function()
    local answer = host:get("/api/schema?apiVersion=v1&kind=Pod")
    assert.equal(200, answer.status, answer.text)
    local found = answer:json()
    assert.equal("#/definitions/a.Spec", found.schema.properties.spec.allOf[1]["$ref"])
    assert.same({
      ["a.Spec"] = { description = "asked 1", items = { ["$ref"] = "#/definitions/a.Loop" } },
      ["a.Loop"] = { properties = { next = { ["$ref"] = "#/definitions/a.Loop" } } },
    }, found.definitions)
    assert.equal(answer.text, host:get("/api/schema?apiVersion=v1&kind=Pod").text)
    refused(404, "not_found", "the cluster publishes no schema of Boat in v1", "schema?apiVersion=v1&kind=Boat")
  end)
end)

describe("a host without a cluster", function()
  it("says why there is nothing to read", function()
    local host = support.serve()
    for _, path in ipairs { "objects?resource=pods", "object?resource=ns&name=x", "schema?apiVersion=v1&kind=Pod" } do
      local answer = host:get("/api/" .. path)
      assert.equal(503, answer.status)
      assert.equal("unavailable", answer:json().error.code)
    end
    assert.equal(200, host:get("/api/flows").status)
    host:stop()
  end)
end)
