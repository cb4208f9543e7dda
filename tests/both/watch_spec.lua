-- Lists that are watched through a host: GET /api/watch with "subscribe": "objects".

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local function configmap(name, value)
  return { metadata = { name = name, labels = { app = "watched" } }, data = { value = value or "1" } }
end

-- A client's picture of a list, from what the socket says.
local function follow(socket, id)
  local view = { rows = {}, id = id }

  local function take(message)
    if message.type == "snapshot" then
      view.rows, view.columns, view.head = {}, message.columns, message
      for _, row in ipairs(message.rows) do view.rows[row.uid] = row end
    elseif message.type == "change" then
      for _, row in ipairs(message.changes) do view.rows[row.uid] = not row.deleted and row or nil end
    elseif message.type == "state" then
      view.state = message
    end
    if message.complete ~= nil then view.complete = message.complete end
    view.last = message
  end

  function view.named(name)
    for _, row in pairs(view.rows) do if row.name == name then return row end end
  end

  function view.names()
    local list = {}
    for _, row in pairs(view.rows) do list[#list + 1] = row.name end
    table.sort(list)
    return table.concat(list, " ")
  end

  --- Reads until the picture is as `fn` wants it.
  function view.wait(fn, limit)
    if view.last and fn(view) then return view end
    socket:read_until(function(message)
      if message.id ~= id then return false end
      take(message)
      return fn(view)
    end, support.seconds(limit or 20))
    return view
  end

  return view
end

local function is_complete(view) return view.complete end

describe("a list that is watched", function()
  local host, ns

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)

  teardown(function() host:stop() end)

  local function watch(request, socket)
    socket = socket or assert(host:socket("/api/watch"))
    request.subscribe, request.id = "objects", request.id or "a"
    socket:send(request)
    return follow(socket, request.id), socket
  end

  it("is first what GET /api/objects tells, then every object that appears, changes and ends", function()
    cluster.create("configmap", ns, configmap("first"))
    local view, socket = watch { resource = "configmaps", namespace = ns }
    view.wait(is_complete)
    local list = host:get(("/api/objects?resource=configmaps&namespace=%s"):format(ns)).json()
    assert.same(list.columns, view.columns)
    assert.same({ list.resource, list.kind, list.apiVersion, list.namespaced },
      { view.head.resource, view.head.kind, view.head.apiVersion, view.head.namespaced })
    for _, row in ipairs(list.rows) do
      local seen = assert(view.rows[row.uid], row.name)
      row.cells, seen.cells = { row.cells[1], row.cells[2] }, { seen.cells[1], seen.cells[2] }
      assert.same(row, seen)
    end
    cluster.create("configmap", ns, configmap("second"))
    view.wait(function() return view.named "second" end)
    assert.equal("second", view.named("second").cells[1])
    cluster.patch("configmap", "second", ns, { data = { more = "2" } }, { type = "merge" })
    view.wait(function() return view.named("second").cells[2] == 2 end)
    cluster.request("DELETE", cluster.path("configmap", ns) .. "/second")
    view.wait(function() return not view.named "second" end)
    assert(view.named "first")
    socket:close()
  end)

  it("holds only what its labels choose", function()
    cluster.create("configmap", ns, { metadata = { name = "other", labels = { app = "else" } } })
    local view, socket = watch { resource = "cm", namespace = ns, labels = "app=else" }
    view.wait(is_complete)
    assert.equal("other", view.names())
    cluster.patch("configmap", "other", ns, { metadata = { labels = { app = "gone" } } }, { type = "merge" })
    view.wait(function() return view.names() == "" end)
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
    configmaps.wait(is_complete)
    local secrets = watch({ resource = "secrets", namespace = ns, id = "two" }, socket)
    secrets.wait(is_complete)
    socket:send { unsubscribe = "one" }
    cluster.create("configmap", ns, configmap("unseen"))
    cluster.create("secret", ns, { metadata = { name = "seen" } })
    secrets.wait(function() return secrets.named "seen" end)
    for _, message in ipairs(socket.events) do
      assert(message.id ~= "one" or not support.json.encode(message):find("unseen", 1, true))
    end
    local again = watch({ resource = "configmaps", namespace = ns, id = "two" }, socket)
    again.wait(function() return again.head and again.head.resource == "configmaps" and again.complete end)
    assert(again.named "unseen")
    socket:close()
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
