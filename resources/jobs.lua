return resource {
  name = "jobs", kind = "Job", versions = { "batch/v1" },
  aliases = { "job" },
  help = "Runs Pods until so many of them have succeeded.",
}
