return resource {
  name = "hpa", kind = "HorizontalPodAutoscaler", versions = { "autoscaling/v2" },
  aliases = { "hpas", "horizontalpodautoscaler", "horizontalpodautoscalers" },
  help = "Scales a workload by its metrics.",
}
