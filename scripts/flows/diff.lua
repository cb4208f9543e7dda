local flows = require "lib.flow"
local secret = require "lib.secret"

local LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

-- Two values without what only the live one says, and with the lists of the live one: JSON in a text does not tell
-- an empty list from a map, nor 1 from 1.0.
local function beside(live, wanted)
  if live == wanted then return live, live end
  if type(live) ~= "table" or type(wanted) ~= "table" then return live, wanted end
  local kept, said = is_list(live) and list {} or {}, is_list(live) and list {} or {}
  for key, value in next, wanted do kept[key], said[key] = beside(live[key], value) end
  if is_list(live) then
    for i = #wanted + 1, #live do kept[i] = live[i] end
  end
  return kept, said
end

-- The live object's part that kubectl applied, and that as it was applied.
local function last_applied(ctx, live)
  local text = (live.metadata.annotations or {})[LAST_APPLIED]
  if not text then
    ctx:fail("kubectl apply has left no note at %s; name another object to hold it against (with)", ctx.target.text)
  end
  local good, applied = pcall(cjson.decode, text)
  if not good or type(applied) ~= "table" then ctx:fail("the annotation %s is no JSON", LAST_APPLIED) end
  if live.kind == "Secret" then applied = secret.string_data_to_data(applied) end
  return beside(live, applied)
end

local function other(ctx, name)
  local target = ctx.target
  local ref = { apiVersion = target.apiVersion, kind = target.kind, namespace = target.namespace, name = name }
  return ctx:get(ref) or ctx:fail("%s is not there", ctx:ref(ref).text)
end

return flow {
  name = "diff", label = "Compare", action = "get",
  help = "Shows what has changed since kubectl applied an object, or how it differs from another one.",
  resources = { "*" },
  input = {
    with = { type = "string", help = "the name of another object of the kind; else what kubectl applied last" },
  },
  run = function(ctx, input)
    local live = flows.live(ctx)
    local what = input.with or "what kubectl applied last"
    local from, to = ctx.target.text, what
    local diff
    if input.with then
      diff = ctx:diff(live, other(ctx, what))
    else
      local kept, applied = last_applied(ctx, live)
      from, to, diff = what, from, ctx:diff(applied, kept) -- what was first stands first
    end
    if diff == "" then
      ctx:line("%s is the same as %s", ctx.target.text, what)
      return
    end
    ctx:line("--- %s\n+++ %s", from, to)
    for line in diff:gsub("^[^\n]*\n[^\n]*\n", "", 1):gmatch("[^\n]+") do ctx:line(line) end
  end,
}
