return resource {
  name = "customresourcedefinitions", kind = "CustomResourceDefinition", versions = { "apiextensions.k8s.io/v1" },
  aliases = { "customresourcedefinition", "crd", "crds" },
  help = "A new kind of object; cluster-scoped. Objects of it follow once the server serves it.",
  apply = require("lib.crd").apply,
}
