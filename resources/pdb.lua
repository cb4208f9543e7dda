return resource {
  name = "pdb", kind = "PodDisruptionBudget", versions = { "policy/v1" },
  aliases = { "pdbs", "poddisruptionbudget", "poddisruptionbudgets" },
  help = "How many Pods may be missing while nodes are drained.",
}
