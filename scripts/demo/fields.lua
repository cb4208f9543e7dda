-- demo/fields.lua: field sets and typed merges without a schema.
-- A set is FieldsV1 itself: nested maps, {} a member, "." a member that has more below. What is a list
-- with keys, and what is taken whole, is known by the names of fields; an unknown list is taken whole.
local M = {}

local CONTAINERS = { containers = true, initContainers = true, ephemeralContainers = true }
local KEYS = {
  containers = { "name" }, initContainers = { "name" }, ephemeralContainers = { "name" }, volumes = { "name" },
  env = { "name" }, volumeMounts = { "mountPath" }, volumeDevices = { "devicePath" },
  conditions = { "type" }, hostAliases = { "ip" }, topologySpreadConstraints = { "topologyKey", "whenUnsatisfiable" },
  podIPs = { "ip" }, hostIPs = { "ip" }, schedulingGates = { "name" }, addresses = { "type" },
}
local CONTAINER_PORTS, SERVICE_PORTS = { "containerPort", "protocol" }, { "port", "protocol" }
local ATOMIC = {
  selector = true, labelSelector = true, podSelector = true, namespaceSelector = true, nodeSelector = true,
  roleRef = true, fieldRef = true, resourceFieldRef = true, involvedObject = true,
  secretRef = true, targetRef = true,
}

-- "map" (merged key by key), "atomic", "set", or the keys of a list; `at` is the nearest field above.
local function rule(value, kind, at, name)
  if type(value) ~= "table" then return "leaf" end
  if not is_list(value) then
    if kind.custom then return "map" end
    local whole = ATOMIC[name] or (type(name) == "string" and name:find("KeyRef$"))
      or (at == "nodeAffinity" and name == "requiredDuringSchedulingIgnoredDuringExecution")
    return whole and "atomic" or "map"
  end
  if at == "metadata" then
    if name == "ownerReferences" then return { "uid" } end
    return name == "finalizers" and "set" or "atomic"
  end
  if kind.custom then return "atomic" end
  if name == "ports" then
    return CONTAINERS[at] and CONTAINER_PORTS or kind.kind == "Service" and at == "spec" and SERVICE_PORTS or "atomic"
  end
  if name == "imagePullSecrets" then return at == "spec" and { "name" } or "atomic" end
  if name == "secrets" and kind.kind == "ServiceAccount" then return { "name" } end
  if name == "conditions" and kind.kind == "Job" then return "atomic" end
  return KEYS[name] or "atomic"
end

-- k:{"name":"web"} of an item; the keys' defaults are those of Kubernetes.
local function item_key(item, keys)
  local parts = {}
  for i, key in ipairs(keys) do
    local value = item[key]
    if value == nil and key == "protocol" then value = "TCP" end
    parts[i] = store.write(key) .. ":" .. store.write(value == nil and null or value)
  end
  return "k:{" .. table.concat(parts, ",") .. "}"
end

-- ---- sets

local function is_member(node)
  return node["."] ~= nil or next(node) == nil
end

-- A node of these children; nil for nothing at all.
local function make(member, children)
  if next(children) == nil then return member and {} or nil end
  if member then children["."] = {} end
  return children
end

local function combine(a, b, member, child)
  local children = {}
  for key, below in next, a do
    if key ~= "." then children[key] = child(below, b[key]) end
  end
  for key, below in next, b do
    if key ~= "." and a[key] == nil then children[key] = child(nil, below) end
  end
  return make(member, children)
end

function M.union(a, b)
  if not a or not b then return a or b end
  return combine(a, b, is_member(a) or is_member(b), M.union)
end

function M.difference(a, b)
  if not a or not b then return a end
  return combine(a, b, is_member(a) and not is_member(b), M.difference)
end

function M.intersection(a, b)
  if not a or not b then return nil end
  return combine(a, b, is_member(a) and is_member(b), M.intersection)
end

function M.equal(a, b)
  if not a or not b then return a == b end
  if is_member(a) ~= is_member(b) then return false end
  for key, below in next, a do
    if key ~= "." and not M.equal(below, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil and key ~= "." then return false end
  end
  return true
end

-- ".spec.containers[name="web"].image" of every member: those of a level first, then what is below.
function M.paths(set, prefix, into)
  into, prefix = into or {}, prefix or ""
  local names = {}
  for key in next, set do
    if key ~= "." then names[#names + 1] = key end
  end
  table.sort(names)
  local function text(key)
    local kind, rest = key:match("^(.):(.*)$")
    if kind == "f" then return prefix .. "." .. rest end
    if kind == "v" then return prefix .. "[=" .. rest .. "]" end
    local parts, value = {}, store.json(rest)
    for name in rest:gmatch('"([^"]-)":') do
      parts[#parts + 1] = name .. "=" .. store.write(value[name])
    end
    return prefix .. "[" .. table.concat(parts, ",") .. "]"
  end
  for _, key in ipairs(names) do
    if is_member(set[key]) then into[#into + 1] = text(key) end
  end
  for _, key in ipairs(names) do M.paths(set[key], text(key), into) end
  return into
end

-- ---- values: their set, what differs, merging, taking out

-- In the set of what an update added, maps and lists that are new stand themselves; but not these, which
-- every object of Kubernetes' own has.
local ALWAYS = { metadata = true, spec = true, status = true, template = true, strategy = true,
  updateStrategy = true, containers = true, jobTemplate = true, scaleTargetRef = true, podSelector = true }

-- Everything below a value: key → { value, the nearest field above it, its own name (nil for an item) }.
local function below(value, how, at, name)
  local found = {}
  if how == "map" then
    for key, inner in next, value do found["f:" .. key] = { inner, name or at, key } end
  elseif how == "set" then
    for _, item in ipairs(value) do found["v:" .. store.write(item)] = { item, name, nil } end
  else
    for _, item in ipairs(value) do
      if type(item) == "table" then found[item_key(item, how)] = { item, name, nil } end
    end
  end
  return found
end

local function is_whole(how)
  return how == "leaf" or how == "atomic"
end

local function set_of(value, kind, at, name, added)
  local how, children = rule(value, kind, at, name), {}
  local always = ALWAYS[name] or name == "resources" and at == "spec"
  if type(value) == "table" and next(value) == nil then return not (added and always) and {} or nil end
  if is_whole(how) then return {} end
  for key, child in next, below(value, how, at, name) do
    children[key] = set_of(child[1], kind, child[2], child[3], added)
  end
  local item = at ~= nil and name == nil
  return make(item or added and not always, children)
end

-- The set of a manifest: its leaves, and the items of its lists.
function M.of(obj, kind)
  local children = {}
  for key, value in next, obj do children["f:" .. key] = set_of(value, kind, nil, key, false) end
  return children
end

function M.same(a, b)
  if a == b then return math.type(a) == math.type(b) or type(a) ~= "number" end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  for key, value in next, a do
    if not M.same(value, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil then return false end
  end
  return true
end

local function differs(how, was)
  if type(how) == "table" then return type(was) ~= "table" end
  return how ~= was
end

local function compare(old, new, kind, at, name)
  local how, was = rule(new, kind, at, name), rule(old, kind, at, name)
  if is_whole(how) or differs(how, was) then
    return nil, not M.same(old, new) and {} or nil, nil
  end
  local removed, modified, added = {}, {}, {}
  local before, after = below(old, how, at, name), below(new, how, at, name)
  for key, child in next, before do
    local now = after[key]
    if not now then
      removed[key] = set_of(child[1], kind, child[2], child[3], true)
    else
      removed[key], modified[key], added[key] = compare(child[1], now[1], kind, child[2], child[3])
    end
  end
  for key, child in next, after do
    if not before[key] then added[key] = set_of(child[1], kind, child[2], child[3], true) end
  end
  return make(false, removed), make(false, modified), make(false, added)
end

-- What an update from one object to the other removed, modified and added, a set each or nil.
function M.compare(old, new, kind)
  return compare(old, new, kind)
end

function M.copy(value)
  if type(value) ~= "table" then return value end
  local copy = is_list(value) and list {} or {}
  for key, inner in next, value do copy[key] = M.copy(inner) end
  return copy
end

-- Items of both lists: those of the manifest in its order, the others where they were.
local function merge_items(live, config, how, merge_item)
  local there, wanted, merged = {}, {}, list {}
  for _, item in ipairs(live) do there[item_key(item, how)] = item end
  for _, item in ipairs(config) do wanted[item_key(item, how)] = item end
  local i = 1
  local function skip_to_shared()
    while live[i] and not wanted[item_key(live[i], how)] do
      merged[#merged + 1] = live[i]
      i = i + 1
    end
  end
  for _, item in ipairs(config) do
    local was = there[item_key(item, how)]
    if was then skip_to_shared() end
    merged[#merged + 1] = was and merge_item(was, item) or M.copy(item)
    if was then i = i + 1 end
  end
  skip_to_shared()
  return merged
end

local function merge(live, config, kind, at, name)
  local how = rule(config, kind, at, name)
  if is_whole(how) or differs(how, rule(live, kind, at, name)) then return M.copy(config) end
  if how == "map" then
    local merged = {}
    for key, value in next, live do merged[key] = value end
    for key, value in next, config do
      if live[key] == nil then merged[key] = M.copy(value)
      else merged[key] = merge(live[key], value, kind, name or at, key) end
    end
    return merged
  elseif how == "set" then
    local merged, has = list {}, {}
    for _, items in ipairs { live, config } do
      for _, item in ipairs(items) do
        if not has[item] then merged[#merged + 1] = item end
        has[item] = true
      end
    end
    return merged
  end
  return merge_items(live, config, how, function(was, item) return merge(was, item, kind, name, nil) end)
end

-- The live object with the manifest's values.
function M.merge(live, config, kind)
  return merge(live, config, kind)
end

local function take_out(value, key, how)
  if how == "map" then
    value[key:sub(3)] = nil
    return
  end
  for i, item in ipairs(value) do
    local its = how == "set" and "v:" .. store.write(item) or item_key(item, how)
    if its == key then
      table.remove(value, i)
      return
    end
  end
end

local function prune(value, last, owned, kind, at, name)
  local how = rule(value, kind, at, name)
  if is_whole(how) then return end
  local children = below(value, how, at, name)
  for key, set in next, last do
    local child, own = children[key], owned and owned[key]
    if key ~= "." and child then
      if not own and is_member(set) then
        take_out(value, key, how)
      elseif type(child[1]) == "table" then
        local had = next(child[1]) ~= nil
        prune(child[1], set, own, kind, child[2], child[3])
        if had and next(child[1]) == nil then take_out(value, key, how) end
      end
    end
  end
end

-- Takes out of an object (a copy of ours) what `last` has and nobody owns any more.
function M.prune(obj, last, owned, kind)
  prune(obj, last, owned, kind)
end

return M
