local pdb = require "lib.pdb"

return resource {
  name = "pdb", kind = "PodDisruptionBudget",
  aliases = { "pdbs", "poddisruptionbudget", "poddisruptionbudgets" },
  help = "How many Pods may be missing while nodes are drained; falls back to policy/v1beta1 on old clusters.",
  versions = { "policy/v1", "policy/v1beta1" },
  convert = { ["policy/v1beta1"] = pdb.to_v1beta1, ["policy/v1"] = pdb.to_v1 },
}
