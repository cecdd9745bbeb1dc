-- Restarts only in office hours, Monday to Friday from 9 to 17 o'clock local time (TZ):  reaper-lua office_hours.lua
-- What ends at night or on a weekend stays down until the morning of the next working day.
local supervisor = require "reaper.supervisor"

local OPENS, CLOSES = 9, 17

local function is_open(date)
  return date.wday >= 2 and date.wday <= 6 and date.hour >= OPENS and date.hour < CLOSES -- 1 is Sunday
end

-- os.time makes a date of "the day after the 31st", too.
local function until_opening(now)
  local date = os.date("*t", now)
  local opening = { year = date.year, month = date.month, day = date.day, hour = OPENS }
  repeat
    local time = os.time(opening)
    local is_later = time > now and is_open(os.date("*t", time))
    opening.day = opening.day + 1
  until is_later
  opening.day = opening.day - 1
  return os.time(opening) - now
end

local function office_hours()
  return is_open(os.date "*t") and 1 or until_opening(os.time())
end

supervisor.run {
  { name = "work", command = { "./work" }, restart = office_hours },
}
