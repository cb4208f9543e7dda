return resource {
  name = "replicasets", kind = "ReplicaSet", versions = { "apps/v1" },
  aliases = { "replicaset", "rs" },
  help = "Keeps a number of Pods of one version running; Deployments make them.",
}
