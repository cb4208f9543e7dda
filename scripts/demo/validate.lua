-- demo/validate.lua: the mistakes that people make most, refused as the API server refuses them. There is
-- no schema: names of fields are known for an object's own level only.
local fields = require "demo.fields"
local schedule = require "demo.schedule"
local status = require "demo.status"

local M = {}

local LABEL = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
  .. "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
  .. "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
local SUBDOMAIN = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
  .. "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
  .. "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
local DNS_1035 = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
  .. "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used "
  .. "for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

local function is_label(text)
  return #text <= 63 and (text:find("^[a-z0-9]$") or text:find("^[a-z0-9][-a-z0-9]*[a-z0-9]$")) ~= nil
end

local function is_subdomain(text)
  if #text > 253 then return false end
  for part in (text .. "."):gmatch("(.-)%.") do
    if not (part:find("^[a-z0-9]$") or part:find("^[a-z0-9][-a-z0-9]*[a-z0-9]$")) then return false end
  end
  return true
end

local FREE_NAMES = { Role = true, ClusterRole = true, RoleBinding = true, ClusterRoleBinding = true }

local function quoted(value)
  return type(value) == "table" and store.write(value) or store.write(value)
end

-- Where a rule is met, the cause is noted: problems:invalid(field, value, why).
local function problems()
  local found = {}
  return {
    all = found,
    required = function(field, why)
      found[#found + 1] = { field = field, reason = "FieldValueRequired", message = why }
    end,
    invalid = function(field, value, why)
      found[#found + 1] = { field = field, reason = "FieldValueInvalid", message = quoted(value) .. ": " .. why }
    end,
    unsupported = function(field, value, known)
      found[#found + 1] = { field = field, reason = "FieldValueNotSupported",
        message = quoted(value) .. ': supported values: "' .. table.concat(known, '", "') .. '"' }
    end,
  }
end

local function name(p, obj, kind)
  local text = obj.metadata.name
  if type(text) ~= "string" or text == "" then
    p.required("metadata.name", "name or generateName is required")
  elseif FREE_NAMES[kind.kind] then
    if text:find("[/%%]") or text == "." or text == ".." then
      p.invalid("metadata.name", text, "may not contain '/'")
    end
  elseif kind.kind == "Service" then
    if not is_label(text) or not text:find("^%a") then p.invalid("metadata.name", text, DNS_1035) end
  elseif kind.kind == "Namespace" then
    if not is_label(text) then p.invalid("metadata.name", text, LABEL) end
  elseif not is_subdomain(text) then
    p.invalid("metadata.name", text, SUBDOMAIN)
  end
end

local function port_number(p, field, value)
  if math.type(value) ~= "integer" then
    p.required(field)
  elseif value < 1 or value > 65535 then
    p.invalid(field, value, "must be between 1 and 65535, inclusive")
  end
end

local function containers(p, spec, at)
  if type(spec.containers) ~= "table" or #spec.containers == 0 then
    p.required(at .. ".containers")
    return
  end
  for i, c in ipairs(spec.containers) do
    local here = ("%s.containers[%d]"):format(at, i - 1)
    if not c.name or c.name == "" then p.required(here .. ".name")
    elseif not is_label(c.name) then p.invalid(here .. ".name", c.name, LABEL) end
    if not c.image or c.image == "" then p.required(here .. ".image") end
    for n, port in ipairs(c.ports or {}) do
      port_number(p, ("%s.ports[%d].containerPort"):format(here, n - 1), port.containerPort)
    end
  end
end

local function selects(selector, labels)
  for key, value in next, type(selector) == "table" and selector.matchLabels or {} do
    if (labels or {})[key] ~= value then return false end
  end
  return true
end

local function workload(p, spec)
  local template = type(spec.template) == "table" and spec.template or {}
  local labels = type(template.metadata) == "table" and template.metadata.labels
  if type(spec.selector) ~= "table" then
    p.required("spec.selector")
  elseif not selects(spec.selector, labels) then
    p.invalid("spec.template.metadata.labels", labels or {}, "`selector` does not match template `labels`")
  end
  if type(spec.replicas) == "number" and spec.replicas < 0 then
    p.invalid("spec.replicas", spec.replicas, "must be greater than or equal to 0")
  end
  containers(p, type(template.spec) == "table" and template.spec or {}, "spec.template.spec")
end

local of = {}

function of.Pod(p, obj)
  containers(p, obj.spec, "spec")
end

function of.Deployment(p, obj)
  workload(p, obj.spec)
end

of.ReplicaSet, of.StatefulSet, of.DaemonSet = of.Deployment, of.Deployment, of.Deployment

local function job_template(p, spec, at)
  local template = type(spec.template) == "table" and type(spec.template.spec) == "table" and spec.template.spec or {}
  containers(p, template, at .. ".template.spec")
  if template.restartPolicy ~= "OnFailure" and template.restartPolicy ~= "Never" then
    if template.restartPolicy == "Always" or template.restartPolicy == nil then
      p.unsupported(at .. ".template.spec.restartPolicy", template.restartPolicy or "Always", { "OnFailure", "Never" })
    end
  end
end

function of.Job(p, obj)
  job_template(p, obj.spec, "spec")
end

function of.CronJob(p, obj)
  local text = obj.spec.schedule
  if not text or text == "" then p.required("spec.schedule")
  elseif not schedule.parse(tostring(text)) then
    p.invalid("spec.schedule", text, "expected five fields: minute, hour, day of month, month, day of week")
  end
  local job = type(obj.spec.jobTemplate.spec) == "table" and obj.spec.jobTemplate.spec or {}
  job_template(p, job, "spec.jobTemplate.spec")
end

function of.Service(p, obj)
  local spec = obj.spec
  if spec.type ~= "ExternalName" and spec.clusterIP ~= "None" and #(spec.ports or {}) == 0 then
    p.required("spec.ports")
  end
  for i, port in ipairs(spec.ports or {}) do
    local at = ("spec.ports[%d]"):format(i - 1)
    if #spec.ports > 1 and not port.name then p.required(at .. ".name") end
    port_number(p, at .. ".port", port.port)
    if math.type(port.targetPort) == "integer" then port_number(p, at .. ".targetPort", port.targetPort) end
  end
end

function of.ConfigMap(p, obj)
  for key in next, type(obj.data) == "table" and obj.data or {} do
    if not key:find("^[-._%w]+$") then
      p.invalid(("data[%s]"):format(key), key, "a valid config key must consist of alphanumeric characters, '-', '_' "
        .. "or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')")
    end
  end
end

function of.Ingress(p, obj)
  if not obj.spec.defaultBackend and #(obj.spec.rules or {}) == 0 then
    p.invalid("spec", obj.spec, "either `defaultBackend` or `rules` must be specified")
  end
end

function of.HorizontalPodAutoscaler(p, obj)
  local max, least = obj.spec.maxReplicas, obj.spec.minReplicas
  if math.type(max) ~= "integer" or max < 1 then
    p.invalid("spec.maxReplicas", max or 0, "must be greater than 0")
  elseif math.type(least) == "integer" and max < least then
    p.invalid("spec.maxReplicas", max, "must be greater than or equal to `minReplicas`")
  end
end

function of.CustomResourceDefinition(p, obj)
  local spec = obj.spec
  local expected = ("%s.%s"):format(spec.names.plural or "", spec.group or "")
  if obj.metadata.name ~= expected then
    p.invalid("metadata.name", obj.metadata.name, 'must be spec.names.plural+"."+spec.group')
  end
  if #(spec.versions or {}) == 0 then p.required("spec.versions") end
end

local IMMUTABLE = {
  Deployment = { "spec.selector" }, ReplicaSet = { "spec.selector" }, DaemonSet = { "spec.selector" },
  Job = { "spec.selector", "spec.completions", "spec.template" }, Secret = { "type" },
  StorageClass = { "provisioner", "parameters", "reclaimPolicy", "volumeBindingMode" },
  RoleBinding = { "roleRef" }, ClusterRoleBinding = { "roleRef" },
}
local STATEFUL = { "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy" }

local function at_path(obj, path)
  for word in path:gmatch("[^.]+") do obj = type(obj) == "table" and obj[word] or nil end
  return obj
end

local function immutable(p, obj, live, kind)
  for _, path in ipairs(IMMUTABLE[kind.kind] or {}) do
    local now, was = at_path(obj, path), at_path(live, path)
    if not fields.same(now, was) then
      if path == "roleRef" then
        p.invalid(path, { APIGroup = now.apiGroup, Kind = now.kind, Name = now.name }, "cannot change roleRef")
      else
        p.invalid(path, now == nil and null or now, "field is immutable")
      end
    end
  end
  for _, path in ipairs(kind.kind == "StatefulSet" and STATEFUL or {}) do
    if not fields.same(at_path(obj, path), at_path(live, path)) then
      p.all[#p.all + 1] = { field = "spec", reason = "FieldValueForbidden", message = "updates to statefulset spec "
        .. "for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
        .. "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden" }
      return
    end
  end
  if live.immutable == true and not fields.same(obj.data, live.data) then
    p.all[#p.all + 1] = { field = "data", reason = "FieldValueForbidden",
      message = "field is immutable when `immutable` is set" }
  end
end

-- The object as it would be kept; `live` where it is there. Raises 422.
function M.check(obj, live, kind)
  local p = problems()
  name(p, obj, kind)
  if of[kind.kind] and not kind.custom then of[kind.kind](p, obj) end
  if live then immutable(p, obj, live, kind) end
  if #p.all > 0 then status.invalid(kind, obj.metadata.name or "", p.all) end
end

local TOP = { apiVersion = true, kind = true, metadata = true, spec = true, status = true }
local MORE = {
  ConfigMap = { "data", "binaryData", "immutable" }, Secret = { "data", "stringData", "type", "immutable" },
  ServiceAccount = { "secrets", "imagePullSecrets", "automountServiceAccountToken" }, Endpoints = { "subsets" },
  Event = { "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type",
    "eventTime", "series", "action", "related", "reportingComponent", "reportingInstance" },
  StorageClass = { "provisioner", "parameters", "reclaimPolicy", "mountOptions", "allowVolumeExpansion",
    "volumeBindingMode", "allowedTopologies" },
  Role = { "rules" }, ClusterRole = { "rules", "aggregationRule" }, RoleBinding = { "subjects", "roleRef" },
  ClusterRoleBinding = { "subjects", "roleRef" }, ControllerRevision = { "data", "revision" },
}

-- The names of the object's own level that its kind does not have.
function M.unknown(obj, kind)
  local known, found = {}, {}
  if kind.custom then return found end
  for _, key in ipairs(MORE[kind.kind] or {}) do known[key] = true end
  for key in next, obj do
    local has = known[key] or TOP[key] and (not MORE[kind.kind] or key ~= "spec" and key ~= "status")
    if not has then found[#found + 1] = key end
  end
  table.sort(found)
  return found
end

return M
