return resource {
  name = "persistentvolumes", kind = "PersistentVolume", versions = { "v1" },
  aliases = { "persistentvolume", "pv" },
  help = "A piece of storage; cluster-scoped.",
}
