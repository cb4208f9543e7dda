-- What the demo cluster answers is what a real API server answers, word for word where people read it.
-- Needs both, so it runs with --cluster.

local cluster = require "tests.both.support"
if not cluster.real then return end

local support = require "tests.spec.support"
local client = require "tests.both.support.client"
local demo = require "tests.both.support.demo"
local steps = require "tests.both.answers"

-- Managers whose writes come when they come.
local CONTROLLERS = { "^kube%-controller%-manager", "^kwok", "^kube%-scheduler" }

local function is_controller(manager)
  for _, pattern in ipairs(CONTROLLERS) do
    if manager:find(pattern) then return true end
  end
end

local UUID = ("%x"):rep(8) .. "%-" .. ("%x%x%x%x%-"):rep(3) .. ("%x"):rep(12)

local function clean_text(text)
  return (text:gsub(UUID, "UID"):gsub("10%.96%.%d+%.%d+", "IP"))
end

local function clean(value)
  if type(value) == "string" then return clean_text(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, inner in pairs(value) do copy[key] = clean(inner) end
  return copy
end

local function clean_object(obj)
  local meta = obj.metadata or {}
  for _, name in ipairs { "uid", "creationTimestamp", "resourceVersion", "selfLink" } do meta[name] = nil end
  if meta.annotations then
    meta.annotations["deployment.kubernetes.io/revision"] = nil
    if not next(meta.annotations) then meta.annotations = nil end
  end
  local kept = {}
  for _, entry in ipairs(meta.managedFields or {}) do
    entry.time = nil
    if not is_controller(entry.manager) then kept[#kept + 1] = entry end
  end
  table.sort(kept, function(a, b) return a.operation .. a.manager < b.operation .. b.manager end)
  meta.managedFields = kept
  if obj.kind ~= "Status" then obj.status = nil end
  -- Conflicts come in the order of a Go map.
  local causes = obj.kind == "Status" and obj.details and obj.details.causes
  if causes then
    table.sort(causes, function(a, b) return a.message .. a.field < b.message .. b.field end)
  end
  return obj
end

local VIEWS = {
  status = function() return nil end,
  reason = function(obj) return { obj.kind, obj.reason, obj.code } end,
  spec = function(obj) return { obj.apiVersion, obj.spec } end,
  names = function(obj)
    local found = {}
    for i, item in ipairs(obj.items) do found[i] = item.metadata.name end
    return found
  end,
  owners = function(obj) return obj.metadata.managedFields end,
  cells = function(obj)
    local rows = {}
    for i, row in ipairs(obj.rows) do rows[i] = { row.cells[1], row.cells[2], tostring(row.cells[3]) } end
    return { obj.columnDefinitions[1].name, rows }
  end,
  resources = function(obj)
    local found = {}
    for _, resource in ipairs(obj.resources) do
      found[resource.name] = { resource.kind, resource.namespaced, resource.shortNames, resource.categories }
    end
    return found
  end,
}

local function view(step, answer)
  if step.only == "text" then return answer.text end
  local obj = answer.json()
  if obj.items then
    for _, item in ipairs(obj.items) do clean_object(item) end
    obj.metadata = nil
  elseif not step.only or step.only == "owners" then
    clean_object(obj)
  end
  if step.only then obj = VIEWS[step.only](obj) end
  return clean(obj)
end

describe("the demo cluster answers as a real API server when it #newest", function()
  local both, ns

  setup(function()
    ns = "answers-" .. support.pid
    both = { client.new(cluster.kubeconfig "kubeconfig-token"), client.new(demo.kubeconfig()) }
    for _, one in ipairs(both) do
      assert.equal(201, one:request("POST", "/api/v1/namespaces", { metadata = { name = ns } }).status)
    end
    support.eventually("the namespace's account is there", function()
      return both[1]:request("GET", ("/api/v1/namespaces/%s/serviceaccounts/default"):format(ns)).status == 200
    end)
  end)

  for _, step in ipairs(steps) do
    it(step[1], function()
      local answers = {}
      for i, one in ipairs(both) do
        local body = step[4] and step[4]:gsub("NS", ns)
        answers[i] = one:request(step[2], step[3]:gsub("NS", ns), body, { type = step.type, accept = step.accept })
      end
      assert.equal(answers[1].status, answers[2].status, answers[2].text)
      assert.same(view(step, answers[1]), view(step, answers[2]))
    end)
  end
end)
