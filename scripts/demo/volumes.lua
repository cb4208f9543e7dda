-- demo/volumes.lua: claims get a volume; volumes say whether they are bound.
local write = require "demo.write"

local M = {}

local function make_volume(claim)
  local name = "pvc-" .. claim.metadata.uid
  return write.create("persistentvolumes", {
    apiVersion = "v1", kind = "PersistentVolume", metadata = { name = name },
    spec = { capacity = { storage = claim.spec.resources.requests.storage }, accessModes = claim.spec.accessModes,
      persistentVolumeReclaimPolicy = "Delete", storageClassName = claim.spec.storageClassName,
      hostPath = { path = "/demo/" .. name },
      claimRef = { apiVersion = "v1", kind = "PersistentVolumeClaim", name = claim.metadata.name,
        namespace = claim.metadata.namespace, uid = claim.metadata.uid } },
  })
end

local function bind(claim)
  local requests = type(claim.spec.resources) == "table" and claim.spec.resources.requests
  if not claim.spec.storageClassName or not requests or not requests.storage then return end
  if not store.get("storageclasses.storage.k8s.io", "", claim.spec.storageClassName) then return end
  local volume = make_volume(claim)
  if not volume then return end
  claim = write.change("persistentvolumeclaims", claim, "", function(copy)
    copy.spec.volumeName = volume.metadata.name
  end)
  write.status("persistentvolumeclaims", claim, { phase = "Bound", accessModes = claim.spec.accessModes,
    capacity = { storage = requests.storage } })
end

local function look(volume)
  local ref = volume.spec.claimRef
  local claim = ref and store.get("persistentvolumeclaims", ref.namespace, ref.name)
  local bound = claim and claim.metadata.uid == ref.uid
  if ref and not bound and volume.spec.persistentVolumeReclaimPolicy == "Delete" then
    write.remove("persistentvolumes", volume)
    return
  end
  write.status("persistentvolumes", volume, { phase = bound and "Bound" or ref and "Released" or "Available" })
end

function M.run(obj)
  if obj.kind == "PersistentVolume" then look(obj)
  elseif not obj.metadata.deletionTimestamp and (obj.status or {}).phase ~= "Bound" then bind(obj) end
end

return M
