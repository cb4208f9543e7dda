-- demo/cronjobs.lua: Jobs at the times that a schedule names, in UTC.
local fields = require "demo.fields"
local schedule = require "demo.schedule"
local write = require "demo.write"

local M = {}

local KEY, JOBS = "cronjobs.batch", "jobs.batch"
local MINUTE_MS = 60000
local DAY_MS = 1440 * MINUTE_MS

-- The last time by now that the schedule names, or nil, and the next; more than a day late is not made up for.
local function missed(sets, from, now)
  local last
  local at = schedule.next(sets, math.max(from, now - DAY_MS))
  while at and at <= now do
    last, at = at, schedule.next(sets, at)
  end
  return last, at
end

-- As objects carry a time.
local function stamp(ms)
  return (store.date(ms):gsub("%.%d+Z$", "Z"))
end

local function ended(job)
  for _, c in ipairs((job.status or {}).conditions or {}) do
    if (c.type == "Complete" or c.type == "Failed") and c.status == "True" then return c.type end
  end
end

local function start(cron, at)
  local template = cron.spec.jobTemplate
  local meta = fields.copy(template.metadata or {})
  meta.name, meta.namespace = ("%s-%d"):format(cron.metadata.name, at // MINUTE_MS), cron.metadata.namespace
  meta.annotations = meta.annotations or {}
  meta.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] = stamp(at)
  meta.creationTimestamp, meta.ownerReferences = nil, write.owner_reference(cron)
  local job = write.create(JOBS, { apiVersion = "batch/v1", kind = "Job", metadata = meta,
    spec = fields.copy(template.spec) })
  if job then
    write.event(cron, "Normal", "SuccessfulCreate", "Created job " .. meta.name, "cronjob-controller")
  end
  return job
end

-- Ended Jobs beyond those that are kept.
local function forget(cron, jobs)
  local kept = { Complete = cron.spec.successfulJobsHistoryLimit, Failed = cron.spec.failedJobsHistoryLimit }
  for word, most in next, kept do
    local done = {}
    for _, job in ipairs(jobs) do
      if ended(job) == word then done[#done + 1] = job end
    end
    table.sort(done, function(a, b) return a.metadata.creationTimestamp < b.metadata.creationTimestamp end)
    for i = 1, #done - most do write.delete(JOBS, done[i]) end
  end
end

local function report(cron, jobs, last)
  local active, success = list {}, nil
  for _, job in ipairs(jobs) do
    local word = ended(job)
    if not word then
      active[#active + 1] = { apiVersion = "batch/v1", kind = "Job", name = job.metadata.name,
        namespace = job.metadata.namespace, uid = job.metadata.uid }
    elseif word == "Complete" then
      local at = job.status.completionTime
      if at and (not success or at > success) then success = at end
    end
  end
  local s = cron.status or {}
  write.status(KEY, cron, { active = #active > 0 and active or nil, lastScheduleTime = last or s.lastScheduleTime,
    lastSuccessfulTime = success or s.lastSuccessfulTime })
end

function M.run(cron)
  local sets = schedule.parse(cron.spec.schedule)
  if cron.metadata.deletionTimestamp or not sets then return end
  local jobs, running = write.owned(JOBS, cron), 0
  for _, job in ipairs(jobs) do running = running + (ended(job) and 0 or 1) end
  local last
  if not cron.spec.suspend then
    local _, now = store.now()
    local from = store.time((cron.status or {}).lastScheduleTime or cron.metadata.creationTimestamp)
    local due, after = missed(sets, from, now)
    local policy = cron.spec.concurrencyPolicy
    local late = due and cron.spec.startingDeadlineSeconds and now - due > cron.spec.startingDeadlineSeconds * 1000
    if due and not late and not (policy == "Forbid" and running > 0) then
      if policy == "Replace" then
        for _, job in ipairs(jobs) do
          if not ended(job) then write.delete(JOBS, job) end
        end
      end
      if start(cron, due) then last = stamp(due) end
      jobs = write.owned(JOBS, cron)
    end
    if after then store.due(KEY, cron.metadata.namespace, cron.metadata.name, math.max(after - now, 1)) end
  end
  forget(cron, jobs)
  report(cron, write.owned(JOBS, cron), last)
end

return M
