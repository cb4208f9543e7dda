-- lib/job.lua: Jobs made from others.
local object = require "lib.object"

local M = {}

local OF_THE_CONTROLLER = {
  "controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name",
}

local function without_controller(labels)
  local copy = object.copy(type(labels) == "table" and labels or {})
  for _, key in ipairs(OF_THE_CONTROLLER) do copy[key] = nil end
  return copy
end

local function annotations_of(meta)
  local copy = object.copy(type(meta.annotations) == "table" and meta.annotations or {})
  copy["kubectl.kubernetes.io/last-applied-configuration"] = nil
  copy["batch.kubernetes.io/job-tracking"] = nil
  return copy
end

-- A Job that is not there yet, of `from` { metadata, spec }: an old Job, or a CronJob's jobTemplate.
function M.new(from, namespace, name)
  local spec, meta = object.copy(from.spec), from.metadata or {}
  spec.selector, spec.manualSelector, spec.suspend = nil, nil, nil
  local template = spec.template
  template.metadata = template.metadata or {}
  template.metadata.labels = without_controller(template.metadata.labels)
  return {
    apiVersion = "batch/v1", kind = "Job", spec = spec,
    metadata = {
      name = name, namespace = namespace, labels = without_controller(meta.labels), annotations = annotations_of(meta),
    },
  }
end

-- A name for one more Job: "backup-20261124150947", 63 characters at most.
function M.name(ctx, base)
  local suffix = "-" .. ctx:now():gsub("%D", ""):sub(1, 14)
  return base:sub(1, 63 - #suffix) .. suffix
end

-- Has it ended, and how: "Complete", "Failed" or nil.
function M.ended(job)
  for _, condition in ipairs(type(job.status) == "table" and job.status.conditions or {}) do
    if condition.status == "True" and (condition.type == "Complete" or condition.type == "Failed") then
      return condition.type
    end
  end
end

return M
