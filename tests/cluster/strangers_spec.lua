-- Large manifests of strangers, to two empty API servers, by Moonsail and by kubectl: the same objects, edited too;
-- applied again, tried, and deleted again.

local support = require "tests.spec.support"
local cluster = require "tests.cluster.support"
local compare = require "tests.cluster.support.compare"

-- Each: the bundle, how many objects it has, and edits of it: pattern, what it becomes.
local bundles = {
  { "gateway", 4, { "bundle%-version: v[%w.-]+", "bundle-version: v9.9.9" }, { "channel: standard", "stage: edited" } },
  { "calico", 38, { ":v3%.19%.1", ":v3.20.0" }, { "\n  replicas: 1\n", "\n" }, { "verbs: %[\"list\"%]", "verbs: [watch]" } },
  { "kwok", 30, { "\n  weight: %d+\n", "\n" }, { "durationMilliseconds: %d+", "durationMilliseconds: 7" } },
  { "storage", 54, { "\n  replicas: 1\n", "\n  replicas: 2\n" }, { 'imagePullPolicy: "IfNotPresent"', "# " },
    { "shortNames:", "categories: [edited]\n    shortNames:" } },
  { "databases", 17, { "image:[^\n]+", "image: example/edited:1" }, { "terminationGracePeriodSeconds: %d+", "# " },
    { "minAvailable: %d+", "minAvailable: 60%%" } },
}

local function edited(bundle, text)
  for i = 3, #bundle do
    local n
    text, n = text:gsub(bundle[i][1], bundle[i][2])
    assert(n > 0, bundle[1] .. " no longer has: " .. bundle[i][1])
  end
  return text
end

describe("the manifest of a stranger gives the same objects as with kubectl #newest:", function()
  local ours, theirs

  setup(function() ours, theirs = cluster.new("--bare"), cluster.new("--bare") end)

  teardown(function()
    ours.stop()
    theirs.stop()
  end)

  -- What became of each document, and their references in the order in which they went out.
  local function moonsail(text, ...)
    local result = ours.cli({ "apply", "-f", "-", "--cluster-wide", "--json", ... }, { stdin = text, limit = 60 })
    local events = {}
    for line in result.stdout:gmatch("[^\n]+") do events[#events + 1] = support.json.decode(line) end
    local complete = support.events.complete(events)
    assert.equal("", complete.error)
    local outcomes, order = {}, {}
    for i, row in ipairs(complete.summary.documents) do outcomes[i] = row.outcome end
    for _, line in ipairs(support.events.lines(events, "stdout")) do
      local ref = line:match("^([^ ]+/[^ ]+) %l+$")
      if ref then order[#order + 1] = ref end
    end
    return outcomes, order
  end

  -- A kind of the bundle's own is served only a moment later, and kubectl does not wait for it.
  local function kubectl_apply(text)
    support.eventually("kubectl has applied it", function()
      return theirs.try_kubectl({ "apply", "--server-side", "--field-manager=moonsail", "-f", "-" }, text).code == 0
    end, 60)
  end

  local function snapshot(of, text)
    local objects, fields = {}, {}
    local out = of.kubectl({ "get", "-o", "json", "--show-managed-fields", "-f", "-" }, text)
    for i, object in ipairs(compare.items(out)) do objects[i], fields[i] = compare.object(object) end
    return objects, fields
  end

  -- One by one: of two lists of a hundred large objects nobody would see what differs.
  local function assert_same(expected, found)
    assert.equal(#expected, #found)
    for i in ipairs(expected) do assert.same(expected[i], found[i]) end
  end

  local function all(word, n)
    local words = {}
    for i = 1, n do words[i] = word end
    return words
  end

  -- Gone, or a CRD that the server is taking down in its own time: up to minutes, "storage is (re)initializing".
  local function is_gone(text)
    local result = ours.try_kubectl({ "get", "--ignore-not-found", "-o", "json", "-f", "-" }, text)
    assert(result.code == 0 or result.stderr:find("no matches for kind", 1, true), result.stderr)
    for _, object in ipairs(result.stdout ~= "" and compare.items(result.stdout) or {}) do
      if object.kind ~= "CustomResourceDefinition" or not object.metadata.deletionTimestamp then return false end
    end
    return true
  end

  -- The same number of objects, made or put off until their kind is there; never failed, and none is made.
  local function assert_tried(bundle, text)
    local outcomes = moonsail(text, "--dry-run")
    assert.equal(bundle[2], #outcomes)
    for _, outcome in ipairs(outcomes) do assert.is_true(outcome == "created" or outcome == "deferred", outcome) end
    assert.is_true(is_gone(text))
  end

  local function reversed(list)
    local back = {}
    for i = #list, 1, -1 do back[#back + 1] = list[i] end
    return back
  end

  for _, bundle in ipairs(bundles) do
    it(bundle[1], function()
      local text, n = cluster.stranger(bundle[1]), bundle[2]
      local changed = edited(bundle, text)

      assert_tried(bundle, text)
      local outcomes, order = moonsail(text)
      assert.same(all("created", n), outcomes)
      kubectl_apply(text)
      local before, fields = snapshot(theirs, text)
      local our_before, our_fields = snapshot(ours, text)
      assert.equal(n, #before)
      assert_same(before, our_before)
      assert_same(fields, our_fields)
      assert.same(all("unchanged", n), (moonsail(text)))
      assert.same(all("unchanged", n), (moonsail(text, "--dry-run")))

      kubectl_apply(changed)
      local after, fields_after = snapshot(theirs, text)
      local expected, edits = {}, 0
      for i = 1, n do
        expected[i] = pcall(assert.same, before[i], after[i]) and "unchanged" or "configured"
        if expected[i] == "configured" then edits = edits + 1 end
      end
      assert.is_true(edits > 0)
      assert.same(expected, (moonsail(changed, "--dry-run")))
      assert_same(before, (snapshot(ours, text)))
      assert.same(expected, (moonsail(changed)))
      local our_after, our_fields_after = snapshot(ours, text)
      assert_same(after, our_after)
      assert_same(fields_after, our_fields_after)

      local deleted, backwards = moonsail(changed, "--delete")
      assert.same(all("deleted", n), deleted)
      assert.same(reversed(order), backwards)
      support.eventually("all of it is gone", function() return is_gone(text) end)
    end)
  end
end)
