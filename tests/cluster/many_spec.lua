-- Many documents in one file, beside kubectl on the same API server.

local cqueues = require "cqueues"

local support = require "tests.spec.support"
local cluster = require "tests.cluster.support"

local asan = support.tagged "asan"
local COUNT = asan and 300 or 2000
local SLOWER_AT_MOST = 1.5 -- times what kubectl takes; measured: 0.7 to 1.5, on two cores that others use too
local ROUNDS = 3           -- one that holds is enough: others may have slowed us

local function config_maps(namespace)
  local texts = {}
  for i = 1, COUNT do
    texts[i] = ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: many-%d, namespace: %s }\ndata: { a: value %d }\n")
      :format(i, namespace, i)
  end
  return table.concat(texts, "---\n")
end

describe("thousands of documents in one file #newest", function()
  local server

  setup(function() server = cluster.new("--bare") end)

  teardown(function() server.stop() end)

  -- The outcome that all had, and how long it took.
  local function moonsail(text)
    local result = server.cli({ "apply", "-f", "-", "--cluster-wide", "--json" }, { stdin = text, limit = 240 })
    local complete = support.json.decode(result.stdout:match("([^\n]+)\n*$"))
    assert.equal("", complete.error)
    for word, n in pairs(complete.summary.resourcesChanged) do
      if n == COUNT then return word, complete.summary.durationMs / 1000 end
    end
    error(support.json.encode(complete.summary.resourcesChanged))
  end

  -- How long kubectl takes.
  local function kubectl(text)
    local before = cqueues.monotime()
    server.kubectl({ "apply", "--server-side", "-f", "-" }, text)
    return cqueues.monotime() - before
  end

  it("take about as long as with kubectl apply --server-side, and stay as they are the second time", function()
    local tried = {}
    for round = 1, asan and 1 or ROUNDS do
      local ours, theirs = "ours-" .. round, "theirs-" .. round
      server.kubectl { "create", "namespace", ours }
      server.kubectl { "create", "namespace", theirs }
      local word, seconds = moonsail(config_maps(ours))
      assert.equal("created", word)
      if round == 1 then assert.equal("unchanged", (moonsail(config_maps(ours)))) end
      if asan then return end
      local of_kubectl = kubectl(config_maps(theirs))
      tried[round] = ("%.1f s, kubectl %.1f s"):format(seconds, of_kubectl)
      if seconds < SLOWER_AT_MOST * of_kubectl then return end
    end
    error(table.concat(tried, "; "))
  end)
end)
