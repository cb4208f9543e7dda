-- A drop-in guardrail: moonsail serve --scripts examples/scripts
--
-- Where the Pod's template lies in a kind of object.
local templates = {
  Pod = { path = "spec", spec = function(obj) return obj.spec end },
  CronJob = {
    path = "spec.jobTemplate.spec.template.spec",
    spec = function(obj) return obj.spec.jobTemplate.spec.template.spec end,
  },
}
local other = { path = "spec.template.spec", spec = function(obj) return obj.spec.template.spec end }

-- A digest, or a tag other than latest; a colon before the last slash belongs to the registry's port.
local function pinned(image)
  if image:find("@", 1, true) then return true end
  local tag = image:match("[^/]*$"):match(":([%w._-]+)$")
  return tag ~= nil and tag ~= "latest"
end

return guardrail {
  name = "pin-image-tags", level = "deny",
  help = "Every container image carries a tag other than latest, or a digest.",
  resources = { "pods", "deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs" },
  check = function(req, obj)
    if req.action == "delete" or req.action == "scale" then return end
    local where = templates[obj.kind] or other
    -- An apply may leave the template to somebody else.
    local found, spec = pcall(where.spec, obj)
    if not found or type(spec) ~= "table" then return end
    local verdicts = {}
    for _, list in ipairs { "initContainers", "containers" } do
      for i, container in ipairs(is_list(spec[list]) and spec[list] or {}) do
        local image = container.image
        if type(image) == "string" and not pinned(image) then
          verdicts[#verdicts + 1] =
            deny("%s.%s[%d].image", where.path, list, i - 1, "pin the tag of %s", image)
        end
      end
    end
    return verdicts
  end,
}
