return resource {
  name = "roles", kind = "Role", versions = { "rbac.authorization.k8s.io/v1" },
  aliases = { "role" },
  help = "What may be done in a namespace.",
}
