return resource {
  name = "cronjobs", kind = "CronJob", versions = { "batch/v1" },
  aliases = { "cronjob", "cj" },
  help = "Starts a Job by the clock.",
}
