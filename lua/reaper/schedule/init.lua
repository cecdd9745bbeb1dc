--- The module reaper.schedule: at which times a line of crontab(5) fires.
--
-- It is a pure function of a text and a time: it has no clock and no memory. Whoever sets the clock back and asks again
-- gets the same times again.
--
-- Where the clocks of a time zone are changed, as Vixie cron and cronie do:
--
--   * A schedule of fixed times (neither its minute nor its hour begins with "*") fires once at each of its times. What
--     the clock skips fires right after the jump; several times that were skipped fire together, once. A time that
--     exists twice fires the first time. In short: it fires when the wall clock has first shown that much, or more.
--   * A schedule whose minute or hour begins with "*" ("*/10 * * * *", "0 * * * *", "*/10 2 * * *") goes on with the
--     real time: it fires whenever the wall clock shows one of its times. What is skipped does not fire, and what is
--     there twice fires twice.
--
-- There are two differences. Vixie cron fires once for each time that was skipped. It also takes a change of three
-- hours and more for a correction of the clock, which needs a memory; here it is like any other change.

local calendar = require "reaper.schedule.calendar"
local check = require "reaper.runtime.check"
local fields = require "reaper.schedule.fields"
local zone = require "reaper.schedule.zone"

local schedule = {}

local LAST_TIME = 253402300799 -- the last second of the year 9999

-- Each date falls on each day of the week again within 40 years, about a year such as 2100 too.
local LONGEST = 41 * 366 * 86400

-- While an hour is there a second time, its times are passed over: they have fired.
local function next_of_fixed(parsed, offset, time)
  local wall = time + offset(time)
  local last = (wall + LONGEST) // 60
  local found
  repeat
    local minute = calendar.find(parsed, wall // 60 + 1, last)
    if not minute then
      return nil
    end
    wall = minute * 60
    found = zone.first_time(offset, wall)
  until found > time
  return found
end

-- Goes from one change of the clocks to the next, and past the years without an event in one step.
local function next_in_real_time(parsed, offset, time)
  local last = time + LONGEST
  time = time + 1
  while time <= last do
    local horizon = time + zone.SPAN
    local change, now = zone.change(offset, time, horizon)
    local minute = calendar.find(parsed, (time + now + 59) // 60, last // 60)
    if not minute then
      return nil
    end
    local found = minute * 60 - now
    if found < (change or horizon) then
      return found
    end
    time = change or math.max(horizon, minute * 60 - zone.SPAN)
  end
end

--- What a text means.
local Schedule = {}
Schedule.__index = Schedule
Schedule.__name = "reaper.parsed_schedule"

local function next_of(parsed, where, time, timezone)
  if check.seconds(where, "time", time) > LAST_TIME then
    check.refuse(where, "time", ("seconds since 1970 expected, at most %d"):format(LAST_TIME))
  end
  time = math.floor(time)
  local offset = check.choose(where, "timezone", timezone == nil and "local" or timezone, zone.offsets)
  if parsed.at_start then
    return nil, ("\"%s\" fires when the container starts, and at no time after that"):format(parsed.text)
  end
  local found = (parsed.real_time and next_in_real_time or next_of_fixed)(parsed, offset, time)
  if not found then
    return nil, ("\"%s\" never fires"):format(parsed.text)
  end
  return found
end

--- The next time after `time` at which it fires; or nil, message when there is none.
function Schedule:next(time, timezone)
  return next_of(self, "schedule:next", time, timezone)
end

--- What a text means, as an object with `text`, `at_start` (it is @reboot) and `:next`; or nil, message.
function schedule.parse(text)
  local parsed, why = fields.read(check.type("reaper.schedule.parse", "text", text, "string"))
  if not parsed then
    return nil, why
  end
  parsed.text, parsed.at_start = text, parsed.at_start == true
  return setmetatable(parsed, Schedule)
end

--- The next time at which the text fires: the first one after `time`, in seconds since 1970; or nil, message when there
-- is none. It raises for a malformed text. `timezone` is "local" (default) or "UTC".
function schedule.next(text, time, timezone)
  local where = "reaper.schedule.next"
  local parsed, why = schedule.parse(check.type(where, "text", text, "string"))
  if not parsed then
    check.refuse(where, "text", why)
  end
  return next_of(parsed, where, time, timezone)
end

return schedule
