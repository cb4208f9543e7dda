-- A dry-run changes nothing, whatever a team's own script does in it.

local cluster = require "tests.both.support"
local support = require "tests.spec.support"

local RESOURCE = [[
return resource {
  name = "configmaps", kind = "ConfigMap", versions = { "v1" }, help = "Does everything to a ConfigMap.",
  apply = function(ctx, obj)
    ctx:patch(obj, { data = { a = "patched" } })
    ctx:delete(obj)
    for _, how in ipairs { "Background", "Foreground", "Orphan" } do ctx:delete(obj, { propagation = how }) end
    ctx:update(ctx:get(obj))
    return ctx:apply(obj)
  end,
}
]]

it("a dry-run of a script that patches, updates and deletes changes nothing", function()
  local ns = cluster.namespace()
  cluster.create("configmap", ns, { metadata = { name = "kept" }, data = { a = "1" } })
  local before = cluster.get("configmap", "kept", ns)
  local said = cluster.cli({ "apply", "-f", "-", "-n", ns, "--dry-run", "--scripts",
    support.tree { ["resources/configmaps.lua"] = RESOURCE } },
    { stdin = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: kept }\ndata: { a: '2', b: '3' }\n" })
  local after = cluster.get("configmap", "kept", ns)
  assert.is_table(after, said.stderr)
  assert.equal(before.metadata.resourceVersion, after.metadata.resourceVersion)
  assert.same({ a = "1" }, after.data)
end)
