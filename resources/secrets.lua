return resource {
  name = "secrets", kind = "Secret", versions = { "v1" },
  aliases = { "secret" },
  help = "Passwords, keys and certificates for Pods; stringData is sent as data.",
  defaults = require("lib.secret").string_data_to_data,
}
