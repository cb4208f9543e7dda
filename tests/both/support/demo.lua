--- The demo cluster that the specs here share: one for each run of busted.

local support = require "tests.spec.support"

local demo = {}

--- Starts a demo cluster: { url, kubeconfig, process }. `args`: more flags.
function demo.start(args)
  local words = { "demo-cluster" }
  table.move(args or {}, 1, #(args or {}), 2, words)
  local process = support.start_cli(words)
  local url = process:line(support.seconds(20))
  local kubeconfig = process:line(support.seconds(20))
  if not kubeconfig then process:fail("the demo cluster does not start", 2) end
  return { process = process, url = url:match("^listening on (http://%S+)$"), kubeconfig = kubeconfig }
end

local shared

--- The path of the shared one's kubeconfig.
function demo.kubeconfig()
  if not shared or not shared.process:alive() then shared = demo.start() end
  return shared.kubeconfig
end

return demo
