--- What the wall clock shows, as the C library knows it: TZ, or /etc/localtime, as they were when this process
-- asked for the first time. An offset is what the wall shows minus the time, in seconds.

local calendar = require "reaper.schedule.calendar"

local zone = {}

--- No clock is further from UTC; and within so many seconds it is taken to be changed once at most.
zone.SPAN = 26 * 3600

--- The offset at a time, for each name of a time zone.
zone.offsets = {}

function zone.offsets.UTC()
  return 0
end

zone.offsets["local"] = function(time)
  local wall = os.date("*t", time)
  return calendar.day(wall.year, wall.month, wall.day) * 86400 + wall.hour * 3600 + wall.min * 60 + wall.sec - time
end

-- The first second, after `low` and up to `high`, in which the offset is another one.
local function change_between(offset, low, high)
  local before = offset(low)
  while high - low > 1 do
    local middle = (low + high) // 2
    if offset(middle) == before then
      low = middle
    else
      high = middle
    end
  end
  return high
end

--- The time of the change between `low` and `high`, or nil; and the offsets at both.
function zone.change(offset, low, high)
  local before, after = offset(low), offset(high)
  return before ~= after and change_between(offset, low, high) or nil, before, after
end

--- The first time at which the wall shows that much, or more.
function zone.first_time(offset, wall)
  local change, before, after = zone.change(offset, wall - zone.SPAN, wall + zone.SPAN)
  if not change or wall - before < change then
    return wall - before
  end
  return math.max(change, wall - after)
end

return zone
