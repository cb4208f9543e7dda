return resource {
  name = "deployments", kind = "Deployment", versions = { "apps/v1" },
  aliases = { "deployment", "deploy" },
  help = "Keeps a number of Pods running and rolls out new versions of them.",
}
