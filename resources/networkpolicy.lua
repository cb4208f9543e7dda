return resource {
  name = "networkpolicy", kind = "NetworkPolicy", versions = { "networking.k8s.io/v1" },
  aliases = { "networkpolicies", "netpol" },
  help = "Who may talk to which Pods.",
}
