local flows = require "lib.flow"
local object = require "lib.object"

local ROUND_SECONDS = 2

local function controller(pod)
  for _, ref in ipairs(pod.metadata.ownerReferences or {}) do
    if ref.controller == true then return ref.kind end
  end
end

local function ended(pod)
  local phase = type(pod.status) == "table" and pod.status.phase
  return phase == "Succeeded" or phase == "Failed"
end

local function has_empty_dir(pod)
  for _, volume in ipairs(pod.spec.volumes or {}) do
    if volume.emptyDir ~= nil then return true end
  end
  return false
end

local function name(pod) return pod.metadata.namespace .. "/" .. pod.metadata.name end

-- The Pods of the node that are to go. Those of DaemonSets and of the kubelet's own files stay.
local function pods_to_evict(ctx, force)
  local pods, bare, left = {}, {}, 0
  local query = { query = "fieldSelector=spec.nodeName%3D" .. ctx.target.name }
  for _, pod in ipairs(ctx:list({ apiVersion = "v1", kind = "Pod", namespace = "*" }, query)) do
    pod.apiVersion, pod.kind = "v1", "Pod" -- items of a list have neither
    local mirror = (pod.metadata.annotations or {})["kubernetes.io/config.mirror"]
    if mirror or controller(pod) == "DaemonSet" then
      left = left + 1
    else
      if not controller(pod) and not ended(pod) then bare[#bare + 1] = name(pod) end
      pods[#pods + 1] = pod
    end
  end
  if #bare > 0 and not force then
    ctx:fail("nothing would bring back these Pods, which no controller made: %s (force evicts them)",
      table.concat(bare, ", "))
  end
  if left > 0 then ctx:line("%d Pods of DaemonSets and of the node itself stay", left) end
  for _, pod in ipairs(pods) do
    if has_empty_dir(pod) then ctx:warn("pod %s: what it keeps in an emptyDir is lost", name(pod)) end
  end
  return pods
end

-- Asks once for the eviction of a Pod. Whether it is on its way.
local function evict(ctx, pod, said)
  local _, err = ctx:try(function() return ctx:evict(pod) end)
  if not err or err.status == 404 then
    ctx:line("pod %s %s", name(pod), ctx.dry_run and "would be evicted" or "evicted")
    return true
  end
  if err.status ~= 429 then error(err, 0) end
  if not said[pod.metadata.uid] then ctx:warn("pod %s: not yet: %s", name(pod), err.message) end
  said[pod.metadata.uid] = true
  return false
end

local function gone(ctx, pod)
  local live = ctx:get(object.ref(pod))
  return not live or live.metadata.uid ~= pod.metadata.uid
end

-- Evicts, and waits until they are gone; what a disruption budget refuses is asked for again.
local function drain(ctx, pods, timeout)
  local deadline, total, done, asked, said = ctx:clock() + timeout, #pods, 0, {}, {}
  while true do
    local rest = {}
    for _, pod in ipairs(pods) do
      if not asked[pod] then asked[pod] = evict(ctx, pod, said) end
      if asked[pod] and (ctx.dry_run or gone(ctx, pod)) then done = done + 1 else rest[#rest + 1] = pod end
    end
    pods = rest
    ctx:phase("Evicting Pods…", { detail = ctx.target.text, progress = done, total = total })
    if #pods == 0 or ctx.dry_run then return end
    if ctx:clock() >= deadline then
      ctx:fail("%d of %d Pods are still there after %d s, the first is %s; the node stays cordoned", #pods, total,
        timeout, name(pods[1]))
    end
    ctx:sleep(ROUND_SECONDS)
  end
end

return flow {
  name = "drain", label = "Drain", action = "update",
  help = "Cordons a node and evicts its Pods as their disruption budgets allow.",
  resources = { "nodes" },
  input = {
    force = { type = "boolean", default = false, help = "evict Pods that no controller will bring back, too" },
    timeout = { type = "integer", default = 600, help = "seconds until every Pod must be gone" },
  },
  run = function(ctx, input)
    flows.live(ctx)
    local pods = pods_to_evict(ctx, input.force)
    flows.set(ctx, "unschedulable", true, "cordoned")
    drain(ctx, pods, input.timeout)
    ctx:line("%s %s: %d Pods", ctx.target.text, ctx.dry_run and "would be drained" or "drained", #pods)
  end,
}
