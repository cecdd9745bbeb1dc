--- One service as a script gives it: checked, with defaults.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local defaults = require "reaper.supervisor.definitions.defaults"
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
  "log",
}

local known_keys = table.move(start.keys, 1, #start.keys, #own_keys + 1, table.move(own_keys, 1, #own_keys, 1, {}))

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
  local decision = restart.decision(WHERE, name .. ".restart", value)
  local delay = restart.backoff_of(("%s %s.backoff"):format(WHERE, name), spec.backoff)
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
  local words = command(name, value, { "timeout" })
  words.timeout = values.positive_seconds(name .. ".timeout", value.timeout, timeout, true)
  return words
end

local function read_reload(name, value)
  if value == nil then
    return nil
  end
  table_of(name, value, { "signal", "exec", "timeout" })
  if (value.signal == nil) == (value.exec == nil) then
    check.refuse(WHERE, name, "exactly one of signal and exec expected")
  elseif value.timeout ~= nil and value.exec == nil then
    check.refuse(WHERE, name .. ".timeout", "only exec can take time; a signal is sent at once")
  end
  return {
    signal = value.signal ~= nil and check.signal(WHERE, name .. ".signal", value.signal) or nil,
    exec = value.exec ~= nil and command(name .. ".exec", value.exec) or nil,
    timeout = values.positive_seconds(name .. ".timeout", value.timeout, 30),
  }
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
  local paths = { spec.env_file }
  if type(spec.env_file) == "table" then
    paths = values.list(name .. ".env_file", spec.env_file)
  end
  local env_file = require "reaper.supervisor.env_file" -- which most scripts do not need
  local env = {}
  for i = 1, #paths do
    if type(paths[i]) ~= "string" or paths[i] == "" then
      check.fail(WHERE, name .. ".env_file", "a path, or a list of paths,", paths[i])
    end
    local found, why = env_file.read(check.text(WHERE, name .. ".env_file", paths[i]))
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
  elseif terminal and type(spec.fds) == "table" and spec.fds[0] ~= nil then
    check.refuse(WHERE, name .. ".terminal", "its stdin is the terminal then, so that fds[0] cannot be given")
  end
  spec.stdin = terminal and "inherit" or spec.stdin == nil and "null" or spec.stdin
  return terminal
end

-- ---- All of it. ----

-- What reaperctl logs shows are lines that the supervisor reads. A default passes by those services that have none.
local function check_log(name, given, found)
  if given.log and not found.log then
    check.refuse(WHERE, name .. ".log",
      "neither stdout nor stderr is read: one of them has to be \"inherit\" or a function")
  end
end

-- What cannot stand beside what.
local function check_contradictions(name, spec)
  local kind = spec.schedule ~= nil and "schedule" or spec.oneshot and "oneshot"
  for _, key in ipairs { "ready", "health", "watchdog" } do
    if kind and spec[key] ~= nil then
      check.refuse(WHERE, name .. "." .. key, ("a service with %s ends by itself, so that nobody asks whether it is %s")
        :format(kind, key == "ready" and "ready" or "healthy"))
    end
  end
  if spec.timeout ~= nil and not kind then
    check.refuse(WHERE, name .. ".timeout", "only a service with oneshot or schedule has to end in time")
  end
end

-- The keys of one service, but its name. `spec` may be changed.
local function read_values(name, spec)
  if spec.env_file ~= nil then
    add_env_file(name, spec)
  end
  local terminal = read_terminal(name, spec)
  local spawn = start.read(name, spec)
  local found = timing.read(name, spec)
  found.name, found.spawn, found.text = name, spawn, start.text(spawn)
  found.after = values.names(name .. ".after", spec.after)
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
  found.log = flag(name, spec, "log", false) and (start.is_read(spawn, "stdout") or start.is_read(spawn, "stderr"))
  return found
end

--- Checks the table `defaults`.
function service.read_defaults(given)
  return defaults.read(given, known_keys, read_values)
end

--- Reads one service. `shared` are the defaults.
function service.read(index, given, shared)
  check.type(WHERE, ("[%d]"):format(index), given, "table")
  check.keys(("%s %s"):format(WHERE, type(given.name) == "string" and given.name or ("[%d]"):format(index)), given,
    known_keys)
  local name = read_name(index, given)
  local spec = defaults.apply(given, shared)
  check_contradictions(name, spec)
  local found = read_values(name, spec)
  check_log(name, given, found)
  if core.checking then
    start.look_for_programs(name, found.spawn, found)
  end
  return found
end

return service
