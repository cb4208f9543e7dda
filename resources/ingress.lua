return resource {
  name = "ingress", kind = "Ingress", versions = { "networking.k8s.io/v1" },
  aliases = { "ingresses", "ing" },
  help = "Routes HTTP from outside to Services by host and path.",
}
