-- A guardrail has the last word before anything is sent, and whoever is refused reads which rule it was, of
-- which field, and in which file.

local support = require "tests.spec.support"

local here = assert(io.popen "pwd"):read "l"

local function configmap(name, value, more)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: { k: %q }\n%s"):format(name, value, more or "")
end

local function rule(level, check, resources)
  return ("return guardrail {\n  name = 'rule', level = '%s', help = 'h', resources = { '%s' },\n"
    .. "  check = function(req, obj)\n%s\n  end,\n}\n"):format(level, resources or "configmaps", check)
end

describe("a guardrail", function()
  local host, scripts

  lazy_setup(function()
    scripts = support.tree { ["guardrails/.keep"] = "" }
    host = support.serve { demo = true, args = { "--scripts", scripts } }
  end)
  lazy_teardown(function() host:stop() end)

  local function generation()
    return tonumber(host:get("/api/resources").text:match '"generation":(%d+)') or host:get("/api/resources").text
  end

  -- Puts the rule in force, as an editor does: written beside and renamed.
  local function drop_in(text)
    local before, path = generation(), scripts .. "/guardrails/rule.lua"
    local file = assert(io.open(scripts .. "/guardrails/.new", "w"))
    file:write(text)
    file:close()
    assert(os.rename(scripts .. "/guardrails/.new", path))
    support.eventually("the new guardrail is in force", function() return generation() ~= before end)
  end

  local function apply(text, ...)
    return support.cli({ "apply", "-f", "-", ... }, { home = host.process.home, stdin = text })
  end

  it("that is dropped in while the host runs stops a whole bundle before anything of it is sent", function()
    assert.equal(0, apply(configmap("before", "x")).code)
    drop_in(rule("deny", "    if obj.data.k == 'bad' then return deny('data.k', '%s is not for %s', obj.data.k, req.user) end"))
    local result = apply(configmap("good", "fine") .. "---\n" .. configmap("evil", "bad"))
    assert.equal(3, result.code)
    assert.matches("configmap/evil denied by guardrail rule: data.k: bad is not for %S+ %(%S*guardrails/rule.lua%)",
      result.stderr)
    assert.matches("nothing was sent: 1 of 2 documents may not be", result.stderr, 1, true)
    assert.equal("", result.stdout)
    assert.matches("configmap/good created", apply(configmap("good", "fine")).stdout, 1, true)
  end)

  it("that warns lets through, and says so once", function()
    drop_in(rule("warn", "    return deny('data.k', 'better not %s', obj.data.k)"))
    local result = apply(configmap("warned", "x"))
    assert.equal(0, result.code, result.stderr)
    assert.equal("configmap/warned created\n", result.stdout)
    local said = select(2, result.stderr:gsub("Warning: configmap/warned: guardrail rule: data.k: better not x", ""))
    assert.equal(1, said, result.stderr)
    assert.equal(1, select(2, result.stderr:gsub("better not", "")), result.stderr)
  end)

  it("stands in the document's row of the last event", function()
    drop_in(rule("deny", "    return deny('data.k', 'not %s', obj.data.k)"))
    local result = apply(configmap("row", "x"), "--json")
    local row = '"verdicts":[{"rule":"rule","level":"deny","field":"data.k","message":"not x","file":"'
    assert.matches(row, result.stdout, 1, true)
    assert.matches('"outcome":"failed"', result.stdout, 1, true)
    assert.matches('"code":"forbidden"', result.stdout, 1, true)
  end)

  it("that fails, loops or eats memory denies, with file and line", function()
    local faults = {
      ["rule.lua:4: .-nil value"] = "    return obj.nothing.there",
      ["rule.lua:4: ended after 50 ms: that is all the time it has"] = "    while true do end",
      ["rule.lua:4: not enough memory %(64 MiB is the limit%)"] = "    local s = ('x'):rep(16000000) return s .. s .. s .. s .. s",
      ["rule.lua:1: check must return nothing"] = "    return 'no'",
    }
    for reason, check in pairs(faults) do
      drop_in(rule("warn", check))
      local result = apply(configmap("fault", "x"))
      assert.equal(3, result.code, check)
      assert.matches("configmap/fault denied by guardrail rule: %S*" .. reason, result.stderr)
      assert.matches("a guardrail that fails denies", result.stderr, 1, true)
    end
  end)

  it("that asks for approval denies, for this host cannot ask", function()
    drop_in(rule("deny", "    return approve('a second pair of eyes')"))
    local result = apply(configmap("approval", "x"))
    assert.equal(3, result.code)
    assert.matches("cannot ask for one yet: a second pair of eyes", result.stderr, 1, true)
  end)

  it("sees the live object, the action and the whole bundle", function()
    drop_in(rule("deny", "    return deny('%s %s %d %s', req.action, req.live and req.live.data.k or 'none',"
      .. " #req.bundle, req.bundle[2] and req.bundle[2].name, 'seen')"))
    assert.equal(3, apply(configmap("good", "fine") .. "---\n" .. configmap("new", "x")).code)
    local result = apply(configmap("good", "now") .. "---\n" .. configmap("new", "x"))
    assert.matches("configmap/good denied by guardrail rule: update fine 2 new: seen", result.stderr, 1, true)
    assert.matches("configmap/new denied by guardrail rule: create none 2 new: seen", result.stderr, 1, true)
  end)

  it("lets through and only logs where it observes", function()
    drop_in(rule("observe", "    return deny('data.k', 'would be refused')"))
    local result = apply(configmap("observed", "x"))
    assert.equal(0, result.code, result.stderr)
    assert.not_matches("would be refused", result.stderr, 1, true)
  end)

  it("concerns only the resources that it names", function()
    drop_in(rule("deny", "    return deny('no')", "secrets"))
    assert.equal(0, apply(configmap("unconcerned", "x")).code)
  end)
end)

describe("check -f", function()
  local function check(manifest, ...)
    local folder = support.tree { ["m.yaml"] = manifest }
    return support.cli({ "check", here .. "/examples/scripts", "-f", folder .. "/m.yaml", ... })
  end

  local pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [ { name: c, image: %s } ] }\n"

  it("judges a manifest without a cluster, by file and line", function()
    local result = check(pod:format "registry.example/web:1.2" .. "---\n" .. pod:format "registry.example:5000/web")
    assert.equal(1, result.code)
    assert.matches("/m.yaml:6: pod/p: deny pin-image-tags: spec.containers[0].image: "
      .. "pin the tag of registry.example:5000/web (", result.stdout, 1, true)
    assert.equal(0, check(pod:format "registry.example/web@sha256:0123").code)
    local denied = check(pod:format "web:latest")
    assert.equal(1, denied.code)
    assert.matches("\nno fault in the scripts; their guardrails deny the manifest\n$", denied.stdout)
  end)

  it("says the same as JSON", function()
    local result = check(pod:format "web", "--json")
    assert.equal(1, result.code)
    local said = support.json.decode(result.stdout)
    assert.equal("pod/p", said.documents[1].ref)
    assert.equal("deny", said.documents[1].verdicts[1].level)
    assert.equal("spec.containers[0].image", said.documents[1].verdicts[1].field)
  end)
end)
