-- What is not acceptable, judged before anything is sent. It waits for nothing and has 50 ms.
-- scripts/README.md says what req has; moonsail.d.lua tells it to an editor.
return guardrail {
  name = "NAME", level = "warn", -- "deny" refuses, "warn" says it, "observe" only writes it down
  help = "Every object says which team it belongs to.",
  resources = { "deployments", "statefulsets", "daemonsets" },

  check = function(_, obj)
    local labels = obj.metadata.labels or {}
    if not labels.team then
      return warn("metadata.labels", "label %s with its team", obj.metadata.name)
    end
  end,
}
