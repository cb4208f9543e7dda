--- Real control planes. This one is shared by the specs of a run of busted, and gone when it ends: with
-- MOONSAIL_CLUSTER=old it is the oldest API server that is tested against, without controllers.

local support = require "tests.spec.support"

local function must(result, what)
  if result.code ~= 0 then
    error(("%s: exit %d\n%s%s"):format(what, result.code, result.stdout, result.stderr), 3)
  end
  return result.stdout
end

local cwd = assert(io.popen("pwd")):read("l")

-- The scripts keep their builds in the account's own cache, not in that of a spec.
local function script(name, ...)
  local command = {
    home = os.getenv("HOME"), limit = 600,
    env = { XDG_CACHE_HOME = os.getenv("XDG_CACHE_HOME") or false, TMPDIR = os.getenv("TMPDIR") or false },
    cwd .. "/tests/cluster/" .. name, ...,
  }
  return support.run(command)
end

local binary

local function kubectl_binary()
  binary = binary or must(script("build", "--only", "kubectl", "--print"), "build kubectl"):match("%S+")
  return binary
end

local made = 0

--- One more control plane, with flags of tests/cluster/up; started when it is needed.
local function new(...)
  local flags = { ... }
  local cluster = {}
  local dir

  --- The folder of the running control plane; started at the first call.
  function cluster.dir()
    if not dir then
      local folder = support.tree() .. "/cluster"
      must(script("up", folder, "--parent", tostring(support.pid), table.unpack(flags)), "the control plane did not start")
      dir = folder
      -- Its folder goes at the end of the run, and with it what says which processes are its own.
      support.at_exit(cluster.stop)
    end
    return dir
  end

  --- Takes it down before the run ends.
  function cluster.stop()
    if dir then must(script("down", dir), "the control plane did not stop") end
    dir = nil
  end

  --- The path of a kubeconfig: "kubeconfig" (client certificate), "kubeconfig-token", "kubeconfig-viewer".
  function cluster.kubeconfig(name)
    return cluster.dir() .. "/" .. (name or "kubeconfig")
  end

  function cluster.stop_apiserver()
    must(script("stop-apiserver", cluster.dir()), "stop-apiserver")
  end

  function cluster.start_apiserver()
    must(script("start-apiserver", cluster.dir()), "start-apiserver")
  end

  --- kubectl to its end, whatever that is: { code, stdout, stderr }. `stdin` is a text or nil; `as`: the
  -- kubeconfig to use.
  function cluster.try_kubectl(args, stdin, as)
    local words = { kubectl_binary(), "--kubeconfig", cluster.kubeconfig(as), stdin = stdin, limit = 60 }
    table.move(args, 1, #args, #words + 1, words)
    return support.run(words)
  end

  --- kubectl as admin: its stdout; raises when it fails.
  function cluster.kubectl(args, stdin)
    return must(cluster.try_kubectl(args, stdin), "kubectl " .. table.concat(args, " "))
  end

  --- An object as the API server has it, or nil.
  function cluster.get(resource, name, namespace)
    local text = cluster.kubectl { "get", resource, name, "-n", namespace or "default", "-o", "json",
      "--show-managed-fields", "--ignore-not-found" }
    return text ~= "" and support.json.decode(text) or nil
  end

  --- A namespace of its own for a spec.
  function cluster.namespace()
    made = made + 1
    local name = ("spec-%d-%d"):format(support.pid, made)
    cluster.kubectl { "create", "namespace", name }
    return name
  end

  -- cluster.cli and cluster.serve: the command line and a host with this cluster's kubeconfig.
  support.with_kubeconfig(cluster)
  return cluster
end

local old = os.getenv("MOONSAIL_CLUSTER") == "old"
local shared = old and new("--old") or new()
shared.new, shared.old = new, old

--- The text of a bundle of tests/cluster/strangers/manifests.
function shared.stranger(name)
  local folder = must(script("build", "--only", "strangers", "--print"), "build strangers"):match("%S+")
  local file = assert(io.open(("%s/%s.yaml"):format(folder, name), "rb"))
  local text = file:read("a")
  file:close()
  return text
end

return shared
