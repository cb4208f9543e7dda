-- lib/revisions.lua: the templates that a workload had: ReplicaSets of a Deployment, else ControllerRevisions.
local object = require "lib.object"

local M = {}

local function owned(ctx, owner, kind)
  local mine = {}
  for _, obj in ipairs(ctx:list { apiVersion = "apps/v1", kind = kind, namespace = owner.metadata.namespace }) do
    for _, ref in ipairs(obj.metadata.ownerReferences or {}) do
      if ref.uid == owner.metadata.uid then mine[#mine + 1] = obj end
    end
  end
  return mine
end

local function number(obj)
  local annotations = obj.metadata.annotations or {}
  return math.tointeger(tonumber(annotations["deployment.kubernetes.io/revision"]))
end

-- The template of a ReplicaSet as its Deployment had it.
local function template_of_set(set)
  local template = object.copy(set.spec.template)
  if template.metadata.labels then template.metadata.labels["pod-template-hash"] = nil end
  return template
end

local function template_of_revision(revision)
  local template = object.copy(revision.data.spec.template)
  template["$patch"] = nil
  return template
end

-- What the containers of a template run, to tell revisions apart.
function M.images(template)
  local images = {}
  for _, container in ipairs(template.spec.containers) do images[#images + 1] = container.image end
  return table.concat(images, ", ")
end

-- All revisions, oldest first: { number, template }; and the number of the one in force.
function M.of(ctx, workload)
  local known, current = {}, nil
  if workload.kind == "Deployment" then
    for _, set in ipairs(owned(ctx, workload, "ReplicaSet")) do
      if number(set) then known[#known + 1] = { number = number(set), template = template_of_set(set) } end
    end
    current = number(workload)
  else
    local updated = workload.status and workload.status.updateRevision
    for _, revision in ipairs(owned(ctx, workload, "ControllerRevision")) do
      known[#known + 1] = { number = revision.revision, template = template_of_revision(revision) }
      if revision.metadata.name == updated then current = revision.revision end
    end
  end
  table.sort(known, function(a, b) return a.number < b.number end)
  return known, current or (#known > 0 and known[#known].number or nil)
end

return M
