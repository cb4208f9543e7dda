-- demo/discovery.lua: what is served, in both forms: one aggregated document, or a document a group.
local kinds = require "demo.kinds"
local status = require "demo.status"

local M = {}

local VERBS = { "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch" }

local function verbs(...)
  local names = list {}
  for i, name in ipairs { ... } do names[i] = name end
  return names
end

local function copy_of(words)
  return table.move(words, 1, #words, 1, list {})
end

-- group → { name, versions = { { version, kinds } } }, in the order of the names; the core group first.
local function groups()
  local found, names = {}, {}
  for _, kind in ipairs(kinds.all()) do
    local group = found[kind.group]
    if not group then
      group = { name = kind.group, versions = {}, by = {} }
      found[kind.group] = group
      names[#names + 1] = kind.group
    end
    for _, version in ipairs(kind.versions) do
      if not group.by[version] then
        group.by[version] = { version = version, kinds = {} }
        group.versions[#group.versions + 1] = group.by[version]
      end
      table.insert(group.by[version].kinds, kind)
    end
  end
  table.sort(names)
  return found, names
end

local function aggregated_resource(kind, api)
  local group, version = api.group, api.version
  local sub = list {}
  local function subresource(name, kind_name, g, v)
    sub[#sub + 1] = { subresource = name, verbs = verbs("get", "patch", "update"),
      responseKind = { group = g, version = v, kind = kind_name } }
  end
  if kind.scale then subresource("scale", "Scale", "autoscaling", "v1") end
  if kind.status then subresource("status", kind.kind, group, version) end
  for _, more in ipairs(kind.more or {}) do
    local of = more[2]
    sub[#sub + 1] = { subresource = more[1], verbs = verbs(more[3]),
      responseKind = { group = of[1], version = of[2], kind = of[3] } }
  end
  return {
    resource = kind.plural, singularResource = kind.singular, scope = kind.namespaced and "Namespaced" or "Cluster",
    responseKind = { group = group, version = version, kind = kind.kind }, verbs = verbs(table.unpack(VERBS)),
    shortNames = #kind.short > 0 and copy_of(kind.short) or nil,
    categories = kind.all and list { "all" } or nil, subresources = #sub > 0 and sub or nil,
  }
end

-- APIGroupDiscoveryList of /api (core) or /apis (the others).
function M.aggregated(core)
  local found, names = groups()
  local items = list {}
  for _, name in ipairs(names) do
    if (name == "") == core then
      local versions = list {}
      for _, v in ipairs(found[name].versions) do
        local resources = list {}
        for i, kind in ipairs(v.kinds) do
          resources[i] = aggregated_resource(kind, { group = name, version = v.version })
        end
        versions[#versions + 1] = { version = v.version, resources = resources, freshness = "Current" }
      end
      items[#items + 1] = { metadata = { name = name ~= "" and name or nil, creationTimestamp = null },
        versions = versions }
    end
  end
  return { kind = "APIGroupDiscoveryList", apiVersion = "apidiscovery.k8s.io/v2", metadata = {}, items = items }
end

local function api_group(group)
  local versions = list {}
  for i, v in ipairs(group.versions) do
    versions[i] = { groupVersion = group.name .. "/" .. v.version, version = v.version }
  end
  return { name = group.name, versions = versions, preferredVersion = versions[1] }
end

function M.core()
  return { kind = "APIVersions", versions = list { "v1" },
    serverAddressByClientCIDRs = list { { clientCIDR = "0.0.0.0/0", serverAddress = "127.0.0.1" } } }
end

function M.groups()
  local found, names = groups()
  local listed = list {}
  for _, name in ipairs(names) do
    if name ~= "" then listed[#listed + 1] = api_group(found[name]) end
  end
  return { kind = "APIGroupList", apiVersion = "v1", groups = listed }
end

function M.group(name)
  local group = groups()[name]
  if not group or name == "" then status.no_path() end
  local answer = api_group(group)
  answer.kind, answer.apiVersion = "APIGroup", "v1"
  return answer
end

-- Is it a group, or (with a version) a version of one?
function M.serves(group, version)
  local found = groups()[group]
  return found and (not version or found.by[version]) and true or false
end

-- APIResourceList of "v1" or "apps/v1".
function M.resources(group, version)
  local found = groups()[group]
  local v = found and found.by[version]
  if not v then status.no_path() end
  local resources = list {}
  for _, kind in ipairs(v.kinds) do
    resources[#resources + 1] = {
      name = kind.plural, singularName = kind.singular, namespaced = kind.namespaced, kind = kind.kind,
      verbs = verbs(table.unpack(VERBS)), shortNames = #kind.short > 0 and copy_of(kind.short) or nil,
      categories = kind.all and list { "all" } or nil,
    }
    local sub = verbs("get", "patch", "update")
    if kind.scale then
      resources[#resources + 1] = { name = kind.plural .. "/scale", singularName = "", namespaced = kind.namespaced,
        group = "autoscaling", version = "v1", kind = "Scale", verbs = sub }
    end
    if kind.status then
      resources[#resources + 1] = { name = kind.plural .. "/status", singularName = "", namespaced = kind.namespaced,
        kind = kind.kind, verbs = sub }
    end
    for _, more in ipairs(kind.more or {}) do
      local of = more[2]
      local other = of[1] ~= ""
      resources[#resources + 1] = { name = kind.plural .. "/" .. more[1], singularName = "",
        namespaced = kind.namespaced, group = other and of[1] or nil, version = other and of[2] or nil,
        kind = of[3], verbs = verbs(more[3]) }
    end
  end
  local name = group == "" and version or group .. "/" .. version
  return { kind = "APIResourceList", apiVersion = "v1", groupVersion = name, resources = resources }
end

return M
