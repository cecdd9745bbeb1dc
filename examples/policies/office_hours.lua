-- Restarts only in office hours, Monday to Friday from 9 to 17 o'clock local time (TZ):  reaper-lua office_hours.lua
-- What ends at night or on a weekend stays down until the morning of the next working day.
local supervisor = require "reaper.supervisor"

local OPENS, CLOSES = 9, 17

local function is_open(date)
  return date.wday >= 2 and date.wday <= 6 and date.hour >= OPENS and date.hour < CLOSES -- 1 is Sunday
end

local function until_opening(now)
  local date = os.date("*t", now)
  for days = 0, 7 do -- os.time takes "the 32nd", too
    local opening = os.time { year = date.year, month = date.month, day = date.day + days, hour = OPENS }
    if opening > now and is_open(os.date("*t", opening)) then
      return opening - now
    end
  end
end

local function office_hours()
  return is_open(os.date "*t") and 1 or until_opening(os.time())
end

supervisor.run {
  { name = "work", command = { "./work" }, restart = office_hours },
}
