--- How long an apply of many documents takes beside kubectl, on the same empty API server in one run:
-- tests/bench/run many BINARY [COUNT] [ROUNDS]. The server is the limit of both; only the ratio says something.

local cqueues = require "cqueues"

local cluster = require "tests.cluster.support"

local count, rounds = tonumber(arg[1] or 500), tonumber(arg[2] or 3)
local server = cluster.new("--bare")

local function config_maps(namespace)
  local texts = {}
  for i = 1, count do
    texts[i] = ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: many-%d, namespace: %s }\ndata: { a: value %d }\n")
      :format(i, namespace, i)
  end
  return table.concat(texts, "---\n")
end

local function timed(fn)
  local began = cqueues.monotime()
  fn()
  return cqueues.monotime() - began
end

local function ours(text)
  local result = server.cli({ "apply", "-f", "-", "--cluster-wide", "-q" }, { stdin = text, limit = 240 })
  assert(result.code == 0, result.stderr)
end

local function theirs(text) server.kubectl({ "apply", "--server-side", "-f", "-" }, text) end

print(("%d ConfigMaps in one file; seconds, ours / kubectl apply --server-side"):format(count))
for round = 1, rounds do
  local a, b = "ours-" .. round, "theirs-" .. round
  server.kubectl { "create", "namespace", a }
  server.kubectl { "create", "namespace", b }
  for _, what in ipairs { "new", "unchanged" } do
    local mine = timed(function() ours(config_maps(a)) end)
    local his = timed(function() theirs(config_maps(b)) end)
    print(("round %d, %-9s %5.2f / %5.2f = %.2f"):format(round, what, mine, his, mine / his))
  end
end
server.stop()
