-- The ways to change what a manifest names, other than server-side apply: edit, update, create, delete, scale.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local MANIFEST = [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: NAME, labels: { team: sea } }
spec:
  replicas: 2
  selector: { matchLabels: { app: NAME } }
  template:
    metadata: { labels: { app: NAME } }
    spec:
      containers:
      - { name: web, image: "example/web:1", env: [{ name: A, value: "1" }] }
      - { name: side, image: "example/side:1" }
]]

local function deployment(name) return (MANIFEST:gsub("NAME", name)) end

local function configmap(name, value)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: { value: '%s' }\n"):format(name, value or "1")
end

describe("a manifest", function()
  local host, ns

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)

  teardown(function() host:stop() end)

  -- { text = what was said, document = the first row, end_ = complete }
  local function send(manifest, more)
    local texts, last = {}, nil
    for _, e in ipairs(host:start(support.apply_request(ns, manifest, more)):to_end()) do
      if e.type == "line" then texts[#texts + 1] = e.text end
      last = e
    end
    return { text = table.concat(texts, "\n"), rows = last.summary.documents, document = last.summary.documents[1],
      status = last.status, error = last.error, changed = last.summary.resourcesChanged }
  end

  local function fetched(name)
    local answer = host:get(("/api/object?resource=deployments&namespace=%s&name=%s"):format(ns, name))
    assert.equal(200, answer.status)
    return answer.text
  end

  describe("with the base that it was edited from", function()
    it("changes what was edited, and leaves what others changed meanwhile", function()
      send(deployment "edit")
      local base = fetched "edit"
      cluster.patch("deployment", "edit", ns, { spec = { replicas = 5 } }, { manager = "scaler" })
      local edited = base:gsub("example/web:1", "example/web:2"):gsub("team: sea", "team: harbour")
      local result = send(edited, { base = base })
      assert.equal("succeeded", result.status)
      assert.matches("deployment.apps/edit updated", result.text, 1, true)
      assert.equal("configured", result.document.outcome)
      local live = cluster.get("deployment", "edit", ns)
      assert.equal(5, live.spec.replicas)
      assert.equal("harbour", live.metadata.labels.team)
      assert.equal("example/web:2", live.spec.template.spec.containers[1].image)
      assert.equal("1", live.spec.template.spec.containers[1].env[1].value)
      assert.equal("example/side:1", live.spec.template.spec.containers[2].image)
    end)

    it("is a conflict where both changed the same field, with both values, and force takes it", function()
      send(deployment "both")
      local base = fetched "both"
      local function image(value)
        return { spec = { template = { spec = { containers = { { name = "web", image = value } } } } } }
      end
      cluster.patch("deployment", "both", ns, image "example/web:theirs", { manager = "robot" })
      local edited = base:gsub("example/web:1", "example/web:mine")
      local result = send(edited, { base = base })
      assert.equal("failed", result.status)
      assert.same({ field = 'spec.template.spec.containers[name="web"].image', manager = "robot",
        live = "example/web:theirs" }, { field = result.document.conflicts[1].field,
        manager = result.document.conflicts[1].manager, live = result.document.conflicts[1].live })
      assert.matches('containers[name="web"].image (now example/web:theirs)', result.error, 1, true)
      local forced = send(edited, { base = base, force = true })
      assert.equal("succeeded", forced.status)
      assert.equal("example/web:mine",
        cluster.get("deployment", "both", ns).spec.template.spec.containers[1].image)
    end)

    it("takes away what the edit took away, an item of a list too, and adds what it added", function()
      send(deployment "less")
      local base = fetched "less"
      local edited = base:gsub("    team: sea\n", "    crew: '7'\n", 1)
      edited = edited:gsub("\n      %- name: side.-(\n      [a-z])", "%1", 1)
      edited = edited:gsub("\n      %- image: example/side:1.-(\n      [a-z])", "%1", 1)
      local result = send(edited, { base = base })
      assert.equal("succeeded", result.status, result.text)
      local live = cluster.get("deployment", "less", ns)
      assert.same({ crew = "7" }, live.metadata.labels)
      assert.equal(1, #live.spec.template.spec.containers)
    end)

    it("is no conflict of a later apply: the manifest's value is there again, what was added stays", function()
      send(deployment "later")
      local base = fetched "later"
      send((base:gsub("replicas: 2", "replicas: 6"):gsub("team: sea", "team: sea\n    crew: '7'")), { base = base })
      local result = send(deployment "later")
      assert.equal("succeeded", result.status, result.error)
      assert.matches("deployment.apps/later: spec.replicas, which was changed by hand (6), is the manifest's again",
        result.text, 1, true)
      local live = cluster.get("deployment", "later", ns)
      assert.equal(2, live.spec.replicas)
      assert.equal("7", live.metadata.labels.crew)
    end)

    it("is unchanged where nothing was edited, and a dry-run changes nothing", function()
      send(deployment "same")
      local base = fetched "same"
      assert.equal("unchanged", send(base, { base = base }).document.outcome)
      local result = send((base:gsub("team: sea", "team: air")), { base = base, dryRun = true })
      assert.matches("deployment.apps/same validated (dry-run, no changes persisted): would be updated", result.text,
        1, true)
      assert.equal("sea", cluster.get("deployment", "same", ns).metadata.labels.team)
    end)

    it("is refused where the edit renames it, or the base does not parse", function()
      send(deployment "name")
      local base = fetched "name"
      assert.matches("an edit changes neither kind nor name", send((base:gsub("name: name\n", "name: other\n", 1)),
        { base = base }).error, 1, true)
      assert.matches("^base: 2:1: ", send(base, { base = "a: [" }).error)
    end)
  end)

  it("with a resourceVersion replaces the object of that version, and tells what changed since", function()
    send(configmap "put")
    local version = cluster.get("configmap", "put", ns).metadata.resourceVersion
    local function put(value)
      return send(("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: put, resourceVersion: '%s' }\ndata: { value: '%s' }\n")
        :format(version, value))
    end
    local first = put "2"
    assert.matches("configmap/put updated", first.text, 1, true)
    assert.equal("2", cluster.get("configmap", "put", ns).data.value)
    local late = put "3"
    assert.equal("failed", late.status)
    assert.matches("it changed since resourceVersion " .. version .. ": data.value (now 2)", late.error, 1, true)
    assert.equal("2", cluster.get("configmap", "put", ns).data.value)
  end)

  it("is made by the action create, and refused where it is there", function()
    assert.equal("configmap/new created", send(configmap "new", { action = "create" }).text)
    local again = send(configmap("new", "2"), { action = "create" })
    assert.equal("failed", again.status)
    assert.matches("already exists", again.error, 1, true)
    assert.equal("1", cluster.get("configmap", "new", ns).data.value)
  end)

  it("is deleted by the action delete, backwards, and what is not there is said", function()
    local text = configmap "away" .. "---\n" .. deployment "away" .. "---\n" .. configmap "never"
    send(configmap "away" .. "---\n" .. deployment "away")
    local dry = send(text, { action = "delete", dryRun = true })
    assert.equal("succeeded", dry.status)
    assert.is_table(cluster.get("configmap", "away", ns))
    local result = send(text, { action = "delete", propagation = "Background" })
    assert.equal("deployment.apps/away deleted\nconfigmap/never: it is not there\nconfigmap/never unchanged\n"
      .. "configmap/away deleted", result.text)
    assert.equal(2, result.changed.deleted)
    assert.is_nil(cluster.get("configmap", "away", ns))
    support.eventually("the Deployment is gone", function() return not cluster.get("deployment", "away", ns) end)
  end)

  it("tells which finalizers hold what is deleted", function()
    cluster.create("configmap", ns, { metadata = { name = "held", finalizers = { "example.com/hold" } } })
    local result = send(configmap "held", { action = "delete" })
    assert.matches("configmap/held: it goes when its finalizers are done: example.com/hold", result.text, 1, true)
    cluster.patch("configmap", "held", ns, { metadata = { finalizers = support.json.null } }, { type = "merge" })
  end)

  it("is scaled by the action scale", function()
    send(deployment "scale")
    local result = send(deployment "scale", { action = "scale", replicas = 4 })
    assert.equal("deployment.apps/scale: 4 replicas, 2 before\ndeployment.apps/scale scaled", result.text)
    assert.equal(4, cluster.get("deployment", "scale", ns).spec.replicas)
    assert.equal("unchanged", send(deployment "scale", { action = "scale", replicas = 4 }).document.outcome)
    local none = send(configmap "new", { action = "scale", replicas = 4 })
    assert.matches("cannot be scaled", none.error, 1, true)
  end)

  it("leaves fields to their owners where it is asked to, and takes the rest by force", function()
    send(deployment "leave")
    cluster.patch("deployment", "leave", ns, { spec = { replicas = 7 }, metadata = { labels = { team = "air" } } },
      { manager = "scaler" })
    local conflict = send((deployment "leave":gsub("team: sea", "team: land")))
    assert.equal(2, #conflict.document.conflicts)
    local result = send((deployment "leave":gsub("team: sea", "team: land")),
      { force = true, leave = { { index = 0, field = "spec.replicas" } } })
    assert.equal("succeeded", result.status, result.error)
    local live = cluster.get("deployment", "leave", ns)
    assert.equal(7, live.spec.replicas)
    assert.equal("land", live.metadata.labels.team)
  end)

  it("sends nothing where a field is to be left in a document that is not there", function()
    local result = send(configmap "left", { leave = { { index = 1, field = "data.value" } } })
    assert.equal("leave[0]: there is no document with index 1; the last one has 0", result.error)
    assert.is_nil(cluster.get("configmap", "left", ns))
  end)

  it("of many documents is told of in the order of sending, whatever comes back first", function()
    local documents, expected = {}, {}
    for i = 1, 60 do
      documents[i] = configmap(("many-%02d"):format(i))
      expected[i] = ("configmap/many-%02d created"):format(i)
    end
    local result = send(table.concat(documents, "---\n"))
    assert.equal(table.concat(expected, "\n"), result.text)
    assert.equal(60, result.changed.created)
  end)

  it("that names an object twice sends the second after the first", function()
    local result = send(configmap("twice", "1") .. "---\n" .. configmap("twice", "2"))
    assert.equal("configmap/twice created\nconfigmap/twice configured", result.text)
    assert.equal("2", cluster.get("configmap", "twice", ns).data.value)
  end)
end)
