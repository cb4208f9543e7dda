return resource {
  name = "rolebindings", kind = "RoleBinding", versions = { "rbac.authorization.k8s.io/v1" },
  aliases = { "rolebinding" },
  help = "Who has a role in a namespace.",
}
