--- The keys `ready`, `health` and `watchdog` of a service.

local address = require "reaper.supervisor.probes.address"
local check = require "reaper.runtime.check"
local pattern = require "reaper.runtime.pattern"
local start = require "reaper.supervisor.definitions.start"
local values = require "reaper.supervisor.definitions.values"

local WHERE, command, seconds, table_of = values.WHERE, values.command, values.seconds, values.table

local probes = {}

-- ---- Servers. ----

local function server(read)
  return function(name, value)
    local found, why = read(check.text(WHERE, name, value))
    return found or check.refuse(WHERE, name, why)
  end
end

-- Who is asked again and again, by the key.
local askers = { exec = command, http = server(address.http), tcp = server(address.tcp) }

-- ---- Readiness. ----

local ready_readers = {
  notify = function(name, value)
    return check.type(WHERE, name, value, "boolean")
  end,
  fd = function(name, value)
    return check.integer(WHERE, name, value, 3, 1 << 20)
  end,
  exec = askers.exec, http = askers.http, tcp = askers.tcp,
  line = function(name, value)
    local fault = pattern.fault(check.type(WHERE, name, value, "string"))
    return fault and check.refuse(WHERE, name, "it is no pattern: " .. fault) or value
  end,
  delay = function(name, value)
    return check.seconds(WHERE, name, value)
  end,
}

local function check_line(name, spawn)
  if not start.is_read(spawn, "stdout") and not start.is_read(spawn, "stderr") then
    check.refuse(WHERE, name .. ".line",
      "neither stdout nor stderr is read: one of them has to be \"inherit\" or a function")
  end
end

local function check_notify(name, spawn)
  if spawn.env and spawn.env.NOTIFY_SOCKET ~= nil then
    check.refuse(WHERE, name .. ".notify", "its socket is given as NOTIFY_SOCKET, which env cannot give then")
  end
end

-- Reads the one key of those that have a reader: that key, and its value.
local function read_one(name, given, readers, words)
  local key
  for other in pairs(readers) do
    if given[other] ~= nil then
      if key then
        check.refuse(WHERE, name, ("exactly one of %s expected, not two of them"):format(words))
      end
      key = other
    end
  end
  if not key then
    check.refuse(WHERE, name .. (readers == askers and ".exec" or ""), ("exactly one of %s expected"):format(words))
  end
  return key, readers[key](name .. "." .. key, given[key])
end

--- What the key `ready` says; nil for a service that is ready at once.
function probes.ready(name, ready, spawn)
  if ready == nil then
    return nil
  end
  table_of(name, ready, { "notify", "fd", "exec", "http", "tcp", "line", "delay", "interval", "timeout" })
  local key, value = read_one(name, ready, ready_readers, "notify, fd, exec, http, tcp, line and delay")
  if ready.interval ~= nil and not askers[key] then
    check.refuse(WHERE, name .. ".interval", ("only exec, http and tcp are tried again; with %s it has no meaning")
      :format(key))
  end
  if key == "line" then
    check_line(name, spawn)
  elseif key == "notify" then
    check_notify(name, spawn)
  end
  return value ~= false and {
    [key] = value,
    interval = seconds(name .. ".interval", ready.interval, 1),
    timeout = seconds(name .. ".timeout", ready.timeout, key == "delay" and math.huge or 60, true),
  } or nil
end

-- ---- Health. ----

--- What the key `health` says, or nil.
function probes.health(name, health)
  if health == nil then
    return nil
  end
  table_of(name, health, { "exec", "http", "tcp", "interval", "timeout", "retries", "start_period" })
  local key, value = read_one(name, health, askers, "exec, http and tcp")
  return {
    [key] = value,
    interval = seconds(name .. ".interval", health.interval, 30),
    timeout = seconds(name .. ".timeout", health.timeout, 30),
    retries = check.integer(WHERE, name .. ".retries", health.retries == nil and 3 or health.retries, 1, 1 << 20),
    start_period = seconds(name .. ".start_period", health.start_period, 0),
  }
end

local LEAST, MOST = 1e-3, 1e9 -- seconds; no system is so fast, and none so patient

--- What the key `watchdog` says, or nil. `ready` is what probes.ready gave.
function probes.watchdog(name, watchdog, ready)
  if watchdog == nil then
    return nil
  end
  seconds(name, watchdog)
  if watchdog < LEAST or watchdog > MOST then
    check.refuse(WHERE, name, "a number of seconds from 0.001 to 1000000000 expected")
  elseif not ready or not ready.notify then
    check.refuse(WHERE, name, "it comes through the notify socket; ready = { notify = true } expected beside it")
  end
  return watchdog
end

return probes
