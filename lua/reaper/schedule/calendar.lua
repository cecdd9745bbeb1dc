--- The Gregorian calendar: days and minutes are counted from the beginning of 1970, without time zones.

local calendar = {}

local MINUTES = 24 * 60 -- of a day

--- The number of a day. The algorithm counts years from March, so that a leap day is the last one
-- (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
function calendar.day(year, month, day)
  year = month <= 2 and year - 1 or year
  local of_era = year % 400
  local of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
  return year // 400 * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

-- The year, month and day of a day's number.
local function date_of(number)
  number = number + 719468
  local of_era = number % 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local month = (5 * of_year + 2) // 153
  local day = of_year - (153 * month + 2) // 5 + 1
  month = month < 10 and month + 3 or month - 9
  return year + number // 146097 * 400 + (month <= 2 and 1 or 0), month, day
end

local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function length_of(year, month)
  local leap = month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return lengths[month] + (leap and 1 or 0)
end

-- The first day from `day` to the end of its month that fits; the first of the month is `first`.
local function find_in_month(schedule, first, day, length)
  for d = day, length do
    local in_month, in_week = schedule.day[d], schedule.weekday[(first + d + 3) % 7] -- day 0 was a Thursday
    if in_month and in_week or schedule.either and (in_month or in_week) then
      return first + d - 1
    end
  end
end

-- The first day from number `from` to `last` that fits, or nil.
local function find_day(schedule, from, last)
  local year, month, day = date_of(from)
  local first = from - day + 1
  while first <= last do
    local length = length_of(year, month)
    local found = schedule.month[month] and find_in_month(schedule, first, day, length)
    if found then
      return found
    end
    first, day = first + length, 1
    month = month % 12 + 1
    year = month == 1 and year + 1 or year
  end
end

-- The first minute of a day, not before `from`, that fits, or nil.
local function find_minute(schedule, from)
  for hour = from // 60, 23 do
    if schedule.hour[hour] then
      for minute = hour == from // 60 and from % 60 or 0, 59 do
        if schedule.minute[minute] then
          return hour * 60 + minute
        end
      end
    end
  end
end

--- The first minute that fits what fields.read gave, not before minute `from`, and not much later than `last`; or nil.
function calendar.find(schedule, from, last)
  local today = from // MINUTES
  local day = find_day(schedule, today, last // MINUTES)
  local minute = day and find_minute(schedule, day == today and from % MINUTES or 0)
  if day and not minute then
    day = find_day(schedule, today + 1, last // MINUTES)
    minute = day and find_minute(schedule, 0)
  end
  return day and day * MINUTES + minute
end

return calendar
