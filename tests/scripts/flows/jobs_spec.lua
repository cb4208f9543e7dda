-- The flows on Jobs and CronJobs.
local testing = require "moonsail.testing"

local POD = { spec = { restartPolicy = "Never", containers = { { name = "c", image = "busybox:1.37" } } } }

local cron = { apiVersion = "batch/v1", kind = "CronJob", metadata = { name = "backup" },
  spec = { schedule = "0 3 * * *", jobTemplate = { metadata = { labels = { team = "db" } }, spec = { template = POD } } } }

-- A Job as its controller leaves it behind.
local function job(condition)
  local obj = testing.object { apiVersion = "batch/v1", kind = "Job", metadata = { name = "load" },
    spec = { selector = { matchLabels = { ["controller-uid"] = "u" } }, template = POD }, status = {} }
  obj.spec.template.metadata = { labels = { ["controller-uid"] = "u", ["job-name"] = "load", team = "db" } }
  obj.status.conditions = condition and { { type = condition, status = "True" } } or nil
  return obj
end

describe("run-now", function()
  it("makes a Job of the CronJob that belongs to it", function()
    local t = testing.new { objects = { cron } }
    t:flow(testing.flow "run-now", {}, cron)
    local made = t:get { apiVersion = "batch/v1", kind = "Job", name = "backup-20260101000000" }
    assert.equal("manual", made.metadata.annotations["cronjob.kubernetes.io/instantiate"])
    assert.equal(t:get(cron).metadata.uid, made.metadata.ownerReferences[1].uid)
    assert.equal("db", made.metadata.labels.team)
    assert.same({ "job.batch/backup-20260101000000 created" }, t.lines)
    assert.equal(1, t.counts.created)
  end)

  it("ends with the API server's own words where the name is taken", function()
    local t = testing.new { objects = { cron, job() } }
    assert.equal('jobs.batch "load" already exists',
      testing.failure(function() t:flow(testing.flow "run-now", { name = "load" }, cron) end))
  end)
end)

describe("rerun-job", function()
  local rerun = testing.flow "rerun-job"

  it("makes a new Job beside the old one, without what the controller had added", function()
    local t = testing.new { objects = { job "Complete" } }
    t:flow(rerun, { name = "again" }, job())
    local sent = t.calls[#t.calls].body
    assert.is_nil(sent.spec.selector)
    assert.same({ team = "db" }, sent.spec.template.metadata.labels)
    assert.is_not_nil(t:get(job()))
  end)

  it("takes the place of one that has ended, and of no other", function()
    local t = testing.new { objects = { job "Failed" } }
    local uid = t:get(job()).metadata.uid
    t:flow(rerun, { replace = true }, job())
    assert.is_not_equal(uid, t:get(job()).metadata.uid)
    t = testing.new { objects = { job() } }
    assert.matches("job.batch/load still runs", testing.failure(function()
      t:flow(rerun, { replace = true }, job())
    end), 1, true)
  end)
end)

describe("suspend and resume", function()
  it("set the switch, once", function()
    local t = testing.new { objects = { cron } }
    t:flow(testing.flow "suspend", {}, cron)
    assert.is_true(t:get(cron).spec.suspend)
    t:flow(testing.flow "suspend", {}, cron)
    t:flow(testing.flow "resume", {}, cron)
    assert.is_false(t:get(cron).spec.suspend)
    assert.same({ "cronjob.batch/backup suspended", "cronjob.batch/backup is suspended already",
      "cronjob.batch/backup resumed" }, t.lines)
    assert.same({ created = 0, configured = 2, unchanged = 1, deleted = 0 }, t.counts)
  end)
end)
