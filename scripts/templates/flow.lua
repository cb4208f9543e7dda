-- An execution of several steps, offered on the resources that it names.
-- scripts/README.md says what ctx has; moonsail.d.lua tells it to an editor.
return flow {
  name = "NAME", label = "LABEL", action = "update", -- the permission that it needs
  help = "One sentence for the people who start it.",
  resources = { "deployments" },
  input = {
    note = { type = "string", default = "looked at", help = "what the annotation says" },
  },

  run = function(ctx, input)
    local ref = ctx.target
    ctx:phase("Annotating…", { detail = ref.text, progress = 1, total = 1 })
    ctx:patch(ref, { metadata = { annotations = { ["example.com/note"] = input.note } } })
    ctx:line("%s says: %s", ref.text, input.note)
  end,
}
