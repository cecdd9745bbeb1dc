--- The process of a service: its start, what it writes, its end, signals for it.

local core = require "reaper.core"
local ends = require "reaper.supervisor.ends"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local output = require "reaper.runtime.output"
local process = require "reaper.process"
local timers = require "reaper.runtime.timers"

local child = {}

local EPERM, EACCES = 1, 13

-- Numbers of errors for which a command will not be found the next time, either: ENOENT, ENOEXEC, EACCES, ENOTDIR,
-- EISDIR, ELOOP, ENAMETOOLONG.
local missing = { [2] = true, [8] = true, [13] = true, [20] = true, [21] = true, [40] = true, [36] = true }

-- ---- What it writes. ----

-- A line of its output: for its own function, else to reaper-lua's output.
local function take_line(service, key, line)
  service.readiness:take_line(line)
  if service.ring then
    core.show_line(service.ring, line)
  end
  local f = service.spec.spawn[key]
  if type(f) == "function" then
    return f(line)
  end
  output[key]:write(line .. "\n")
end

-- Where lines are looked at: everywhere they have a function, and where readiness waits for one or the last are kept.
local function lines_of(service, key)
  local wanted = service.spec.spawn[key]
  local is_looked_at = service.spec.log or service.spec.ready and service.spec.ready.line
  if type(wanted) == "function" or (is_looked_at and (wanted == nil or wanted == "inherit")) then
    return function(line)
      return take_line(service, key, line)
    end
  end
  return wanted
end

-- Its output outlives its process: the last words are still in the pipe.
local function note_outputs(service, outputs)
  local list = {}
  for _, reader in ipairs(service.outputs) do
    list[#list + 1] = not reader.is_over and reader or nil
  end
  for _, key in ipairs { "stdout", "stderr" } do
    if outputs[key] and outputs[key].user == "each" then
      list[#list + 1] = outputs[key]
    end
  end
  service.outputs = list
end

--- How many lines of a service have been read, and whether that were all.
function child.lines_read(service)
  local count, over = 0, true
  for _, reader in ipairs(service.outputs) do
    count, over = count + reader.given, over and reader.is_over
  end
  return count, over
end

-- ---- Its life. ----

-- Waits for the end of a process, its own or one that it has found.
local function follow(service, found)
  service.process, service.pid, service.leader = found, found.pid, found.pid
  note_outputs(service, found)
  hooks.run("service " .. service.name, function()
    local status, rusage = found:wait()
    if service.process == found then
      service.readiness:hear_out() -- it may have named another process
    end
    if service.process == found then
      service:ended(status, rusage)
    end
  end)
end

-- A start that came to no process counts as an end with the code that a shell would give.
local function not_started(service, message, errno)
  if process.is_replaced(errno) then -- the next script process starts the service
    service.is_replaced = true
    return
  end
  service.rusage, service.is_end_due = {}, true
  log("error", message, { service = service.name })
  timers.after(0, function() -- whatever its state is then: it may be stopped before
    service.is_end_due = false
    service:fire("died", { status = process.not_started(errno), reason = message, is_missing = missing[errno] })
  end)
end

-- What raises is the failure of this service, and of nothing else.
local function try(f, ...)
  local fine, result, message, errno = pcall(f, ...)
  if fine then
    return result, message, errno
  end
  return nil, tostring(result)
end

local function request_of(service, name)
  local request = {}
  for key, value in pairs(service.spec.spawn) do
    request[key] = value
  end
  request.name = name
  request.stdout, request.stderr = lines_of(service, "stdout"), lines_of(service, "stderr")
  return request
end

--- Starts a service.
function child.start(service)
  local readiness, request = service.readiness, request_of(service, service.name)
  local close, message, errno = try(readiness.prepare, readiness, request)
  if close == nil then
    return not_started(service, message, errno)
  end
  local started
  started, message, errno = try(process.spawn_service, request, readiness.fd, service.spec.terminal)
  if close then
    core.close(close)
  end
  if not started then
    return not_started(service, message, errno)
  end
  follow(service, started)
end

-- The same environment with further variables.
local function with_variables(env, more)
  local all = {}
  for _, variables in ipairs { env or {}, more } do
    for name, value in pairs(variables) do
      all[name] = value
    end
  end
  return all
end

--- The request for a command that stands beside the service: with its attributes, but other words.
function child.request_beside(service, what, words, variables)
  local request = request_of(service, service.name .. "/" .. what)
  for i = #request, 1, -1 do
    request[i] = nil
  end
  table.move(words, 1, #words, 1, request)
  request.env = with_variables(service.spec.spawn.env, variables)
  request.stdin, request.fds, request.terminal = "null", nil, nil
  return request
end

--- Starts its command "pre_start" or "post_stop", which is its process until it ends.
function child.start_command(service, what)
  local variables = what == "post_stop" and ends.environment(service) or { SERVICE_NAME = service.name }
  local request = child.request_beside(service, what, service.spec[what], variables)
  local started, message, errno = try(process.spawn_service, request)
  if not started then
    return not_started(service, message, errno)
  end
  follow(service, started)
end

--- Goes on with a process that an earlier script process has started: with the outputs, and with `found`, which is the
-- process, if that lives.
function child.take_over(service, found)
  local is_other = service.other ~= nil and service.other.pid == service.pid -- whose outputs are the first process's
  local outputs = not is_other and found or process.adopted_outputs(is_other and service.leader or service.pid)
  for _, key in ipairs { "stdout", "stderr" } do
    local f = lines_of(service, key)
    if outputs[key] and type(f) == "function" then
      outputs[key]:each(f)
    end
  end
  note_outputs(service, outputs)
  if found then
    local leader = is_other and service.leader or found.pid
    follow(service, found)
    service.leader = leader
    service.readiness:found()
  end
end

--- Another process of the service, { pid =, start = }, is the one whose end is its end. It may be no child of the
-- engine yet. Its group and session need not be those of the service.
function child.follow_other(service, member)
  local found = process.watch_other(member.pid, member.start, service.name)
  if found then
    process.keep_ready(service.leader)
    local leader = service.leader
    follow(service, found)
    service.other, service.leader = { pid = member.pid, start = member.start }, leader
  end
end

-- ---- Signals. ----

-- To its group, if that is wanted and there is one.
local function send(service, signal, to_group)
  if to_group and core.kill(nil, -service.leader, core.signal(signal)) then
    return true
  end
  return service.process:kill(signal)
end

-- States in which the end of the process is waited for.
local is_end_awaited = { stopping = true, post_stop = true }

--- Signals the process of a service. Without the right to (another user's process, no CAP_KILL) it will not end for us:
-- that is said, and nobody waits for it.
function child.signal(service, signal, to_group)
  local ok, message, errno = send(service, signal, to_group)
  if not ok and (errno == EPERM or errno == EACCES) and is_end_awaited[service.state] then
    local detail = ("process %d cannot be stopped: %s"):format(service.pid, message)
    table.insert(service.undo, timers.after(0, function()
      service:fire("refused", detail)
    end))
  end
  return ok, message, errno
end

return child
