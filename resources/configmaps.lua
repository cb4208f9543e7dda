return resource {
  name = "configmaps", kind = "ConfigMap", versions = { "v1" },
  aliases = { "configmap", "cm" },
  help = "Configuration that Pods read as files or variables.",
}
