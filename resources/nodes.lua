return resource {
  name = "nodes", kind = "Node", versions = { "v1" },
  aliases = { "node", "no" },
  help = "A machine that runs Pods; cluster-scoped.",
}
