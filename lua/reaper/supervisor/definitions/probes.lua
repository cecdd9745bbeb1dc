--- The keys `ready` and `health` of a service.

local check = require "reaper.runtime.check"
local pattern = require "reaper.runtime.pattern"
local values = require "reaper.supervisor.definitions.values"

local WHERE, command, seconds, table_of = values.WHERE, values.command, values.seconds, values.table

local probes = {}

local ready_readers = {
  notify = function(name, value)
    return check.type(WHERE, name, value, "boolean")
  end,
  fd = function(name, value)
    return check.integer(WHERE, name, value, 3, 1 << 20)
  end,
  exec = command,
  line = function(name, value)
    local fault = pattern.fault(check.type(WHERE, name, value, "string"))
    return fault and check.refuse(WHERE, name, "it is no pattern: " .. fault) or value
  end,
  delay = function(name, value)
    return check.seconds(WHERE, name, value)
  end,
}

-- True when the supervisor reads the lines of this output. Those of stderr = "stdout" it reads there.
local function is_read(spawn, key)
  local value = spawn[key]
  if key == "stderr" and value == "stdout" then
    return is_read(spawn, "stdout")
  end
  return value == nil or value == "inherit" or type(value) == "function"
end

local function check_line(name, spawn)
  if not is_read(spawn, "stdout") and not is_read(spawn, "stderr") then
    check.refuse(WHERE, name .. ".line",
      "neither stdout nor stderr is read: one of them has to be \"inherit\" or a function")
  end
end

--- What the key `ready` says; nil for a service that is ready at once.
function probes.ready(name, ready, spawn)
  if ready == nil then
    return nil
  end
  table_of(name, ready, { "notify", "fd", "exec", "line", "delay", "interval", "timeout" })
  local found = {
    interval = seconds(name .. ".interval", ready.interval, 1),
    timeout = seconds(name .. ".timeout", ready.timeout, ready.delay and math.huge or 60, true),
  }
  local kinds = 0
  for key in pairs(ready_readers) do
    if ready[key] ~= nil then
      kinds = kinds + 1
      found[key] = ready_readers[key](name .. "." .. key, ready[key])
    end
  end
  if kinds ~= 1 then
    check.refuse(WHERE, name, "exactly one of notify, fd, exec, line and delay expected")
  end
  if found.line then
    check_line(name, spawn)
  end
  return found.notify ~= false and found or nil
end

--- What the key `health` says, or nil.
function probes.health(name, health)
  if health == nil then
    return nil
  end
  table_of(name, health, { "exec", "interval", "timeout", "retries", "start_period" })
  return {
    exec = command(name .. ".exec", health.exec),
    interval = seconds(name .. ".interval", health.interval, 30),
    timeout = seconds(name .. ".timeout", health.timeout, 30),
    retries = check.integer(WHERE, name .. ".retries", health.retries == nil and 3 or health.retries, 1, 1 << 20),
    start_period = seconds(name .. ".start_period", health.start_period, 0),
  }
end

return probes
