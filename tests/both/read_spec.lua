-- Objects as the host shows them, held against what the API server itself says.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local only_real = cluster.real and it or function() end

local function deployment(name)
  return ([[
apiVersion: apps/v1
kind: Deployment
metadata: { name: %s, labels: { app: %s }, annotations: { note: "yes", script: "one\ntwo # three\n" } }
spec:
  replicas: 2
  selector: { matchLabels: { app: %s } }
  template:
    metadata: { labels: { app: %s } }
    spec: { containers: [{ name: c, image: "registry.example/app:1", env: [{ name: PORT, value: "8080" }] }] }
]]):format(name, name, name, name)
end

local CRD = [[
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: ferries.read.moonsail.dev }
spec:
  group: read.moonsail.dev
  scope: Namespaced
  names: { kind: Ferry, plural: ferries, singular: ferry, shortNames: [fy] }
  versions:
    - { name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }
]]

describe("reading through a host", function()
  local host, ns

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
    for _, name in ipairs { "a", "b", "c" } do cluster.create("deployment", ns, deployment(name)) end
    cluster.create("secret", ns, { metadata = { name = "key", annotations = {
      ["kubectl.kubernetes.io/last-applied-configuration"] = '{"data":{"word":"b3BlbiBzZXNhbWU="}}' } },
      data = { word = "b3BlbiBzZXNhbWU=" } })
  end)

  teardown(function() host:stop() end)

  local function get(path, ...)
    return host:get(("/api/" .. path):format(...))
  end

  local function objects(query, ...)
    local answer = get("objects?" .. query, ...)
    assert.equal(200, answer.status, answer.text)
    return answer.json()
  end

  local function names(found)
    local list = {}
    for i, row in ipairs(found.rows) do list[i] = row.name end
    return list
  end

  -- Runs until the object rests: controllers write to it, and a text that was read goes stale.
  local function applied_unchanged(resource, name)
    local run
    support.eventually(resource .. " " .. name .. " goes back unchanged", function()
      local text = get("object?resource=%s&namespace=%s&name=%s", resource, ns, name)
      assert.equal(200, text.status, text.text)
      run = host:events_of { command = "__k8s-apply-yaml", intent = "apply-yaml", mode = "apply",
        kubernetesEquivalent = true, namespace = ns, yaml = text.text }
      return run[#run].status == "succeeded" and run[#run].summary.resourcesChanged.unchanged == 1
    end)
    return run
  end

  it("gives the API server's own table of a Deployment", function()
    local found = objects("resource=deploy&namespace=%s", ns)
    local theirs = cluster.request("GET", cluster.path("deployment", ns), nil,
      { accept = "application/json;as=Table;v=v1;g=meta.k8s.io" }).json()
    assert.equal("deployments", found.resource)
    assert.equal("Deployment", found.kind)
    assert.equal("apps/v1", found.apiVersion)
    assert.is_true(found.namespaced)
    assert.equal(#theirs.columnDefinitions, #found.columns)
    for i, column in ipairs(theirs.columnDefinitions) do
      for _, field in ipairs { "name", "type", "priority", "description" } do
        assert.equal(column[field], found.columns[i][field])
      end
    end
    assert.same({ "a", "b", "c" }, names(found))
    for i, row in ipairs(found.rows) do
      local metadata = theirs.rows[i].object.metadata
      assert.equal(#theirs.rows[i].cells, #row.cells)
      assert.equal(metadata.uid, row.uid)
      assert.equal(metadata.creationTimestamp, row.created)
      assert.equal(ns, row.namespace)
      assert.same({ app = row.name }, row.labels)
    end
  end)

  only_real("shows the columns and cells that kubectl shows", function()
    local head, line = require("tests.cluster.support").kubectl { "get", "deployment", "a", "-n", ns }:match("^(.-)\n(.-)\n")
    local found = objects("resource=deployments&namespace=%s&fields=metadata.name%%3Da", ns)
    local columns, cells = {}, {}
    for i, column in ipairs(found.columns) do
      if column.priority == 0 and column.name ~= "Age" then
        columns[#columns + 1] = column.name:upper()
        cells[#cells + 1] = tostring(found.rows[1].cells[i])
      end
    end
    assert.equal(table.concat(columns, " ") .. " AGE", (head:gsub("%s+", " "):gsub(" $", "")))
    assert.equal(table.concat(cells, " "), (line:gsub("%s+", " "):match("^(.*) %S+ ?$")))
  end)

  it("comes in pieces that miss nothing", function()
    local first = objects("resource=deployments&namespace=%s&limit=2", ns)
    assert.same({ "a", "b" }, names(first))
    assert.is_true(#first.continue > 0)
    local rest = objects("resource=deployments&namespace=%s&limit=2&continue=%s", ns,
      first.continue:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
    assert.same({ "c" }, names(rest))
    assert.equal("", rest.continue)
  end)

  it("selects by labels and by fields", function()
    assert.same({ "a", "c" }, names(objects("resource=deployments&namespace=%s&labels=app%%20in%%20(a%%2Cc)", ns)))
    assert.same({ "b" }, names(objects("resource=deployments&namespace=%s&fields=metadata.name%%3Db", ns)))
    assert.same({}, names(objects("resource=deployments&namespace=%s&labels=app%%3Dnone", ns)))
  end)

  it("passes the API server's own refusals on", function()
    local answer = get("objects?resource=deployments&namespace=%s&labels=a%%20in%%20(", ns)
    assert.equal(400, answer.status)
    assert.matches("unable to parse requirement", answer.json().error.message, 1, true)
    answer = get("objects?resource=deployments&namespace=%s&continue=nonsense", ns)
    assert.equal(400, answer.status)
    assert.matches("continue key is not valid", answer.json().error.message, 1, true)
    answer = get("object?resource=deployments&namespace=%s&name=none", ns)
    assert.equal(404, answer.status)
    assert.matches('deployments.apps "none" not found', answer.json().error.message, 1, true)
  end)

  it("shows an object as YAML that goes back unchanged", function()
    local text = get("object?resource=deployment.apps&namespace=%s&name=a", ns)
    assert.equal(200, text.status, text.text)
    assert.equal("text/yaml; charset=utf-8", text.headers:get("content-type"))
    assert.matches("^apiVersion: apps/v1\nkind: Deployment\nmetadata:\n", text.text)
    assert.matches('note: "yes"\n    script: |\n      one\n      two # three\n', text.text, 1, true)
    assert.matches('value: "8080"', text.text, 1, true)
    assert.is_nil(text.text:find("managedFields", 1, true))
    applied_unchanged("deployments", "a")
  end)

  it("finds a kind that was made a moment ago, by any of its names", function()
    assert.equal(404, get("objects?resource=ferries").status)
    cluster.create("crd", nil, CRD)
    cluster.established("ferries.read.moonsail.dev")
    cluster.create("/apis/read.moonsail.dev/v1/namespaces/%s/ferries", ns,
      { apiVersion = "read.moonsail.dev/v1", kind = "Ferry", metadata = { name = "f" }, spec = { big = 9007199254740993 } })
    support.eventually("ferries are served", function() return get("objects?resource=fy").status == 200 end)
    assert.same({ "f" }, names(objects("resource=ferries.read.moonsail.dev&namespace=%s", ns)))
    assert.matches("big: 9007199254740993\n", get("object?resource=ferry&namespace=%s&name=f", ns).text, 1, true)
  end)

  it("hides what a Secret holds until it is asked to reveal it", function()
    local hidden = get("object?resource=secret&namespace=%s&name=key", ns)
    assert.equal(200, hidden.status)
    assert.is_nil(hidden.text:find("b3BlbiBzZXNhbWU=", 1, true))
    assert.matches("word: '[REDACTED]'\n", hidden.text, 1, true)
    assert.matches("last-applied-configuration: '[REDACTED]'\n", hidden.text, 1, true)
    local shown = get("object?resource=secret&namespace=%s&name=key&reveal=true", ns)
    assert.matches("word: b3BlbiBzZXNhbWU=\n", shown.text, 1, true)
    assert.is_nil(get("objects?resource=secrets&namespace=%s", ns).text:find("b3BlbiBzZXNhbWU=", 1, true))
  end)

  only_real("gives a kind's schema, with what it refers to and nothing else", function()
    local answer = get "schema?apiVersion=apps/v1&kind=Deployment"
    assert.equal(200, answer.status, answer.text)
    local found = answer.json()
    assert.equal("integer", found.definitions["io.k8s.api.apps.v1.DeploymentSpec"].properties.replicas.type)
    assert.is_nil(found.definitions["io.k8s.api.apps.v1.StatefulSetSpec"])
    assert.is_nil(answer.text:find("#/components/", 1, true))
    for name in answer.text:gmatch('"#/definitions/(.-)"') do assert.is_table(found.definitions[name], name) end
    assert.equal(answer.text, get "schema?apiVersion=apps/v1&kind=Deployment".text)
    assert.equal("object", get "schema?apiVersion=v1&kind=Pod".json().schema.type)
    answer = get "schema?apiVersion=apps/v1&kind=Boat"
    assert.equal(404, answer.status)
    assert.equal("the cluster publishes no schema of Boat in apps/v1", answer.json().error.message)
    answer = get "schema?apiVersion=boats.example/v1&kind=Boat"
    assert.equal(404, answer.status)
    assert.equal("the cluster publishes no OpenAPI v3 document of boats.example/v1", answer.json().error.message)
  end)
end)
