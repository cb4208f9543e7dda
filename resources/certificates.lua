return resource {
  name = "certificates", kind = "Certificate", versions = { "cert-manager.io/v1" },
  aliases = { "certificate", "cert", "certs" },
  help = "A TLS certificate that cert-manager keeps valid.",
  ready = require("lib.status").when "Ready",
}
