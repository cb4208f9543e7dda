-- demo/schedule.lua: the five fields of a CronJob's schedule, in UTC.
local M = {}

local MINUTE_MS, DAY = 60000, 1440
-- A schedule that has no time in so many days has none (29 February may be eight years away).
local DAYS_MOST = 366 * 8 + 2

local NAMES = { ["@yearly"] = "0 0 1 1 *", ["@annually"] = "0 0 1 1 *", ["@monthly"] = "0 0 1 * *",
  ["@weekly"] = "0 0 * * 0", ["@daily"] = "0 0 * * *", ["@midnight"] = "0 0 * * *", ["@hourly"] = "0 * * * *" }
local RANGES = { { 0, 59 }, { 0, 23 }, { 1, 31 }, { 1, 12 }, { 0, 6 } }
local WORDS = { {}, {}, {}, { jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9,
  oct = 10, nov = 11, dec = 12 }, { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 } }

local function value_of(text, i)
  local value = math.tointeger(tonumber(text)) or WORDS[i][text:lower()]
  return value and value >= RANGES[i][1] and value <= RANGES[i][2] and value or nil
end

-- "1-5,*/15" → the set of its numbers, or nil for what is no field of a schedule.
local function field_of(text, i)
  local set, least, most = {}, RANGES[i][1], RANGES[i][2]
  for part in (text .. ","):gmatch("(.-),") do
    local span, step = part:match("^([^/]+)/?(%d*)$")
    if not span or step == "0" then return nil end
    local a, b = least, most
    if span ~= "*" and span ~= "?" then
      local from, to = span:match("^(%w+)%-?(%w*)$")
      a = from and value_of(from, i)
      b = a and (to ~= "" and value_of(to, i) or to == "" and (step ~= "" and most or a)) or nil
    end
    if not a or not b or a > b then return nil end
    for n = a, b, tonumber(step) or 1 do set[n] = true end
  end
  set.any = text:find("^[*?]") ~= nil
  return set
end

-- A schedule's five sets; nil where it is none.
function M.parse(text)
  local words, sets = {}, {}
  for word in (NAMES[text] or text):gmatch("%S+") do words[#words + 1] = word end
  if #words ~= 5 then return nil end
  for i, word in ipairs(words) do
    sets[i] = field_of(word, i)
    if not sets[i] then return nil end
  end
  return sets
end

-- A day since 1970 is in the schedule: where both are said, a day of the month or one of the week is enough.
local function has_day(sets, day)
  local month, date = store.date(day * DAY * MINUTE_MS):match("^%d+%-(%d+)%-(%d+)T")
  local by_date, by_week = sets[3][math.tointeger(tonumber(date))], sets[5][(day + 4) % 7]
  if not sets[4][math.tointeger(tonumber(month))] then return false end
  if sets[3].any or sets[5].any then return by_date and by_week end
  return by_date or by_week
end

-- The first time of the schedule after `ms`, in milliseconds; nil where there is none.
function M.next(sets, ms)
  local minute = ms // MINUTE_MS + 1
  local today = minute // DAY
  for day = today, today + DAYS_MOST do
    if has_day(sets, day) then
      for at = day == today and minute % DAY or 0, DAY - 1 do
        if sets[2][at // 60] and sets[1][at % 60] then return (day * DAY + at) * MINUTE_MS end
      end
    end
  end
end

return M
