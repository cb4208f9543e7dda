return resource {
  name = "clusterrolebindings", kind = "ClusterRoleBinding", versions = { "rbac.authorization.k8s.io/v1" },
  aliases = { "clusterrolebinding" },
  help = "Who has a role everywhere; cluster-scoped.",
}
