return resource {
  name = "services", kind = "Service", versions = { "v1" },
  aliases = { "service", "svc" },
  help = "One address for a set of Pods.",
}
