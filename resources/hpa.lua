local hpa = require "lib.hpa"

return resource {
  name = "hpa", kind = "HorizontalPodAutoscaler",
  aliases = { "hpas", "horizontalpodautoscaler", "horizontalpodautoscalers" },
  help = "Scales a workload by its metrics; falls back to autoscaling/v1 on old clusters.",
  versions = { "autoscaling/v2", "autoscaling/v1" },
  convert = { ["autoscaling/v1"] = hpa.to_v1, ["autoscaling/v2"] = hpa.to_v2 },
}
