return resource {
  name = "persistentvolumeclaims", kind = "PersistentVolumeClaim", versions = { "v1" },
  aliases = { "persistentvolumeclaim", "pvc" },
  help = "Asks for a piece of storage.",
}
