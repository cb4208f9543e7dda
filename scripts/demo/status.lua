-- demo/status.lua: failures in Kubernetes' own words. Each raises; server.lua answers with the value.
local M = {}

function M.fail(code, reason, message, details)
  error({ status_code = code, body = {
    kind = "Status", apiVersion = "v1", metadata = {}, status = "Failure",
    message = message, reason = reason, details = details, code = code,
  } }, 0)
end

-- "deployments.apps"
local function resource(kind)
  return kind.group == "" and kind.plural or kind.plural .. "." .. kind.group
end

local function details(kind, name)
  return { name = name, group = kind.group ~= "" and kind.group or nil, kind = kind.plural }
end

function M.not_found(kind, name)
  M.fail(404, "NotFound", ('%s "%s" not found'):format(resource(kind), name), details(kind, name))
end

function M.no_path()
  M.fail(404, "NotFound", "the server could not find the requested resource", {})
end

function M.exists(kind, name)
  M.fail(409, "AlreadyExists", ('%s "%s" already exists'):format(resource(kind), name), details(kind, name))
end

function M.conflict(kind, name, why)
  M.fail(409, "Conflict", ('Operation cannot be fulfilled on %s "%s": %s'):format(resource(kind), name, why
    or "the object has been modified; please apply your changes to the latest version and try again"),
    details(kind, name))
end

-- A precondition of a delete that does not hold: "UID" or "ResourceVersion".
function M.changed(kind, name, what, wanted, has)
  M.fail(409, "Conflict", ('Operation cannot be fulfilled on %s "%s": the %s in the precondition (%s) does not match '
    .. "the %s in record (%s). The object might have been %s"):format(kind.kind, name, what, wanted, what, has,
    what == "UID" and "deleted and then recreated" or "modified"), { name = name, kind = kind.kind,
    group = kind.group ~= "" and kind.group or nil })
end

function M.bad(message, ...)
  M.fail(400, "BadRequest", select("#", ...) > 0 and message:format(...) or message)
end

function M.forbidden(kind, name, why)
  M.fail(403, "Forbidden", ('%s "%s" is forbidden: %s'):format(resource(kind), name, why), details(kind, name))
end

function M.not_allowed()
  M.fail(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})
end

local KINDS = { FieldValueRequired = "Required value", FieldValueInvalid = "Invalid value",
  FieldValueNotSupported = "Unsupported value", FieldValueForbidden = "Forbidden" }

-- causes: { { field, reason, message } … }: message is what comes after "Invalid value: ".
function M.invalid(kind, name, causes)
  local texts, listed, said = {}, list {}, {}
  for i, c in ipairs(causes) do
    local text = KINDS[c.reason] .. (c.message and ": " .. c.message or "")
    listed[i] = { reason = c.reason, message = text, field = c.field }
    text = c.field .. ": " .. text
    if not said[text] then texts[#texts + 1] = text end
    said[text] = true
  end
  local who = kind.group == "" and kind.kind or kind.kind .. "." .. kind.group
  local what = #texts == 1 and texts[1] or "[" .. table.concat(texts, ", ") .. "]"
  M.fail(422, "Invalid", ('%s "%s" is invalid: %s'):format(who, name, what),
    { name = name ~= "" and name or nil, group = kind.group ~= "" and kind.group or nil, kind = kind.kind,
      causes = listed })
end

return M
