local support = require "tests.spec.support"
local socket = require "cqueues.socket"
local cqueues = require "cqueues"
local events, json = support.events, support.json

local manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: b\n"

local function folder(files)
  return support.tree(files or { ["a.yaml"] = manifest })
end

local function apply(...)
  return support.cli({ "apply", ... })
end

local function kubeconfig(server)
  return support.tree { config = ([[
apiVersion: v1
kind: Config
clusters: [{name: away, cluster: {server: "%s"}}]
users: [{name: me, user: {token: t}}]
contexts: [{name: here, context: {cluster: away, user: me}}]
current-context: here
]]):format(server) } .. "/config"
end

describe("apply in its own process", function()
  it("without a cluster ends with 4 and says what it looked for", function()
    local said = apply("-f", folder() .. "/a.yaml")
    assert.equal(4, said.code)
    assert.equal("", said.stdout)
    assert.matches("KUBECONFIG", said.stderr)
  end)

  it("says on its first line that it works here, and for which cluster", function()
    local said = apply("-f", folder() .. "/a.yaml", "--kubeconfig", kubeconfig "https://127.0.0.1:1")
    assert.equal("in this process, context here (https://127.0.0.1:1)", said.stderr:match("^[^\n]*"))
  end)

  it("with a cluster that is away ends with 4 and says why", function()
    local said = apply("-f", folder() .. "/a.yaml", "--kubeconfig", kubeconfig "https://127.0.0.1:1")
    assert.equal(4, said.code, said.stderr)
    assert.equal("", said.stdout)
    assert.matches("127%.0%.0%.1:1", said.stderr)
    assert.matches("failed", said.stderr)
  end)

  it("shows the same as events with --json", function()
    local said = apply("-f", folder() .. "/a.yaml", "--kubeconfig", kubeconfig "https://127.0.0.1:1", "--json")
    assert.equal(4, said.code)
    local all = {}
    for line in said.stdout:gmatch("[^\n]+") do all[#all + 1] = json.decode(line) end
    events.gapless(all)
    assert.matches("failed$", events.states(all))
    assert.equal("kubectl-equivalent", events.complete(all).sourceLabel)
  end)

  it("with a kubeconfig that is named and cannot be read ends with 2", function()
    local said = apply("-f", folder() .. "/a.yaml", "--kubeconfig", "/no/such/config")
    assert.equal(2, said.code)
    assert.matches("/no/such/config", said.stderr)
  end)

  it("with a context that is not there ends with 2", function()
    local said = apply("-f", folder() .. "/a.yaml", "--kubeconfig", kubeconfig "https://127.0.0.1:1", "--context", "there")
    assert.equal(2, said.code)
    assert.matches("there", said.stderr)
  end)
end)

describe("apply reads its manifests first", function()
  it("and without any ends with 2", function()
    local said = apply()
    assert.equal(2, said.code)
    assert.matches("%-f", said.stderr)
  end)

  it("and ends with 2 for a file that cannot be read", function()
    for _, path in ipairs { "/no/such/file.yaml", folder { ["readme.txt"] = "x" } } do
      local said = apply("-f", path)
      assert.equal(2, said.code)
      assert.is_truthy(said.stderr:find(path, 1, true), said.stderr)
    end
  end)

  it("and names file, line and column of what is wrong, with 1", function()
    local dir = folder { ["good.yaml"] = manifest, ["bad.yaml"] = manifest .. "---\nkind: X\n  a: [\n" }
    local said = apply("-f", dir .. "/good.yaml", "-f", dir .. "/bad.yaml")
    assert.equal(1, said.code)
    assert.equal("", said.stdout)
    assert.matches("^moonsail: " .. dir:gsub("%p", "%%%0") .. "/bad%.yaml:%d+:%d+: .", said.stderr)
    local _, lines = said.stderr:gsub("\n", "")
    assert.equal(1, lines, said.stderr)
  end)

  it("and finds a fault in a folder by its file's name", function()
    local dir = folder { ["a.yaml"] = manifest, ["b.yml"] = "kind: [\n", ["c.txt"] = "{" }
    local said = apply("-f", dir)
    assert.equal(1, said.code)
    assert.is_truthy(said.stderr:find(dir .. "/b.yml:", 1, true), said.stderr)
  end)

  it("and names standard input so", function()
    local said = support.cli({ "apply", "-f", "-" }, { stdin = "kind: X\nkind: Y\n" })
    assert.equal(1, said.code)
    assert.matches("standard input:2:1: duplicate key", said.stderr)
  end)

  it("and refuses one without any document", function()
    local said = apply("-f", folder { ["a.yaml"] = "# nothing\n---\n" } .. "/a.yaml")
    assert.equal(1, said.code)
    assert.is_truthy(said.stderr:find("a.yaml", 1, true), said.stderr)
  end)
end)

describe("apply through a host", function()
  local host

  lazy_setup(function() host = support.serve() end)
  lazy_teardown(function() host:stop() end)

  it("says through which, and ends as the host says", function()
    local said = apply("-f", folder() .. "/a.yaml", "--server", host.base, "-n", "default")
    assert.equal("through " .. host.base, said.stderr:match("^through http://[%d.:]+"))
    assert.equal(4, said.code, said.stderr) -- the host has no cluster
    assert.matches("names no context", said.stderr)
    assert.equal("Apply a.yaml", host:get("/api/executions?limit=1"):json()[1].label)
  end)

  it("takes the host from MOONSAIL_SERVER, and not with --local", function()
    local path = folder() .. "/a.yaml"
    assert.matches("^through ", support.cli({ "apply", "-f", path }, { env = { MOONSAIL_SERVER = host.base } }).stderr)
    assert.is_nil(support.cli({ "apply", "-f", path, "--local" }, { env = { MOONSAIL_SERVER = host.base } }).stderr
      :find("through", 1, true))
  end)

  it("prints the wire's events with --json", function()
    local said = apply("-f", folder() .. "/a.yaml", "--server", host.base, "--json")
    local all = {}
    for line in said.stdout:gmatch("[^\n]+") do all[#all + 1] = json.decode(line) end
    events.gapless(all)
    assert.same(host:attach(all[1].executionId):to_end(), all)
  end)

  it("that is not there ends at once with 4, and is not waited for", function()
    local other = support.serve()
    local url = other.base
    other:stop()
    local began = cqueues.monotime()
    local said = apply("-f", folder() .. "/a.yaml", "--server", url)
    assert.equal(4, said.code)
    assert.is_truthy(said.stderr:find(url, 1, true), said.stderr)
    assert.is_true(cqueues.monotime() - began < support.seconds(5))
  end)

  it("that hangs up in the handshake is none either", function()
    local other = socket.listen { host = "127.0.0.1", port = 0 }
    assert(other:listen())
    local _, _, port = other:localname()
    local said
    support.together(function()
      local client = support.start_cli { "apply", "-f", folder() .. "/a.yaml", "--server", "http://127.0.0.1:" .. port }
      local peer = other:accept(support.seconds(10))
      peer:close()
      said = client:finish(support.seconds(10))
    end)
    other:close()
    assert.equal(4, said.code, said.stderr)
  end)

  it("that is something else says so", function()
    local other = socket.listen { host = "127.0.0.1", port = 0 }
    assert(other:listen())
    local _, _, port = other:localname()
    local client = support.start_cli { "apply", "-f", folder() .. "/a.yaml", "--server", "http://127.0.0.1:" .. port }
    local peer = other:accept(support.seconds(10))
    peer:setmode("b", "bf")
    repeat local line = peer:read("*l") until not line or line == "" or line == "\r"
    peer:write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    peer:flush()
    local said = client:finish(support.seconds(10))
    peer:close()
    other:close()
    assert.equal(4, said.code, said.stderr)
    assert.matches("404", said.stderr)
  end)

  it("whose URL is none ends with 2", function()
    for _, url in ipairs { "127.0.0.1:7070", "ftp://x", "http://:7070", "http://x:port" } do
      local said = apply("-f", folder() .. "/a.yaml", "--server", url)
      assert.equal(2, said.code, url .. ": " .. said.stderr)
      assert.matches("%-%-server", said.stderr)
    end
  end)
end)
