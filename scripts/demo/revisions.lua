-- demo/revisions.lua: the templates that a StatefulSet or a DaemonSet had, each a ControllerRevision.
local fields = require "demo.fields"
local write = require "demo.write"

local M = {}

local KEY = "controllerrevisions.apps"

local function data_of(template)
  local copy = fields.copy(template)
  copy["$patch"] = "replace"
  return { spec = { template = copy } }
end

-- Keeps the template as the newest revision. `name`: of the ControllerRevision, `hash`: the label that the
-- Pods of a revision carry. Those that no Pod has any more go, beyond the history that is kept.
function M.keep(owner, name, hash, pods)
  local revisions = write.owned(KEY, owner)
  table.sort(revisions, function(a, b) return a.revision < b.revision end)
  local newest, current = revisions[#revisions], nil
  for _, revision in ipairs(revisions) do
    if revision.metadata.name == name then current = revision end
  end
  if not current then
    local labels = fields.copy(owner.spec.template.metadata.labels or {})
    labels["controller-revision-hash"] = hash
    write.create(KEY, { apiVersion = "apps/v1", kind = "ControllerRevision", data = data_of(owner.spec.template),
      revision = newest and newest.revision + 1 or 1, metadata = { name = name, labels = labels,
        namespace = owner.metadata.namespace, annotations = fields.copy(owner.metadata.annotations),
        ownerReferences = write.owner_reference(owner) } })
  elseif current ~= newest then
    write.change(KEY, current, "", function(copy) copy.revision = newest.revision + 1 end)
  end
  local used, idle = { [hash] = true }, {}
  for _, pod in ipairs(pods) do used[pod.metadata.labels["controller-revision-hash"] or ""] = true end
  for _, revision in ipairs(revisions) do
    if not used[revision.metadata.labels["controller-revision-hash"]] then idle[#idle + 1] = revision end
  end
  for i = 1, #idle - (owner.spec.revisionHistoryLimit or 10) do write.remove(KEY, idle[i]) end
end

return M
