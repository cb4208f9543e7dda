-- Lists that are watched through a host: GET /api/watch with "subscribe": "objects".

local support = require "tests.spec.support"
local watched = require "tests.spec.support.watched"
local cluster = require "tests.both.support"

local function configmap(name, value)
  return { metadata = { name = name, labels = { app = "watched" } }, data = { value = value or "1" } }
end

-- The demo cluster has another token after a restart.
local only_real = cluster.real and it or function() end

describe("a list that is watched", function()
  local host, ns

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)

  teardown(function() host:stop() end)

  local function watch(request, socket)
    socket = socket or assert(host:socket("/api/watch"))
    request.subscribe = "objects"
    return watched.subscribe(socket, request), socket
  end

  it("is first what GET /api/objects tells, then every object that appears, changes and ends", function()
    cluster.create("configmap", ns, configmap("first"))
    local view, socket = watch { resource = "configmaps", namespace = ns }
    view:wait()
    local list = host:get(("/api/objects?resource=configmaps&namespace=%s"):format(ns)).json()
    assert.same(list.columns, view.head.columns)
    assert.same({ list.resource, list.kind, list.apiVersion, list.namespaced },
      { view.head.resource, view.head.kind, view.head.apiVersion, view.head.namespaced })
    for _, row in ipairs(list.rows) do
      local seen = assert(view.rows[row.uid], row.name)
      row.cells, seen.cells = { row.cells[1], row.cells[2] }, { seen.cells[1], seen.cells[2] }
      assert.same(row, seen)
    end
    cluster.create("configmap", ns, configmap("second"))
    view:wait(function() return view:named "second" end)
    assert.equal("second", view:named("second").cells[1])
    cluster.patch("configmap", "second", ns, { data = { more = "2" } }, { type = "merge" })
    view:wait(function() return view:named("second").cells[2] == 2 end)
    cluster.request("DELETE", cluster.path("configmap", ns) .. "/second")
    view:wait(function() return not view:named "second" end)
    assert(view:named "first")
    socket:close()
  end)

  it("holds only what its labels choose", function()
    cluster.create("configmap", ns, { metadata = { name = "other", labels = { app = "else" } } })
    local view, socket = watch { resource = "cm", namespace = ns, labels = "app=else" }
    view:wait()
    assert.equal("other", view:names())
    cluster.patch("configmap", "other", ns, { metadata = { labels = { app = "gone" } } }, { type = "merge" })
    view:wait(function() return view:names() == "" end)
    socket:close()
  end)

  it("tells no value of a Secret", function()
    cluster.create("secret", ns, { metadata = { name = "key", annotations = { note = "b3BlbiBzZXNhbWU=" } },
      data = { word = "b3BlbiBzZXNhbWU=" } })
    local socket = assert(host:socket("/api/watch"))
    socket:send { subscribe = "objects", id = "a", resource = "secrets", namespace = ns }
    local all = {}
    repeat
      local text = socket:text()
      all[#all + 1] = text
      local message = support.json.decode(text)
    until message.complete
    local said = table.concat(all)
    assert(said:find('"key"', 1, true), said)
    assert.is_nil(said:find("b3BlbiBzZXNhbWU", 1, true))
    socket:close()
  end)

  it("goes beside others on one socket, ends by itself, and its id can stand for another one", function()
    local configmaps, socket = watch { resource = "configmaps", namespace = ns, id = "one" }
    configmaps:wait()
    local secrets = watch({ resource = "secrets", namespace = ns, id = "two" }, socket)
    secrets:wait()
    socket:send { unsubscribe = "one" }
    cluster.create("configmap", ns, configmap("unseen"))
    cluster.create("secret", ns, { metadata = { name = "seen" } })
    secrets:wait(function() return secrets:named "seen" end)
    for _, message in ipairs(socket.events) do
      assert(message.id ~= "one" or not support.json.encode(message):find("unseen", 1, true))
    end
    local again = watch({ resource = "configmaps", namespace = ns, id = "two" }, socket)
    again:wait(function() return again.head and again.head.resource == "configmaps" and again.complete end)
    assert(again:named "unseen")
    socket:close()
  end)

  only_real("is right again without a hole when the API server was away", function()
    local view, socket = watch { resource = "configmaps", namespace = ns, labels = "app=watched" }
    view:wait()
    cluster.stop_apiserver()
    view:wait(function() return view.state and view.state.connected == false end, support.seconds(60))
    assert.matches("^lost, trying again: ", view.state.error)
    cluster.start_apiserver()
    cluster.create("configmap", ns, configmap("after"))
    cluster.create("configmap", ns, configmap("later"))
    cluster.request("DELETE", cluster.path("configmap", ns) .. "/first")
    view:wait(function() return view:named "after" and not view:named "first" end, support.seconds(60))
    assert.is_true(view.state.connected)
    assert.equal(1, view.snapshots)
    local list = host:get(("/api/objects?resource=configmaps&namespace=%s&labels=app%%3Dwatched"):format(ns)).json()
    assert(#list.rows > 1)
    for _, row in ipairs(list.rows) do assert.equal(row.resourceVersion, view.rows[row.uid].resourceVersion) end
    for uid, row in pairs(view.rows) do
      local there = false
      for _, other in ipairs(list.rows) do there = there or other.uid == uid end
      assert(there, row.name .. " is shown and is not there")
    end
    socket:close()
  end)

  only_real("says in the cluster's words what the host itself may not see", function()
    local viewer = cluster.serve { env = { KUBECONFIG = cluster.kubeconfig("kubeconfig-viewer") } }
    local socket = assert(viewer:socket("/api/watch"))
    local view = watched.subscribe(socket, { subscribe = "objects", resource = "secrets", namespace = ns })
    view:wait(function() return view.error end)
    assert.equal("forbidden", view.error.code)
    assert.matches("secrets is forbidden: User", view.error.error, 1, true)
    socket:close()
    viewer:stop()
  end)

  only_real("shows the columns of a kind anew when they change", function()
    local function crd(column)
      return { metadata = { name = "rafts.watch.moonsail.dev" }, spec = { group = "watch.moonsail.dev", scope = "Namespaced",
        names = { kind = "Raft", plural = "rafts", singular = "raft" }, versions = support.json.list { {
          name = "v1", served = true, storage = true,
          schema = { openAPIV3Schema = { type = "object", ["x-kubernetes-preserve-unknown-fields"] = true } },
          additionalPrinterColumns = support.json.list { { name = column, type = "string", jsonPath = ".spec.logs" } },
        } } } }
    end
    local rafts = "/apis/watch.moonsail.dev/v1/namespaces/%s/rafts"
    local function raft(name)
      cluster.create(rafts, ns, { apiVersion = "watch.moonsail.dev/v1", kind = "Raft", metadata = { name = name },
        spec = { logs = "7" } })
    end
    cluster.create("crd", nil, crd("Logs"))
    cluster.established("rafts.watch.moonsail.dev")
    raft "one"
    local view, socket = watch { resource = "rafts", namespace = ns }
    view:wait(function() return view.complete and view:named "one" end)
    assert.equal("Logs", view.head.columns[2].name)
    assert.equal("7", view:named("one").cells[2])
    cluster.patch("crd", "rafts.watch.moonsail.dev", nil, { spec = { versions = crd("Trunks").spec.versions } },
      { type = "merge" })
    local made = 1
    view:wait(function()
      -- A server tells columns only with rows.
      if view.head.columns[2].name ~= "Trunks" and made < 20 then
        made = made + 1
        support.eventually("the new columns are served", function()
          local list = host:get(("/api/objects?resource=rafts&namespace=%s"):format(ns)).json()
          return list.columns[2].name == "Trunks"
        end)
        raft("raft-" .. made)
      end
      return view.head.columns[2].name == "Trunks" and view.complete
    end, support.seconds(30))
    assert.equal("7", view:named("one").cells[2])
    socket:close()
    cluster.request("DELETE", cluster.path("crd") .. "/rafts.watch.moonsail.dev")
  end)

  it("says why it cannot be: no such kind, no resource, no such context", function()
    local socket = assert(host:socket("/api/watch"))
    local function refused(request)
      request.subscribe, request.id = "objects", "a"
      socket:send(request)
      local all = socket:read_until(function(message) return message.type == "error" end)
      return { all[#all].id, all[#all].code, all[#all].error }
    end
    assert.same({ "a", "not_found", 'the cluster serves no "unicorns"' }, refused { resource = "unicorns" })
    assert.same({ "a", "bad_request", "resource is missing" }, refused {})
    assert.equal("not_found", refused({ resource = "pods", context = "nowhere" })[2])
    local bad = refused { resource = "pods", labels = "a in (" }
    assert.equal("bad_request", bad[2])
    assert(bad[3]:find("unable to parse", 1, true) or bad[3]:find("label", 1, true), bad[3])
    socket:close()
  end)
end)
