-- Many documents in one file.

local support = require "tests.spec.support"
local cluster = require "tests.cluster.support"

local COUNT = 2000

local function config_maps()
  local texts = {}
  for i = 1, COUNT do
    texts[i] = ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: many-%d }\ndata: { a: value %d }\n")
      :format(i, i)
  end
  return table.concat(texts, "---\n")
end

describe("thousands of documents in one file #newest", function()
  local server

  setup(function() server = cluster.new("--bare") end)

  teardown(function() server.stop() end)

  it("all go out, and stay as they are the second time", function()
    for _, word in ipairs { "created", "unchanged" } do
      local result = server.cli({ "apply", "-f", "-", "-n", "default", "--json" }, { stdin = config_maps(), limit = 240 })
      local complete = support.json.decode(result.stdout:match("([^\n]+)\n*$"))
      assert.equal("", complete.error)
      assert.equal(COUNT, complete.summary.resourcesChanged[word])
    end
  end)
end)
