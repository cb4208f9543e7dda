local support = require "tests.spec.support"
local events, json = support.events, support.json

local function run(host, more)
  local request = { command = "true" }
  for name, value in pairs(more or {}) do request[name] = value end
  local all = host:events_of(request)
  events.complete(all)
  return all[1].executionId
end

local function ids(list)
  local found = {}
  for i, record in ipairs(list) do found[i] = record.executionId end
  return found
end

local function ended(host, id)
  support.eventually(id .. " has ended", function()
    return host:get("/api/executions?q=" .. id):json()[1].summary ~= nil
  end)
end

describe("the list of executions", function()
  local host, me

  lazy_setup(function()
    host = support.serve()
    me = host:get("/api/me"):json().name
    for i = 1, 5 do run(host, { executionId = "run-" .. i, label = "Number " .. i }) end
    run(host, { executionId = "fails", command = "false" })
    run(host, { executionId = "touching", kubernetesEquivalent = true, namespace = "shop", resource = "deployments" })
  end)
  lazy_teardown(function() host:stop() end)

  local function list(query)
    local answer = host:get("/api/executions" .. (query or ""))
    assert.equal(200, answer.status, answer.text)
    assert.equal("[", answer.text:sub(1, 1))
    return answer:json()
  end

  it("is newest first, each with its record", function()
    local all = list()
    assert.same({ "touching", "fails", "run-5", "run-4", "run-3", "run-2", "run-1" }, ids(all))
    local record = all[4]
    assert.equal("succeeded", record.status)
    assert.equal("succeeded", record.outcome)
    assert.equal("Number 4", record.label)
    assert.equal("apply", record.mode)
    assert.equal("shell", record.sourceLabel)
    assert.equal(me, record.user)
    assert.equal("", record.error)
    assert.equal("", record.namespace)
    assert.equal(record.startedAt, record.lastLineAt)
    assert.equal(0, record.summary.exitCode)
    assert.same({ created = 0, configured = 0, unchanged = 0, deleted = 0 }, record.summary.resourcesChanged)
    assert.equal("failed", all[2].status)
    assert.matches("exit code 1", all[2].error)
    assert.equal("kubectl-equivalent", all[1].sourceLabel)
    assert.equal("shop", all[1].namespace)
    assert.equal("deployments", all[1].resource)
  end)

  it("is empty on a new host", function()
    local other = support.serve()
    assert.equal("[]", other:get("/api/executions").text)
    other:stop()
  end)

  it("comes in pages", function()
    local first = ids(list "?limit=3")
    assert.same({ "touching", "fails", "run-5" }, first)
    assert.same({ "run-4", "run-3", "run-2" }, ids(list("?limit=3&before=" .. first[3])))
    assert.same({ "run-1" }, ids(list "?limit=3&before=run-2"))
    assert.same({}, ids(list "?before=run-1"))
  end)

  it("can be asked by status, mode, user, time and text", function()
    assert.same({ "fails" }, ids(list "?status=failed"))
    assert.same({}, ids(list "?status=running"))
    assert.equal(7, #list "?mode=apply")
    assert.equal(0, #list "?mode=dry-run")
    assert.equal(7, #list("?user=" .. me))
    assert.equal(0, #list "?user=somebody-else")
    assert.same({ "run-3" }, ids(list "?q=number%203"))
    assert.same({ "run-3" }, ids(list "?q=Number+3"))
    assert.same({ "touching" }, ids(list "?q=SHOP"))
    assert.same({ "fails" }, ids(list "?q=&status=failed&user="))
    local fourth = list()[2].startedAt
    for _, record in ipairs(list("?since=" .. fourth)) do assert.is_true(record.startedAt >= fourth) end
    assert.equal("fails", list("?limit=200&since=" .. fourth)[2].executionId)
    assert.equal(0, #list "?since=2999-01-01T00:00:00Z")
  end)

  for query, field in pairs {
    ["limit=0"] = "limit", ["limit=201"] = "limit", ["limit=many"] = "limit", ["limit=-1"] = "limit",
    ["limit=99999999999999999999"] = "limit", ["status=done"] = "status", ["mode=try"] = "mode",
    ["since=yesterday"] = "since", ["before=nobody"] = "before",
  } do
    it("names the field that is wrong: " .. query, function()
      local answer = host:get("/api/executions?" .. query)
      assert.equal(400, answer.status)
      assert.equal("bad_request", answer:json().error.code)
      assert.matches("^" .. field, answer:json().error.message)
    end)
  end
end)

describe("an execution over REST", function()
  local host

  lazy_setup(function() host = support.serve() end)
  lazy_teardown(function() host:stop() end)

  it("is accepted, runs, and can be read and watched", function()
    local answer = host:post("/api/executions", { command = "seq", args = json.list { "1", "3" }, label = "Three" })
    assert.equal(202, answer.status)
    local id = answer:json().executionId
    assert.matches("^[%w._-]+$", id)
    local all = host:attach(id):to_end()
    assert.equal("planned running succeeded", events.states(all))
    local logs = host:get("/api/executions/logs?executionId=" .. id):json()
    assert.equal(id, logs.executionId)
    for i, row in ipairs(logs.logs) do
      assert.equal(tostring(i), row.text)
      assert.equal("stdout", row.stream)
      assert.equal(all[i + 2].seq, row.seq)
      assert.equal(all[i + 2].timestamp, row.timestamp)
    end
    assert.equal(3, #logs.logs)
    assert.is_nil(logs.truncated)
  end)

  it("keeps the executionId that it is given, and takes each only once", function()
    assert.equal("mine", host:post("/api/executions", { executionId = "mine", command = "true" }):json().executionId)
    local again = host:post("/api/executions", { executionId = "mine", command = "true" })
    assert.equal(409, again.status)
    assert.equal("conflict", again:json().error.code)
    ended(host, "mine")
  end)

  for what, case in pairs {
    ["no JSON"] = { "start", 400, "bad_request" },
    ["nothing"] = { "", 400, "bad_request" },
    ["an empty manifest"] = { { intent = "apply-yaml", namespace = "a", yaml = "\n" }, 400, "bad_request", "the manifest is empty" },
    ["an executionId that could be a path"] = { { command = "true", executionId = "../x" }, 400, "bad_request" },
    ["a wrong type"] = { { command = 7 }, 400, "bad_request" },
    ["a dry-run of a command"] = { { command = "true", dryRun = true }, 400, "bad_request" },
    ["an apply without a namespace"] = { { intent = "apply-yaml", yaml = "kind: Pod" }, 403, "forbidden",
      "namespace is required for Kubernetes-equivalent executions unless allowClusterWide is explicitly enabled" },
  } do
    it("is refused: " .. what, function()
      local answer = host:post("/api/executions", case[1])
      assert.equal(case[2], answer.status)
      assert.equal(case[3], answer:json().error.code)
      if case[4] then assert.equal(case[4], answer:json().error.message) end
    end)
  end

  it("is cancelled: 202 while it runs, 409 afterwards, 404 where there is none", function()
    local id = host:post("/api/executions", { command = "sleep", args = json.list { "600" } }):json().executionId
    local viewer = host:attach(id)
    viewer:read_until(function(event) return event.status == "running" end)
    local answer = host:post("/api/executions/cancel?executionId=" .. id)
    assert.equal(202, answer.status)
    assert.equal("cancelled", events.complete(viewer:to_end()).outcome)
    answer = host:post("/api/executions/cancel?executionId=" .. id)
    assert.equal(409, answer.status)
    assert.equal("conflict", answer:json().error.code)
    assert.equal(404, host:post("/api/executions/cancel?executionId=nobody").status)
    assert.equal(400, host:post("/api/executions/cancel").status)
  end)
end)

describe("the logs of an execution", function()
  local host, id

  lazy_setup(function()
    host = support.serve()
    id = run(host, { command = "sh", args = { "-c", "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done" } })
  end)
  lazy_teardown(function() host:stop() end)

  local function logs(query)
    local answer = host:get("/api/executions/logs?executionId=" .. id .. query)
    assert.equal(200, answer.status, answer.text)
    return answer:json().logs, answer:json()
  end

  it("are its lines in order, of both streams or of one", function()
    assert.equal(10, #logs "")
    local last = 0
    for _, row in ipairs(logs "") do
      assert.is_true(row.seq > last)
      last = row.seq
    end
    for i, row in ipairs(logs "&stream=stderr") do
      assert.equal("stderr", row.stream)
      assert.equal("err " .. i, row.text)
    end
    assert.equal(5, #logs "&stream=stdout")
  end)

  it("are the last ones without afterSeq, and with it the first ones after it", function()
    local all = logs ""
    assert.same({ all[9], all[10] }, (logs "&limit=2"))
    assert.same({ all[1], all[2] }, (logs "&limit=2&afterSeq=1"))
    assert.same({ all[5], all[6], all[7] }, (logs("&limit=3&afterSeq=" .. all[4].seq)))
    assert.same({}, (logs("&afterSeq=" .. all[10].seq)))
    assert.is_nil(select(2, logs "&limit=2").truncated)
  end)

  it("say so where older ones are no longer kept, and only there", function()
    local forgetful = support.serve { args = { "--history", "off" } }
    local many = run(forgetful, { command = "sh", args = { "-c", "yes " .. ("x"):rep(200) .. " | head -n 40000" } })
    local answer = forgetful:get("/api/executions/logs?executionId=" .. many):json()
    assert.is_true(answer.truncated)
    assert.is_true(answer.firstSeq > 1)
    assert.equal(500, #answer.logs)
    answer = forgetful:get(("/api/executions/logs?executionId=%s&afterSeq=%d"):format(many, answer.logs[400].seq)):json()
    assert.is_nil(answer.truncated)
    assert.equal(100, #answer.logs)
    forgetful:stop()
  end)

  for query, field in pairs {
    ["&limit=0"] = "limit", ["&limit=10001"] = "limit", ["&afterSeq=-1"] = "afterSeq", ["&afterSeq=x"] = "afterSeq",
    ["&stream=both"] = "stream",
  } do
    it("name the field that is wrong: " .. query, function()
      local answer = host:get("/api/executions/logs?executionId=" .. id .. query)
      assert.equal(400, answer.status)
      assert.matches("^" .. field, answer:json().error.message)
    end)
  end

  it("are not found for an unknown execution, and need one to be named", function()
    local answer = host:get "/api/executions/logs?executionId=nobody"
    assert.equal(404, answer.status)
    assert.equal("not_found", answer:json().error.code)
    answer = host:get "/api/executions/logs"
    assert.equal(400, answer.status)
    assert.matches("executionId", answer:json().error.message)
  end)
end)

describe("a host without any cluster", function()
  local host

  lazy_setup(function() host = support.serve() end)
  lazy_teardown(function() host:stop() end)

  it("says who one is and what one may do", function()
    local me = host:get("/api/me"):json()
    assert.equal("admin", me.role)
    assert.equal("local", me.method)
    assert.is_true(#me.name > 0)
    assert.is_true(me.admin)
    assert.is_table(me.may.deployments)
  end)

  it("knows the kinds that it ships", function()
    local answer = host:get("/api/resources"):json()
    local names = {}
    for i, resource in ipairs(answer.resources) do
      names[i] = resource.name
      assert.is_string(resource.kind)
      assert.is_true(#resource.versions > 0)
      assert.is_string(resource.help)
      assert.is_string(resource.source)
      assert.is_nil(resource.served) -- null: nobody was asked
    end
    table.sort(names)
    assert.same({ "certificates", "clusterrolebindings", "clusterroles", "configmaps", "cronjobs",
      "customresourcedefinitions", "daemonsets", "deployments", "hpa", "ingress", "jobs", "namespaces",
      "networkpolicy", "nodes", "pdb", "persistentvolumeclaims", "persistentvolumes", "pods", "replicasets", "rolebindings",
      "roles", "secrets", "serviceaccounts", "services", "statefulsets", "storageclasses" }, names)
    assert.same({}, answer.faults)
  end)

  it("says that it is not connected, and why", function()
    local answer = host:get "/api/cluster/status"
    assert.equal(200, answer.status)
    local status = answer:json()
    assert.is_false(status.connected)
    assert.equal("", status.version)
    assert.same({}, status.contexts)
    assert.matches("%.kube/config names no context", status.error)
  end)

  it("fails an apply, and says that there is no cluster", function()
    local all = host:events_of { intent = "apply-yaml", namespace = "default",
      yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" }
    local complete = events.complete(all)
    assert.equal("failed", complete.status)
    assert.matches("names no context", complete.error)
    assert.equal("kubectl-equivalent", complete.sourceLabel)
    assert.equal(1, complete.summary.exitCode)
  end)
end)

describe("a dry-run", function()
  it("is one in either spelling, and each of its events says so", function()
    local host = support.serve()
    for _, more in ipairs { { mode = "dry-run" }, { dryRun = true }, { mode = "apply", dryRun = true } } do
      more.intent, more.namespace = "apply-yaml", "default"
      more.yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
      local all = host:events_of(more)
      for _, event in ipairs(all) do assert.equal("dry-run", event.mode) end
      events.complete(all)
    end
    assert.equal(3, #host:get("/api/executions?mode=dry-run"):json())
    host:stop()
  end)
end)

describe("a host whose cluster is away", function()
  it("says that it is not connected, to which, and why", function()
    local file = support.tree { config = [[
apiVersion: v1
kind: Config
clusters: [{name: away, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: t}}]
contexts: [{name: here, context: {cluster: away, user: me}}, {name: there, context: {cluster: away, user: me}}]
current-context: here
]] } .. "/config"
    local host = support.serve { args = { "--kubeconfig", file } }
    local status = host:get("/api/cluster/status"):json()
    assert.is_false(status.connected)
    assert.equal("here", status.context)
    assert.equal("https://127.0.0.1:1", status.server)
    assert.same({ "here", "there" }, status.contexts)
    assert.matches("127%.0%.0%.1:1", status.error)
    assert.equal("there", host:get("/api/cluster/status?context=there"):json().context)
    assert.equal(404, host:get("/api/cluster/status?context=nowhere").status)
    assert.equal(200, host:get("/api/resources").status)
    host:stop()
  end)
end)

describe("the door of the host", function()
  local host, port

  lazy_setup(function()
    host = support.serve()
    port = host:port()
  end)
  lazy_teardown(function() host:stop() end)

  local refusals = {
    ["a page of another site"] = { ["Origin"] = "https://evil.example" },
    ["a page on another port of this machine"] = { ["Origin"] = "http://localhost:1" },
    ["a page of the same address under another scheme"] = { ["Origin"] = "https://127.0.0.1:%d" },
    ["a page that hides its origin"] = { ["Origin"] = "null" },
    ["a request that another site caused"] = { ["Sec-Fetch-Site"] = "cross-site" },
    ["a request that another port caused"] = { ["Sec-Fetch-Site"] = "same-site" },
    ["a name that was made to point here"] = { ["Host"] = "evil.example:%d" },
    ["a name without a port"] = { ["Host"] = "localhost" },
    ["our name with another port"] = { ["Host"] = "localhost:1" },
  }

  for who, headers in pairs(refusals) do
    it("is shut to " .. who .. ", over REST and WebSocket", function()
      local sent = {}
      for name, value in pairs(headers) do sent[name] = value:format(port) end
      for _, answer in ipairs {
        host:get("/api/executions", sent), host:get("/api/cluster/status", sent),
        host:post("/api/executions", { command = "touch" }, sent),
      } do
        assert.equal(403, answer.status)
        assert.equal("forbidden", answer:json().error.code)
        assert.is_true(#answer:json().error.message > 0)
        assert.equal("application/json", answer.headers:get("content-type"))
      end
      local run_, status = host:socket("/api/execution/stream", { headers = sent })
      assert.is_nil(run_)
      assert.equal(403, status)
      assert.equal("[]", host:get("/api/executions").text)
    end)
  end

  it("is open to its own pages and to what is no browser", function()
    for _, headers in ipairs {
      {}, { Origin = ("http://127.0.0.1:%d"):format(port) }, { ["Sec-Fetch-Site"] = "same-origin" },
      { ["Sec-Fetch-Site"] = "none" },
      { Host = ("localhost:%d"):format(port), Origin = ("http://localhost:%d"):format(port) },
      { Host = ("[::1]:%d"):format(port) },
    } do
      assert.equal(200, host:get("/api/me", headers).status)
      local socket = host:socket("/api/execution/stream", { headers = headers })
      assert.is_truthy(socket)
      socket:close()
    end
  end)

  it("is open to a link on another site, which leads to its front page and no further", function()
    local headers = { ["Sec-Fetch-Site"] = "cross-site", ["Sec-Fetch-Mode"] = "navigate" }
    assert.equal(200, host:get("/", headers).status)
    assert.equal(403, host:get("/api/executions", headers).status)
  end)

  it("answers to probes, whatever they call it", function()
    for _, path in ipairs { "/healthz", "/readyz" } do
      local answer = host:get(path, { Host = "10.1.2.3:" .. port, Origin = "null" })
      assert.equal(200, answer.status)
      assert.is_true(#answer.text < 16)
    end
  end)

  it("has nothing at a path that there is not", function()
    for _, path in ipairs { "/api", "/api/nothing", "/api/executions/", "/api/me/../me/x", "/api/execution" } do
      local answer = host:raw(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"):format(path, port))
      assert.equal(404, answer.status, path)
      assert.equal("not_found", answer:json().error.code)
    end
  end)

  it("names the methods that a path takes", function()
    local answer = host:request("DELETE", "/api/executions")
    assert.equal(405, answer.status)
    assert.equal("GET, HEAD, POST", answer.headers:get("allow"))
    assert.is_string(answer:json().error.message)
    assert.equal("POST", host:get("/api/executions/cancel").headers:get("allow"))
    assert.equal(405, host:request("PUT", "/api/me", "{}").status)
    assert.equal(405, host:post("/api/execution/stream", {}).status)
    assert.equal(405, host:post("/healthz", {}).status)
  end)

  local function post(headers, body)
    return host:raw(("POST /api/executions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n%s"):format(port, headers, body or ""))
  end

  it("wants to know a body's length", function()
    assert.equal(411, post("").status)
    assert.equal(411, post("Transfer-Encoding: chunked\r\n", "4\r\nabcd\r\n0\r\n\r\n").status)
    assert.equal(400, post("Content-Length: many\r\n").status)
    assert.equal("bad_request", post("").json().error.code)
  end)

  it("takes no body of more than 8 MiB", function()
    local answer = post(("Content-Length: %d\r\n"):format(8 * 1024 * 1024 + 1))
    assert.equal(413, answer.status)
    assert.equal("too_large", answer:json().error.code)
    -- One of exactly that size is read: it is no JSON.
    answer = host:post("/api/executions", (" "):rep(8 * 1024 * 1024))
    assert.equal(400, answer.status)
    assert.equal("bad_request", answer:json().error.code)
  end)

  it("answers a HEAD like a GET, without the body", function()
    local answer = host:request("HEAD", "/api/me")
    assert.equal(200, answer.status)
    assert.equal("", answer.text)
    assert.equal(tostring(#host:get("/api/me").text), answer.headers:get("content-length"))
  end)

  it("answers one request after another on one connection", function()
    local peer = host:connect()
    for _ = 1, 3 do
      local answer = host:raw(("GET /api/me HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"):format(port), peer)
      assert.equal(200, answer.status)
      assert.equal("admin", answer:json().role)
    end
    peer:close()
  end)

  it("sends its security headers with every answer", function()
    for path, status in pairs { ["/"] = 200, ["/api/me"] = 200, ["/api/nothing"] = 404, ["/api/me?x"] = 403 } do
      local answer = host:get(path, status == 403 and { Origin = "null" } or nil)
      assert.equal(status, answer.status)
      local csp = answer.headers:get("content-security-policy")
      assert.is_truthy(csp:find("frame-ancestors 'none'", 1, true))
      assert.is_truthy(csp:find("default-src 'self'", 1, true))
      assert.is_nil(csp:find("unsafe-inline", 1, true))
      assert.equal("nosniff", answer.headers:get("x-content-type-options"))
      assert.equal("same-origin", answer.headers:get("cross-origin-resource-policy"))
      assert.is_truthy(answer.headers:get("referrer-policy"))
      if path ~= "/" then assert.equal("no-store", answer.headers:get("cache-control")) end
      assert.is_nil(answer.headers:get("access-control-allow-origin"))
    end
  end)

  it("lets in the names and origins that it was told to", function()
    local other = support.serve { args = { "--allow-host", "moon.example", "--allow-origin", "http://localhost:5173" } }
    assert.equal(200, other:get("/api/me", { Host = "moon.example:" .. other:port() }).status)
    assert.equal(200, other:get("/api/me", { Origin = "http://localhost:5173" }).status)
    assert.equal(403, other:get("/api/me", { Origin = "http://localhost:5174" }).status)
    assert.equal(403, other:get("/api/me", { Host = "sun.example:" .. other:port() }).status)
    other:stop()
  end)
end)
