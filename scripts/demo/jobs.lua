-- demo/jobs.lua: Pods that run to their end.
local write = require "demo.write"

local M = {}

local KEY = "jobs.batch"

local function ended(job)
  for _, c in ipairs((job.status or {}).conditions or {}) do
    if (c.type == "Complete" or c.type == "Failed") and c.status == "True" then return true end
  end
end

local function end_conditions(kinds, reason, message)
  local conditions, now = list {}, store.now()
  for i, kind in ipairs(kinds) do
    conditions[i] = { type = kind, status = "True", reason = reason, message = message, lastProbeTime = now,
      lastTransitionTime = now }
  end
  return conditions
end

local function settle(job, s, failed)
  local completions = job.spec.completions or 1
  if s.succeeded and s.succeeded >= completions then
    s.conditions = end_conditions({ "SuccessCriteriaMet", "Complete" }, "CompletionsReached",
      "Reached expected number of succeeded pods")
    s.completionTime = store.now()
    write.event(job, "Normal", "Completed", "Job completed", "job-controller")
  elseif failed > job.spec.backoffLimit then
    s.conditions = end_conditions({ "FailureTarget", "Failed" }, "BackoffLimitExceeded",
      "Job has reached the specified backoff limit")
    write.event(job, "Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit", "job-controller")
  end
end

function M.run(job)
  if job.metadata.deletionTimestamp or ended(job) then return end
  local active, succeeded, failed, ready = 0, 0, 0, 0
  for _, pod in ipairs(write.owned("pods", job)) do
    local phase = pod.status.phase
    if phase == "Succeeded" then succeeded = succeeded + 1
    elseif phase == "Failed" then failed = failed + 1
    elseif not pod.metadata.deletionTimestamp then active = active + 1 end
    if write.is_ready(pod) then ready = ready + 1 end
  end
  local wanted = math.min(job.spec.parallelism or 1, (job.spec.completions or 1) - succeeded)
  if job.spec.suspend then wanted = 0 end
  if failed <= job.spec.backoffLimit then
    for _ = active + 1, math.min(wanted, active + 5) do
      local pod = write.create("pods", write.pod_of(job, job.spec.template,
        { generateName = job.metadata.name .. "-" }))
      if not pod then return end
      write.event(job, "Normal", "SuccessfulCreate", "Created pod: " .. pod.metadata.name, "job-controller")
      active = active + 1
    end
  end
  if active < wanted then store.due(KEY, job.metadata.namespace, job.metadata.name, 50) end
  local s = { startTime = (job.status or {}).startTime or store.now(), active = active > 0 and active or nil,
    succeeded = succeeded > 0 and succeeded or nil, failed = failed > 0 and failed or nil, ready = ready,
    terminating = 0, uncountedTerminatedPods = {} }
  settle(job, s, failed)
  write.status(KEY, job, s)
end

return M
