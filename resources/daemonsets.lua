return resource {
  name = "daemonsets", kind = "DaemonSet", versions = { "apps/v1" },
  aliases = { "daemonset", "ds" },
  help = "One Pod on every node.",
}
