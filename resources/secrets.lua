local secret = require "lib.secret"

return resource {
  name = "secrets", kind = "Secret", versions = { "v1" },
  aliases = { "secret" },
  help = "Passwords, keys and certificates for Pods; stringData is sent as data.",
  defaults = secret.string_data_to_data,
  apply = secret.apply,
}
