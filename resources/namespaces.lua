return resource {
  name = "namespaces", kind = "Namespace", versions = { "v1" },
  aliases = { "namespace", "ns" },
  help = "A space of names for other objects; cluster-scoped.",
}
