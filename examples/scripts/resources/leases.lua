-- A drop-in resource: moonsail serve --scripts examples/scripts
return resource {
  name = "leases", kind = "Lease", versions = { "coordination.k8s.io/v1" }, help = "Whose turn it is.",
  validate = function(obj)
    if obj.spec.holderIdentity == "root" then return "root may not hold a lease" end
  end,
}
