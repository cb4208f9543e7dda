std = "lua54"
max_line_length = 120
self = false -- a method may have no use for its object
cache = "build/lint/luacheck"
exclude_files = {
  "tests/unit/attacks", -- written to be refused
  "scripts/moonsail.d.lua", -- types: nothing in it runs
}

-- What a script has when it is loaded and when it runs; no io, os, debug, package.
local script = {
  read_globals = {
    "resource", "flow", "guardrail", "redact_pattern", "require",
    "null", "list", "is_list", "deny", "warn", "approve", "print", "cjson",
    "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "setmetatable",
    "tonumber", "tostring", "type", "math", "string", "table", "utf8",
  },
  std = "none",
}
files["resources"] = script
files["scripts"] = script
files["examples"] = script
files["scripts/demo"] = { read_globals = { "store" } } -- what the demo cluster's C half gives its scripts
files["scripts/moonsail"] = { std = "lua54" } -- what specs require under busted, outside of the sandbox
files["examples/**/*_spec.lua"] = { std = "lua54+busted" }
files["scripts/templates/*-spec.lua"] = { std = "lua54+busted" }
files["resources/**/*_spec.lua"] = { std = "lua54+busted" }
files["scripts/**/*_spec.lua"] = { std = "lua54+busted" }
files["tests"] = { std = "lua54+busted", max_line_length = 160 }
