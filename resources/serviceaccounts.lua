return resource {
  name = "serviceaccounts", kind = "ServiceAccount", versions = { "v1" },
  aliases = { "serviceaccount", "sa" },
  help = "Who Pods are towards the API server.",
}
