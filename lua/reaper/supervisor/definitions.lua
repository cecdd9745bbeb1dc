--- What supervisor.run is given: checked, with defaults, in the order of the starts.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local pattern = require "reaper.runtime.pattern"
local descriptors = require "reaper.process.descriptors"
local request = require "reaper.process.request"
local restart = require "reaper.restart"

local WHERE = "supervisor.run"

local definitions = {}

local spawn_keys = {
  "env", "clear_env", "cwd", "user", "group", "umask", "nice", "rlimit", "oom_score_adj", "session", "fds", "stdin",
  "stdout", "stderr",
}

local own_keys = { "name", "command", "after", "restart", "backoff", "stop", "ready", "health", "when_failed",
  "autostart" }

local known_keys = table.move(spawn_keys, 1, #spawn_keys, #own_keys + 1, table.move(own_keys, 1, #own_keys, 1, {}))

local function table_of(name, value, known)
  check.type(WHERE, name, value, "table")
  check.keys(WHERE .. " " .. name, value, known)
  return value
end

local function seconds(name, value, default, infinite)
  return check.seconds(WHERE, name, value == nil and default or value, infinite)
end

local function command(name, value)
  check.type(WHERE, name, value, "table")
  local words = {}
  for i = 1, #value do
    words[i] = check.text(WHERE, ("%s[%d]"):format(name, i), math.type(value[i]) and tostring(value[i]) or value[i])
  end
  if #words == 0 then
    check.refuse(WHERE, name, "it has no words; { \"command\", \"argument\", … } expected")
  end
  return words
end

-- ---- One service. ----

local function read_stop(name, stop)
  stop = stop == nil and {} or table_of(name, stop, { "signal", "grace" })
  return {
    signal = check.signal(WHERE, name .. ".signal", stop.signal == nil and "TERM" or stop.signal),
    grace = seconds(name .. ".grace", stop.grace, 5, true),
  }
end

local function read_restart(name, spec)
  local value = spec.restart == nil and "on-failure" or spec.restart
  if spec.backoff == nil then
    return restart.policy(WHERE, name .. ".restart", value)
  end
  check.type(WHERE, name .. ".backoff", spec.backoff, "table")
  local decision, delay = restart.decision(WHERE, name .. ".restart", value), restart.backoff(spec.backoff)
  return decision == restart.never and decision or restart.all(decision, delay)
end

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

local function read_ready(name, ready, spawn)
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

local function read_health(name, health)
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

-- A script may change its tables later: what was checked counts.
local function copy(value, depth)
  if type(value) ~= "table" or depth == 0 then
    return value
  end
  local fresh = {}
  for key, inner in pairs(value) do
    fresh[key] = copy(inner, depth - 1)
  end
  return fresh
end

-- What process.spawn takes, but for name and output. It is checked as a start checks it.
local function read_spawn(name, spec)
  local spawn = command(name .. ".command", spec.command)
  for _, key in ipairs(spawn_keys) do
    spawn[key] = copy(spec[key], 2)
  end
  for _, key in ipairs { "stdin", "stdout", "stderr" } do
    if spawn[key] == "pipe" then
      check.refuse(WHERE, name .. "." .. key, "nobody would have its other end; a function gets each line")
    end
  end
  local where = WHERE .. " " .. name
  request.make(where, request.check(where, spawn, {}))
  descriptors.check(where, spawn)
  return spawn
end

-- The source of an output or a descriptor as text: a path as it stands, or which file an open file is.
local function text_of_source(value)
  if type(value) == "userdata" then
    return core.identity(core.fileno(value)) or "a file"
  end
  return type(value) == "function" and "a function" or tostring(value)
end

local function text_of_value(key, value)
  if key == "fds" then
    return text_of_source(value)
  end
  return type(value) == "table" and ("%s:%s"):format(value[1], value[2]) or tostring(value)
end

local function text_of_pairs(key, given)
  local list = {}
  for name, value in pairs(given or {}) do
    list[#list + 1] = name .. "=" .. text_of_value(key, value)
  end
  table.sort(list)
  return table.concat(list, "\0")
end

-- Two commands are the same when their texts are.
local function text_of(spawn)
  local parts = { table.concat(spawn, "\0") }
  for _, key in ipairs { "cwd", "user", "group", "umask", "nice", "session", "clear_env", "oom_score_adj" } do
    parts[#parts + 1] = tostring(spawn[key])
  end
  for _, key in ipairs { "stdin", "stdout", "stderr" } do
    parts[#parts + 1] = text_of_source(spawn[key])
  end
  for _, key in ipairs { "env", "rlimit", "fds" } do
    parts[#parts + 1] = text_of_pairs(key, spawn[key])
  end
  return table.concat(parts, "\1")
end

local function read_after(name, after)
  local list = {}
  for i, other in ipairs(after == nil and {} or check.type(WHERE, name, after, "table")) do
    list[i] = check.type(WHERE, ("%s[%d]"):format(name, i), other, "string")
  end
  return list
end

local function read_service(index, spec)
  check.type(WHERE, ("[%d]"):format(index), spec, "table")
  check.keys(("%s %s"):format(WHERE, type(spec.name) == "string" and spec.name or ("[%d]"):format(index)), spec,
    known_keys)
  local name = check.text(WHERE, ("[%d].name"):format(index), spec.name)
  if name == "" or #name > 50 or name:find "[/%c]" then
    check.refuse(WHERE, ("[%d].name"):format(index), "1 to 50 bytes without a slash or control characters expected")
  end
  local when_failed = spec.when_failed == nil and "exit" or spec.when_failed
  if when_failed ~= "exit" and when_failed ~= "ignore" then
    check.refuse(WHERE, name .. ".when_failed", "\"exit\" or \"ignore\" expected")
  end
  local spawn = read_spawn(name, spec)
  return {
    name = name, spawn = spawn, text = text_of(spawn), after = read_after(name .. ".after", spec.after),
    restart = read_restart(name, spec), stop = read_stop(name .. ".stop", spec.stop),
    ready = read_ready(name .. ".ready", spec.ready, spawn),
    health = read_health(name .. ".health", spec.health),
    when_failed = when_failed,
    autostart = check.type(WHERE, name .. ".autostart", spec.autostart == nil or spec.autostart, "boolean"),
  }
end

-- ---- All of them. ----

local function by_name(list)
  local found, names = {}, {}
  for _, spec in ipairs(list) do
    if found[spec.name] then
      check.raise(("%s: there are two services '%s'"):format(WHERE, spec.name))
    end
    found[spec.name] = spec
    names[#names + 1] = spec.name
  end
  for _, spec in ipairs(list) do
    for _, other in ipairs(spec.after) do
      if not found[other] then
        check.raise(("%s: '%s' is to start after '%s', which is no service%s"):format(WHERE, spec.name, other,
          check.hint(other, names)))
      end
    end
  end
  return found
end

-- The part of the path that goes round.
local function cycle_of(path)
  local first = 1
  while path[first] ~= path[#path] do
    first = first + 1
  end
  return table.concat(path, " after ", first)
end

-- The services in their own order, but each behind those that it comes after.
local function in_order(list, found)
  local ordered, marks, path = {}, {}, {}
  local function visit(spec)
    if marks[spec.name] == "done" then
      return
    end
    path[#path + 1] = spec.name
    if marks[spec.name] == "open" then
      check.raise(("%s: the services wait for each other: %s"):format(WHERE, cycle_of(path)))
    end
    marks[spec.name] = "open"
    for _, other in ipairs(spec.after) do
      visit(found[other])
    end
    marks[spec.name] = "done"
    path[#path] = nil
    ordered[#ordered + 1] = spec
  end
  for _, spec in ipairs(list) do
    visit(spec)
  end
  return ordered
end

local strategies = { "one_for_one", "one_for_all", "rest_for_one" }

--- Checks all of it; raises for what is wrong.
-- @return { strategy =, intensity =, period =, [1…] = services in the order of their starts }
function definitions.read(given)
  check.type(WHERE, "services", given, "table")
  check.keys(WHERE, given, { "strategy", "intensity", "period" }, true)
  if #given == 0 then
    check.refuse(WHERE, "services", "at least one service expected")
  end
  local list = {}
  for i = 1, #given do
    list[i] = read_service(i, given[i])
  end
  local group = in_order(list, by_name(list))
  group.strategy = given.strategy == nil and "one_for_one" or given.strategy
  local known = false
  for _, name in ipairs(strategies) do
    known = known or name == group.strategy
  end
  if not known then
    check.refuse(WHERE, "strategy", ("\"%s\" is none of %s%s"):format(tostring(group.strategy),
      table.concat(strategies, ", "), check.hint(group.strategy, strategies)))
  end
  group.intensity = given.intensity ~= nil and check.integer(WHERE, "intensity", given.intensity, 0, 1000) or nil
  group.period = seconds("period", given.period, 5, true)
  return group
end

return definitions
