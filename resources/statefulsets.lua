return resource {
  name = "statefulsets", kind = "StatefulSet", versions = { "apps/v1" },
  aliases = { "statefulset", "sts" },
  help = "Pods with names and volumes of their own, started one after the other.",
}
