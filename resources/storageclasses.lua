return resource {
  name = "storageclasses", kind = "StorageClass", versions = { "storage.k8s.io/v1" },
  aliases = { "storageclass", "sc" },
  help = "A kind of storage and who makes it; cluster-scoped.",
}
