-- One kind of object. Required are name, kind and help; without the rest it is applied as any other is.
-- scripts/README.md says what else there is; moonsail.d.lua tells it to an editor.
return resource {
  name = "NAME", -- what requests and permissions call it
  kind = "KIND",
  versions = { "example.com/v1" }, -- the first that the cluster serves is used
  help = "One sentence for the people who apply it.",

  -- Fills in what a manifest leaves out.
  defaults = function(obj)
    obj.spec = obj.spec or {}
    obj.spec.size = obj.spec.size or 1
  end,

  -- A sentence where the object is not acceptable, nothing where it is.
  validate = function(obj)
    if type(obj.spec.size) ~= "number" then return "spec.size must be a number" end
  end,
}
