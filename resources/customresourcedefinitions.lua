return resource {
  name = "customresourcedefinitions", kind = "CustomResourceDefinition", versions = { "apiextensions.k8s.io/v1" },
  aliases = { "customresourcedefinition", "crd", "crds" },
  help = "A new kind of object; cluster-scoped.",
}
