-- testing/store.lua: what the demo cluster's scripts call `store`, in memory. One state at a time is in use,
-- and in it time stands still but for what a script sleeps.
local json = require "testing.json"
local object = require "lib.object"

local M = { read = json.read, json = json.read, write = json.write }

local BEGIN = 1767225600 -- 2026-01-01T00:00:00Z
local DAY = 86400
local LETTERS = "bcdfghjklmnpqrstvwxz2456789"

local state

-- A new state.
function M.new()
  return { objects = {}, revision = 100, made = 0, slept = 0 }
end

-- From now on this state is meant.
function M.use(which)
  state = which
end

-- Days since 1970 of a date, and back (Howard Hinnant's civil calendar).
local function days_of(y, m, d)
  if m <= 2 then y = y - 1 end
  local era = y // 400
  local in_era = y - era * 400
  local in_year = (153 * (m + (m > 2 and -3 or 9)) + 2) // 5 + d - 1
  return era * 146097 + in_era * 365 + in_era // 4 - in_era // 100 + in_year - 719468
end

local function date_of(days)
  days = days + 719468
  local era = days // 146097
  local in_era = days - era * 146097
  local year = (in_era - in_era // 1460 + in_era // 36524 - in_era // 146096) // 365
  local in_year = in_era - (365 * year + year // 4 - year // 100)
  local month = (5 * in_year + 2) // 153
  local m = month + (month < 10 and 3 or -9)
  return year + era * 400 + (m <= 2 and 1 or 0), m, in_year - (153 * month + 2) // 5 + 1
end

-- Milliseconds since 1970 → 2026-01-01T00:00:00.000Z, the form that logs and ctx:now() have.
function M.date(ms)
  local seconds = ms // 1000
  local y, m, d = date_of(seconds // DAY)
  local left = seconds % DAY
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(y, m, d, left // 3600, left // 60 % 60, left % 60, ms % 1000)
end

-- The reverse; 0 for what is no time.
function M.time(text)
  local y, m, d, hour, minute, second = text:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not y then return 0 end
  local days = days_of(math.tointeger(y), math.tointeger(m), math.tointeger(d))
  return (days * DAY + math.tointeger(hour) * 3600 + math.tointeger(minute) * 60 + math.tointeger(second)) * 1000
end

-- The time as objects carry it; in milliseconds.
function M.now()
  local ms = BEGIN * 1000 + math.floor(state.slept * 1000)
  return M.date(ms):gsub("%.%d+Z$", "Z"), ms
end

-- The same names and uids in each run.
function M.random(n)
  state.made = state.made + 1
  local letters, number = {}, state.made
  for i = n, 1, -1 do
    local at = number % #LETTERS + 1
    letters[i] = LETTERS:sub(at, at)
    number = number // #LETTERS
  end
  return table.concat(letters)
end

function M.uuid()
  state.made = state.made + 1
  return ("00000000-0000-4000-8000-%012x"):format(state.made)
end

local function place(key, ns, name)
  return key .. "\n" .. ns .. "\n" .. name
end

function M.get(key, ns, name)
  return object.copy(state.objects[place(key, ns, name)])
end

-- All of a kind, in one namespace or in all, by name.
function M.list(key, ns)
  local found, begin = {}, key .. "\n" .. (ns and ns .. "\n" or "")
  for at, obj in next, state.objects do
    if at:sub(1, #begin) == begin then found[#found + 1] = { at, obj } end
  end
  table.sort(found, function(a, b) return a[1] < b[1] end)
  local objects = list {}
  for i, pair in ipairs(found) do objects[i] = object.copy(pair[2]) end
  return objects
end

function M.put(change, key, ns, name, obj)
  state.revision = state.revision + 1
  obj.metadata.resourceVersion = tostring(state.revision)
  state.objects[place(key, ns, name)] = change ~= "DELETED" and object.copy(obj) or nil
  return obj
end

-- No controllers run here: what a spec puts stays as it is.
function M.due() end

-- Every version is served; a spec says which are not.
function M.old() return "" end

return M
