return resource {
  name = "pods", kind = "Pod", versions = { "v1" },
  aliases = { "pod", "po" },
  help = "One or more containers that run together on a node.",
}
