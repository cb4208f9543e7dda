--- What the specs are written with: the real binary, and clients that share no code with it.
-- Everything that waits has a limit; what is still running at the end of a file is killed.

local process = require "tests.spec.support.process"
local events = require "tests.spec.support.events"
local host = require "tests.spec.support.host"
local json = require "tests.spec.support.json"
local wait = require "tests.spec.support.wait"

-- Gives `cluster` a cli and a serve that use its kubeconfig() where none is said.
local function with_kubeconfig(cluster)
  local function known(options)
    options = options or {}
    options.env = options.env or {}
    options.env.KUBECONFIG = options.env.KUBECONFIG or cluster.kubeconfig()
    return options
  end
  function cluster.cli(args, options) return process.cli(args, known(options)) end
  function cluster.serve(options) return host.serve(known(options)) end
end

-- The start request of an apply, as the panel sends it; `more` are further members.
local function apply_request(namespace, manifest, more)
  local request = { command = "__k8s-apply-yaml", intent = "apply-yaml", kubernetesEquivalent = true,
    namespace = namespace, yaml = manifest, action = "update" }
  for key, value in pairs(more or {}) do request[key] = value end
  return request
end

return {
  apply_request = apply_request,
  with_kubeconfig = with_kubeconfig,
  serve = host.serve,             -- starts a host: serve { args = { "--shell", "off" } }
  home = host.home,               -- a home folder of an account without any cluster
  at = host.at,                   -- a host that somebody else started, by its URL
  cli = process.cli,              -- runs the binary to its end: cli({ "version" }).stdout
  start_cli = process.start_cli,  -- the same, running: :line(), :signal("INT"), :finish()
  run = process.run,              -- any program to its end: run { "kubectl", "get", "pods" }
  start = process.start,          -- any program, running
  binary = process.binary,
  pid = process.own_pid,
  at_exit = process.at_exit,      -- a function for the end of the run
  tree = process.tree,            -- a new folder with files: tree { ["resources/x.lua"] = "return …" }
  together = wait.together,       -- functions at the same time; the first failure is raised
  eventually = wait.eventually,   -- asks until it is so, with a limit
  seconds = wait.seconds,         -- a limit, longer under the sanitizers
  tagged = process.tagged,        -- tagged("asan"), tagged("cluster")
  events = events,                -- what a list of events says: events.lines(all, "stdout")
  json = json,
}
