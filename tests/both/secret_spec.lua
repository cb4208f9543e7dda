--- A Secret that was shown with its values masked and comes back so.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"
local events = support.events

describe("a Secret that was shown masked", function()
  local host, ns
  local USER, PASSWORD, NEW = "YW5uYQ==", "Z2VoZWltZ2VoZWlt", "bmV1ZXNuZXVlcw=="

  setup(function()
    ns = cluster.namespace()
    host = cluster.serve()
  end)

  teardown(function() host:stop() end)

  local function create(name, notes)
    return cluster.create("secret", ns, { metadata = { name = name, annotations = notes }, type = "Opaque",
      data = { user = USER, password = PASSWORD } })
  end

  local function data_of(name) return cluster.get("secret", name, ns).data end

  local function shown(name)
    local answer = host:get(("/api/object?resource=secrets&namespace=%s&name=%s"):format(ns, name))
    assert.equal(200, answer.status)
    assert.not_matches(PASSWORD, answer.text, 1, true)
    return answer.text
  end

  local function send(manifest, more)
    local request = { command = "__k8s-apply-yaml", intent = "apply-yaml", kubernetesEquivalent = true, namespace = ns,
      yaml = manifest, action = "update" }
    for k, v in pairs(more or {}) do request[k] = v end
    local all = host:start(request):to_end()
    local whole = support.json.encode(all)
    for _, value in ipairs { USER, PASSWORD, NEW } do assert.not_matches(value, whole, 1, true) end
    local complete = events.complete(all)
    return { status = complete.status, error = complete.error, text = table.concat(events.lines(all), "\n"),
      document = complete.summary.documents[1] }
  end

  -- The text with another value under a key.
  local function with(text, key, value)
    local new, n = text:gsub("(" .. key .. ":%s*)[\"']?%[REDACTED%][\"']?", "%1" .. value)
    assert.equal(1, n, text)
    return new
  end

  local function manifest(name, data, more)
    return ("apiVersion: v1\nkind: Secret\nmetadata: { name: %s%s }\n%s\n"):format(name, more or "", data)
  end

  it("keeps the live values of what was not changed, with its base and without", function()
    create "both-ways"
    local base = shown "both-ways"
    local result = send(with(base, "password", NEW), { base = base })
    assert.equal("succeeded", result.status, result.error)
    assert.equal("configured", result.document.outcome)
    assert.same({ user = USER, password = NEW }, data_of "both-ways")
    result = send(with(shown "both-ways", "user", "Ym9i"))
    assert.equal("succeeded", result.status, result.error)
    assert.same({ user = "Ym9i", password = NEW }, data_of "both-ways")
    base = shown "both-ways"
    assert.equal("unchanged", send(base, { base = base }).document.outcome)
    assert.equal("unchanged", send(base).document.outcome)
    assert.same({ user = "Ym9i", password = NEW }, data_of "both-ways")
  end)

  it("takes them into a server-side apply too, in a dry-run as in earnest, from data and stringData", function()
    create "applied"
    local text = manifest("applied", "data: { user: '[REDACTED]' }\nstringData: { password: '[REDACTED]', more: word }")
    local dry = send(text, { mode = "dry-run", force = true })
    assert.equal("succeeded", dry.status, dry.error)
    assert.matches("secret/applied validated (dry-run, no changes persisted): would be configured", dry.text, 1, true)
    assert.same({ user = USER, password = PASSWORD }, data_of "applied")
    local result = send(text, { force = true })
    assert.equal("succeeded", result.status, result.error)
    assert.same({ user = USER, password = PASSWORD, more = "d29yZA==" }, data_of "applied")
    assert.equal("unchanged", send(text).document.outcome)
  end)

  it("keeps what kubectl applied last", function()
    local note = "kubectl.kubernetes.io/last-applied-configuration"
    create("noted", { [note] = '{"data":{"password":"' .. PASSWORD .. '"}}' })
    local base = shown "noted"
    assert.equal("configured", send(with(base, "password", NEW), { base = base }).document.outcome)
    assert.equal("configured", send(with(shown "noted", "user", NEW)).document.outcome)
    local live = cluster.get("secret", "noted", ns)
    assert.same({ user = NEW, password = NEW }, live.data)
    assert.equal('{"data":{"password":"' .. PASSWORD .. '"}}', live.metadata.annotations[note])
  end)

  it("is refused, by the key, where there is no value that the mark could stand for", function()
    create "lacks"
    for place, text in pairs {
      ["data.other"] = manifest("lacks", "data: { other: '[REDACTED]' }"),
      ["data[a.b]"] = manifest("lacks", "stringData: { a.b: '[REDACTED]' }"),
      ["data.user"] = manifest("not-there", "data: { user: '[REDACTED]' }"),
      ["data.config"] = manifest("lacks", "stringData: { config: 'user: ann, password: [REDACTED]' }"),
      ["metadata.annotations.note"] = manifest("lacks", "data: { user: '[REDACTED]' }", ", annotations: { note: 'is [REDACTED]' }"),
    } do
      local result = send(text)
      assert.equal("failed", result.status)
      assert.equal(1, result.error:find(place .. " holds [REDACTED], which stands for a value that is not shown", 1, true), result.error)
      assert.is_nil(result.text:find("traceback", 1, true), result.text)
    end
    local base = shown "lacks"
    assert.matches("data.more holds [REDACTED]", send((base:gsub("\n(%s+)user:", "\n%1more: '[REDACTED]'\n%1user:")), { base = base }).error, 1, true)
    assert.matches("data.user holds [REDACTED]",
      send(manifest("made", "data: { user: '[REDACTED]' }"), { action = "create" }).error, 1, true)
    assert.same({ user = USER, password = PASSWORD }, data_of "lacks")
    assert.is_nil(cluster.get("secret", "not-there", ns))
  end)

  it("is a conflict where the edited value may have changed meanwhile, and none where another has gone", function()
    create "moved"
    local base = shown "moved"
    cluster.patch("secret", "moved", ns, { data = { password = "YW5kZXJz" } }, { type = "merge" })
    local result = send(with(base, "password", NEW), { base = base })
    assert.equal("failed", result.status)
    assert.matches("data.password", result.error, 1, true)
    assert.same({ user = USER, password = "YW5kZXJz" }, data_of "moved")
    assert.equal("configured", send(with(base, "password", NEW), { base = base, force = true }).document.outcome)
    base = shown "moved"
    cluster.patch("secret", "moved", ns, { data = { user = support.json.null } }, { type = "merge" })
    assert.equal("unchanged", send(base, { base = base }).document.outcome)
    assert.same({ password = NEW }, data_of "moved")
  end)

  it("is told from other kinds, which may carry that text", function()
    local result = send("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: text }\ndata: { a: '[REDACTED]' }\n")
    assert.equal("succeeded", result.status, result.error)
    assert.equal("[REDACTED]", cluster.get("configmap", "text", ns).data.a)
  end)
end)
