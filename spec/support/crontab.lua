-- What crontab(5) says, written down once more as slowly and plainly as it can be, for a comparison with
-- reaper.schedule: whether one minute fits a line, and a walk over all minutes.

local crontab = {}

local names = {
  [4] = { jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9, oct = 10, nov = 11,
    dec = 12 },
  [5] = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 },
}
local least = { 0, 0, 1, 1, 0 }
local most = { 59, 23, 31, 12, 7 }

local function fields_of(text)
  local fields = {}
  for field in text:gmatch "%S+" do
    fields[#fields + 1] = field
  end
  return fields
end

-- Whether a value is in one range, such as "1-30/7".
local function in_range(i, range, value)
  local from, to = range:match "^(%w+)%-(%w+)"
  local single = range:match "^%w+$"
  local step = tonumber(range:match "/(%d+)$" or 1)
  local function number(word)
    return tonumber(word) or names[i][word:lower()]
  end
  local low = from and number(from) or single and number(single) or least[i]
  local high = to and number(to) or single and number(single) or most[i]
  return value >= low and value <= high and (value - low) % step == 0
end

local function in_field(i, field, value)
  for range in field:gmatch "[^,]+" do
    if in_range(i, range, value) then
      return true
    end
  end
  return false
end

-- The values of each field that fit, as sets.
local function sets_of(fields)
  local sets = {}
  for i, field in ipairs(fields) do
    sets[i] = {}
    for value = least[i], most[i] do
      sets[i][value] = in_field(i, field, value)
    end
  end
  return sets
end

--- Two functions: whether a date, and whether a minute of a day fits; both take what os.date "*t" gives. And whether
--- the line goes on with the real time.
function crontab.line(text)
  local fields = fields_of(text)
  local sets = sets_of(fields)
  local function date_fits(date)
    local in_month = sets[3][date.day]
    local in_week = sets[5][date.wday - 1] or date.wday == 1 and sets[5][7]
    if not sets[4][date.month] then
      return false
    elseif fields[3]:find "^%*" or fields[5]:find "^%*" then
      return in_month and in_week
    end
    return in_month or in_week
  end
  local function minute_fits(date)
    return sets[1][date.min] and sets[2][date.hour]
  end
  return date_fits, minute_fits, fields[1]:find "^%*" ~= nil or fields[2]:find "^%*" ~= nil
end

--- The first minute after a time that fits, in UTC, within `days` days; or nil.
function crontab.next(text, time, days)
  local date_fits, minute_fits = crontab.line(text)
  local at = time // 60 * 60 + 60
  local last = at + days * 86400
  while at < last do
    local midnight = at // 86400 * 86400 + 86400
    if date_fits(os.date("!*t", at)) then
      for minute = at, midnight - 60, 60 do
        if minute_fits(os.date("!*t", minute)) then
          return minute
        end
      end
    end
    at = midnight
  end
end

-- The times from `from` to `to`, each with the minute that the clock on the wall shows then, as if it were UTC.
local function walls(from, to)
  local list = {}
  for time = from, to, 60 do
    local sign, hours, minutes = os.date("%z", time):match "^([+-])(%d%d)(%d%d)$"
    local offset = tonumber(sign .. "1") * (hours * 3600 + minutes * 60)
    list[#list + 1] = { time = time, wall = math.tointeger(time + offset) }
  end
  return list
end

--- All times between two at which each of the lines fires, in the local time zone: a list for each.
function crontab.walk(texts, from, to)
  local dates = setmetatable({}, { __index = function(t, wall)
    t[wall] = os.date("!*t", wall)
    return t[wall]
  end })
  local all = walls(from - 86400, to)
  local found = {}
  for i, text in ipairs(texts) do
    local date_fits, minute_fits, real_time = crontab.line(text)
    local function fits(wall)
      return date_fits(dates[wall]) and minute_fits(dates[wall])
    end
    found[i] = {}
    local shown = all[1].wall -- the most so far
    for _, now in ipairs(all) do
      local fires = real_time and fits(now.wall)
      for wall = shown + 60, real_time and 0 or now.wall, 60 do
        fires = fires or fits(wall)
      end
      shown = math.max(shown, now.wall)
      if fires and now.time > from then
        table.insert(found[i], now.time)
      end
    end
  end
  return found
end

-- Random lines.

local function any(list)
  return list[math.random(#list)]
end

local function random_range(i, low, high)
  local from = math.random(low, high)
  local to = math.random(from, high)
  local kind = math.random(6)
  local words = {}
  for name, value in pairs(names[i] or {}) do
    words[value] = math.random(2) == 1 and name or name:upper()
  end
  if kind == 1 then
    return from .. "-" .. to
  elseif kind == 2 then
    return ("%d-%d/%d"):format(from, to, math.random(1, most[i]))
  elseif kind == 3 and words[from] and words[to] then
    return words[from] .. "-" .. words[to]
  end
  return tostring(words[from] and kind == 4 and words[from] or from)
end

local function random_field(i, stars, low, high)
  local kind = math.random()
  if kind < stars then
    return "*"
  elseif kind < stars + 0.15 then
    return "*/" .. math.random(1, most[i])
  end
  local ranges = {}
  for n = 1, any { 1, 1, 1, 2, 3 } do
    ranges[n] = random_range(i, low or least[i], high or most[i])
  end
  if kind > 0.97 then
    table.insert(ranges, math.random(#ranges + 1), "*/" .. math.random(2, most[i]))
  end
  return table.concat(ranges, ",")
end

--- A line; `early`: most of its times are in the first hours of each day.
function crontab.random(early)
  return table.concat({
    random_field(1, 0.2), random_field(2, 0.2, early and 0, early and 4), random_field(3, early and 0.7 or 0.4),
    random_field(4, early and 0.9 or 0.5), random_field(5, early and 0.7 or 0.5),
  }, any { " ", "  ", "\t" })
end

--- Seconds since 1970 of "2026-03-29 01:00", which is UTC.
function crontab.utc(text)
  local year, month, day, hour, minute = text:match "^(%d+)%-(%d+)%-(%d+) (%d+):(%d+)$"
  local days = tonumber(day) - 1
  local function is_leap(y)
    return y % 4 == 0 and (y % 100 ~= 0 or y % 400 == 0)
  end
  for y = 1970, year - 1 do
    days = days + (is_leap(y) and 366 or 365)
  end
  local lengths = { 31, is_leap(tonumber(year)) and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  for m = 1, month - 1 do
    days = days + lengths[m]
  end
  return math.tointeger(days * 86400 + hour * 3600 + minute * 60)
end

return crontab
