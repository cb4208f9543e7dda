local flows = require "lib.flow"
local object = require "lib.object"
local revisions = require "lib.revisions"

local function told(list)
  local texts = {}
  for i, one in ipairs(list) do
    texts[i] = ("%d (%s)"):format(one.number, revisions.images(one.template))
  end
  return #texts > 0 and table.concat(texts, "; ") or "none"
end

-- The revision that was asked for, else the newest but the one in force.
local function choose(list, current, wanted)
  for i = #list, 1, -1 do
    if wanted and list[i].number == wanted or not wanted and list[i].number ~= current then return list[i] end
  end
end

return flow {
  name = "rollback", label = "Roll back", action = "update",
  help = "Goes back to the template of an earlier revision, and waits until its Pods are ready.",
  resources = { "deployments", "statefulsets", "daemonsets" },
  input = {
    revision = { type = "integer", help = "its number; else the one before" },
    timeout = { type = "integer", default = 300, help = "seconds to wait until ready; 0: do not wait" },
  },
  run = function(ctx, input)
    local live = flows.live(ctx)
    local known, current = revisions.of(ctx, live)
    local to = choose(known, current, input.revision)
    if not to then
      ctx:fail("%s has no %s; there are: %s", ctx.target.text,
        input.revision and "revision " .. input.revision or "earlier revision", told(known))
    end
    if object.equal(to.template, live.spec.template) or to.number == current then
      ctx:line("%s is at revision %d already", ctx.target.text, to.number)
      ctx:changed("unchanged")
      return
    end
    ctx:phase("Rolling back…", { detail = ctx.target.text, progress = 1, total = 2 })
    ctx:patch(ctx.target, list { { op = "replace", path = "/spec/template", value = to.template } }, { type = "json" })
    flows.did(ctx, ("rolled back from revision %s to %d (%s)"):format(current or "?", to.number,
      revisions.images(to.template)))
    flows.wait(ctx, input.timeout, { progress = 2, total = 2 })
  end,
}
