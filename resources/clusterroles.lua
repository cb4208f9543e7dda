return resource {
  name = "clusterroles", kind = "ClusterRole", versions = { "rbac.authorization.k8s.io/v1" },
  aliases = { "clusterrole" },
  help = "What may be done anywhere; cluster-scoped.",
}
