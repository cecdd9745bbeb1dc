--- When a service runs: always, once, or by a schedule.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local values = require "reaper.supervisor.definitions.values"

local WHERE, seconds = values.WHERE, values.seconds

local SHORTEST = 0.1 -- seconds from one run to the next: less is a loop

local timing = {}

-- What makes sense with a schedule only.
local function check_without_schedule(name, spec)
  for _, key in ipairs { "timezone", "overlap" } do
    if spec[key] ~= nil then
      check.refuse(WHERE, name .. "." .. key, "only a service with schedule has it")
    end
  end
end

-- { every = seconds }, or what reaper.schedule makes of a text. A text that never fires is an error.
local function read_schedule(name, spec, timezone)
  local value = spec.schedule
  if type(value) == "number" then
    if seconds(name .. ".schedule", value) < SHORTEST then
      check.refuse(WHERE, name .. ".schedule", ("%g seconds or more expected"):format(SHORTEST))
    end
    return { every = value }
  elseif type(value) ~= "string" then
    check.fail(WHERE, name .. ".schedule", "a text such as \"*/5 * * * *\" or a number of seconds", value)
  end
  local schedule = require "reaper.schedule" -- which most scripts do not need
  local found, why = schedule.parse(value)
  if found and not found.at_start then
    local next_time
    next_time, why = found:next(core.time() // 1 | 0, timezone)
    found = next_time and found
  end
  return found or check.refuse(WHERE, name .. ".schedule", why)
end

--- The keys oneshot, timeout, schedule, timezone and overlap, as far as they are given. A service with a schedule is a
-- one-shot each time, and "@reboot" is a one-shot of each start of the container.
function timing.read(name, spec)
  local oneshot = spec.oneshot ~= nil and check.type(WHERE, name .. ".oneshot", spec.oneshot, "boolean") or false
  local timeout = spec.timeout ~= nil and values.positive_seconds(name .. ".timeout", spec.timeout) or nil
  if spec.schedule == nil then
    check_without_schedule(name, spec)
    return { oneshot = oneshot, timeout = timeout }
  end
  if spec.oneshot ~= nil then
    check.refuse(WHERE, name .. ".oneshot", "a service with schedule is a one-shot each time; one of both expected")
  end
  local timezone = check.choose(WHERE, name .. ".timezone", spec.timezone == nil and "local" or spec.timezone,
    { ["local"] = "local", UTC = "UTC" })
  local schedule = read_schedule(name, spec, timezone)
  return {
    oneshot = true, timeout = timeout, schedule = not schedule.at_start and schedule or nil, timezone = timezone,
    schedule_text = ("%s %s"):format(spec.schedule, timezone),
    overlap = check.choose(WHERE, name .. ".overlap", spec.overlap == nil and "skip" or spec.overlap,
      { skip = "skip", queue = "queue", kill = "kill" }),
  }
end

return timing
