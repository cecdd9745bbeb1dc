--- How a service is started: the keys that reaper.spawn takes, too.

local core = require "reaper.core"
local command = require "reaper.process.command"
local check = require "reaper.runtime.check"
local descriptors = require "reaper.process.descriptors"
local request = require "reaper.process.request"
local values = require "reaper.supervisor.definitions.values"

local WHERE = values.WHERE

local start = {}

--- Those keys.
start.keys = {
  "env", "clear_env", "cwd", "user", "group", "umask", "nice", "rlimit", "oom_score_adj", "session", "fds", "stdin",
  "stdout", "stderr",
}

--- What process.spawn takes, but for name and output. It is checked as a start checks it.
function start.read(name, spec)
  local spawn = values.command(name .. ".command", spec.command)
  for _, key in ipairs(start.keys) do
    spawn[key] = values.copy(spec[key], 2)
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

--- True when the supervisor can read the lines of this output. Those of stderr = "stdout" it reads there.
function start.is_read(spawn, key)
  local value = spawn[key]
  if key == "stderr" and value == "stdout" then
    return start.is_read(spawn, "stdout")
  end
  return value == nil or value == "inherit" or type(value) == "function"
end

--- Warns of commands of a service that cannot be run. `hooks` are further commands, by their keys.
function start.look_for_programs(name, spawn, hooks)
  local env = request.make(WHERE .. " " .. name, spawn).env
  command.warn(name .. ".command", spawn[1], env, spawn.cwd)
  for _, key in ipairs { "pre_start", "post_stop" } do
    if hooks[key] then
      command.warn(name .. "." .. key, hooks[key][1], env, spawn.cwd)
    end
  end
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

--- Two commands are the same when their texts are.
function start.text(spawn)
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

return start
