--- One service as a script gives it: checked, with defaults.

local check = require "reaper.runtime.check"
local probes = require "reaper.supervisor.definitions.probes"
local restart = require "reaper.restart"
local start = require "reaper.supervisor.definitions.start"
local timing = require "reaper.supervisor.definitions.timing"
local values = require "reaper.supervisor.definitions.values"

local WHERE, command, seconds, table_of = values.WHERE, values.command, values.seconds, values.table

local service = {}

local own_keys = {
  "name", "command", "after", "restart", "backoff", "stop", "ready", "health", "watchdog", "when_failed", "autostart",
  "oneshot", "timeout", "schedule", "timezone", "overlap", "pre_start", "post_stop", "env_file", "reload", "terminal",
}

local known_keys = table.move(start.keys, 1, #start.keys, #own_keys + 1, table.move(own_keys, 1, #own_keys, 1, {}))

-- What belongs to one service alone.
local not_shared = { name = true, command = true, after = true, schedule = true, fds = true }

-- ---- Defaults for all services. ----

-- Of these tables a service's own keys stand beside those of the defaults; other tables take the place of the default.
local merged = { env = true, rlimit = true, stop = true }

--- Checks the table `defaults` as far as it says nothing about one service; what is wrong in its values is found where
-- it is used, which is in each service.
function service.read_defaults(defaults)
  if defaults == nil then
    return {}
  end
  local known = {}
  for _, key in ipairs(known_keys) do
    known[#known + 1] = not not_shared[key] and key or nil
  end
  return table_of("defaults", defaults, known)
end

-- Defaults that are meant for one kind of service only, and that mean nothing for others: they are passed by.
local of_kind = {
  restart = "lasting", backoff = "lasting", ready = "lasting", health = "lasting", watchdog = "lasting",
  timeout = "one-shot", timezone = "scheduled", overlap = "scheduled",
}

local function is_meant(key, spec)
  local kind = of_kind[key]
  if kind == "lasting" then
    return not spec.oneshot and spec.schedule == nil
  elseif kind == "one-shot" then
    return spec.oneshot or spec.schedule ~= nil
  end
  return kind == nil or spec.schedule ~= nil
end

local function with_defaults(spec, defaults)
  local found = {}
  for key, value in pairs(spec) do
    found[key] = value
  end
  for key, value in pairs(defaults) do
    if found[key] == nil and is_meant(key, spec) then
      found[key] = value
    elseif merged[key] and type(value) == "table" and type(found[key]) == "table" then
      found[key] = values.copy(found[key], 1)
      for inner, default in pairs(value) do
        if found[key][inner] == nil then
          found[key][inner] = default
        end
      end
    end
  end
  return found
end

-- ---- Keys. ----

local function read_name(index, spec)
  local name = check.text(WHERE, ("[%d].name"):format(index), spec.name)
  if name == "" or #name > 50 or name:find "[/%c]" then
    check.refuse(WHERE, ("[%d].name"):format(index), "1 to 50 bytes without a slash or control characters expected")
  elseif name == "main" then
    check.refuse(WHERE, ("[%d].name"):format(index), "'main' is COMMAND's; { main = true } says when that starts")
  end
  return name
end

local function read_stop(name, stop)
  stop = stop == nil and {} or table_of(name, stop, { "signal", "grace", "to", "rest" })
  return {
    signal = check.signal(WHERE, name .. ".signal", stop.signal == nil and "TERM" or stop.signal),
    grace = seconds(name .. ".grace", stop.grace, 5, true),
    to_group = check.choose(WHERE, name .. ".to", stop.to == nil and "leader" or stop.to,
      { leader = false, group = true }),
    leaves_rest = check.choose(WHERE, name .. ".rest", stop.rest == nil and "stop" or stop.rest,
      { stop = false, leave = true }),
  }
end

local function read_restart(name, spec, default)
  local value = spec.restart == nil and default or spec.restart
  if spec.backoff == nil then
    return restart.policy(WHERE, name .. ".restart", value)
  end
  check.type(WHERE, name .. ".backoff", spec.backoff, "table")
  local decision, delay = restart.decision(WHERE, name .. ".restart", value), restart.backoff(spec.backoff)
  return decision == restart.never and decision or restart.all(decision, delay)
end

-- A command that does not exist is not tried again, unless the script has said that every end is to be followed by a
-- start, or decides by itself.
local function gives_up_missing(value)
  return value == nil or value == false or type(value) == "string" and value:find "^on%-failure" ~= nil
end

-- A command that is run before or after the service, with the seconds that it may take.
local function read_hook(name, value, timeout)
  if value == nil then
    return nil
  end
  check.type(WHERE, name, value, "table")
  check.keys(WHERE .. " " .. name, value, { "timeout" }, true)
  local words = command(name, value)
  words.timeout = seconds(name .. ".timeout", value.timeout, timeout, true)
  return words
end

local function read_reload(name, value)
  if value == nil then
    return nil
  end
  table_of(name, value, { "signal", "exec", "timeout" })
  if (value.signal == nil) == (value.exec == nil) then
    check.refuse(WHERE, name, "exactly one of signal and exec expected")
  end
  return {
    signal = value.signal ~= nil and check.signal(WHERE, name .. ".signal", value.signal) or nil,
    exec = value.exec ~= nil and command(name .. ".exec", value.exec) or nil,
    timeout = seconds(name .. ".timeout", value.timeout, 30),
  }
end

local function read_after(name, after)
  local list = {}
  for i, other in ipairs(after == nil and {} or check.type(WHERE, name, after, "table")) do
    list[i] = check.type(WHERE, ("%s[%d]"):format(name, i), other, "string")
  end
  return list
end

local function flag(name, spec, key, default)
  local value = spec[key]
  if value == nil then
    return default
  end
  return check.type(WHERE, name .. "." .. key, value, "boolean")
end

-- The variables of one file, or of a list of files of which a later one wins, below those of `env`.
local function add_env_file(name, spec)
  local paths = type(spec.env_file) == "table" and spec.env_file or { spec.env_file }
  local env_file = require "reaper.supervisor.env_file" -- which most scripts do not need
  local env = {}
  for _, path in ipairs(paths) do
    local found, why = env_file.read(check.text(WHERE, name .. ".env_file", path))
    if not found then
      check.refuse(WHERE, name .. ".env_file", why)
    end
    for variable, value in pairs(found) do
      env[variable] = value
    end
  end
  if spec.env ~= nil then
    for variable, value in pairs(check.type(WHERE, name .. ".env", spec.env, "table")) do
      env[variable] = value
    end
  end
  spec.env = env
end

local function read_terminal(name, spec)
  local terminal = flag(name, spec, "terminal", false)
  if terminal and spec.session then
    check.refuse(WHERE, name .. ".terminal", "with session = true it would lose the terminal")
  elseif terminal and spec.stdin ~= nil and spec.stdin ~= "inherit" then
    check.refuse(WHERE, name .. ".terminal", "its stdin is the terminal then, so that stdin cannot be given")
  end
  spec.stdin = terminal and "inherit" or spec.stdin == nil and "null" or spec.stdin
  return terminal
end

-- ---- All of it. ----

-- What cannot stand beside what.
local function check_contradictions(name, spec)
  local kind = spec.schedule and "schedule" or spec.oneshot and "oneshot"
  for _, key in ipairs { "ready", "health", "watchdog" } do
    if kind and spec[key] then
      check.refuse(WHERE, name .. "." .. key, ("a service with %s ends by itself, so that nobody asks whether it is %s")
        :format(kind, key == "ready" and "ready" or "healthy"))
    end
  end
  if spec.timeout and not kind then
    check.refuse(WHERE, name .. ".timeout", "only a service with oneshot or schedule has to end in time")
  end
end

--- Reads one service. `defaults` are those of read_defaults.
function service.read(index, given, defaults)
  check.type(WHERE, ("[%d]"):format(index), given, "table")
  check.keys(("%s %s"):format(WHERE, type(given.name) == "string" and given.name or ("[%d]"):format(index)), given,
    known_keys)
  local name = read_name(index, given)
  local spec = with_defaults(given, defaults)
  if spec.env_file ~= nil then
    add_env_file(name, spec)
  end
  local terminal = read_terminal(name, spec)
  local spawn = start.read(name, spec)
  local found = timing.read(name, spec)
  found.name, found.spawn, found.text = name, spawn, start.text(spawn)
  found.after = read_after(name .. ".after", spec.after)
  found.terminal = terminal
  found.restart = read_restart(name, spec, found.oneshot and "no" or "on-failure")
  found.gives_up_missing = gives_up_missing(spec.restart)
  found.stop = read_stop(name .. ".stop", spec.stop)
  found.ready = probes.ready(name .. ".ready", spec.ready, spawn)
  found.health = probes.health(name .. ".health", spec.health)
  found.watchdog = probes.watchdog(name .. ".watchdog", spec.watchdog, found.ready)
  found.pre_start = read_hook(name .. ".pre_start", spec.pre_start, 60)
  found.post_stop = read_hook(name .. ".post_stop", spec.post_stop, 10)
  found.reload = read_reload(name .. ".reload", spec.reload)
  found.when_failed = check.choose(WHERE, name .. ".when_failed",
    spec.when_failed == nil and (spec.schedule ~= nil and "ignore" or "exit") or spec.when_failed,
    { exit = "exit", ignore = "ignore" })
  found.autostart = flag(name, spec, "autostart", true)
  check_contradictions(name, found)
  return found
end

return service
