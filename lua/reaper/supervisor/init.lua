--- Services that are started in order, restarted by their policies and stopped in the reverse order: what scripts call.

local core = require "reaper.core"
local begin = require "reaper.supervisor.takeover"
local child = require "reaper.supervisor.child"
local check = require "reaper.runtime.check"
local definitions = require "reaper.supervisor.definitions"
local ending = require "reaper.supervisor.ending"
local hooks = require "reaper.runtime.hooks"
local memory = require "reaper.supervisor.memory"
local new_group = require "reaper.supervisor.group"
local loop = require "reaper.runtime.loop"
local phase = require "reaper.supervisor.phase"
local probes = require "reaper.supervisor.probes"
local process = require "reaper.process"

local supervisor = {}

local group -- of supervisor.run

--- Supervises services from the start of the container on. Call it once, while the script is loaded or in on_start.
function supervisor.run(given)
  if group then
    check.raise "supervisor.run: it supervises already; give all services in one table"
  end
  group = new_group(definitions.read(given))
  if group.main then
    hooks.start_main_by_hand()
  end
  hooks.on_stop_of_services(function(_, is_their_turn, wait, done)
    ending.stop_services(group, is_their_turn, wait, done)
  end)
  hooks.when_started(function(in_stop)
    begin(group, in_stop)
  end)
end

local STOPPING = "the container is stopping"
local ESRCH = 3

-- The service of that name. COMMAND is "main", where `or_main` says that it can be meant.
local function find(where, name, or_main)
  check.type(where, "name", name, "string")
  local service = group and (group.by_name[name] or (or_main and name == "main" and group.main))
  if not service then
    local names = {}
    for _, other in ipairs(group or {}) do
      names[#names + 1] = other.name
    end
    check.refuse(where, "name", ("there is no service '%s'%s"):format(name, check.hint(name, names)))
  end
  return service
end

--- Starts a service that has come to its end, or was not started yet. True; or nil, message when it is up already.
function supervisor.start(name)
  local service = find("supervisor.start", name)
  if phase.is_ending(group) then
    return nil, STOPPING
  elseif not service:fire "again" then
    return nil, ("%s is %s already"):format(name, service.state)
  end
  return true
end

--- Stops a service; it stays so. True; or nil, message when it is down already.
function supervisor.stop(name)
  local service = find("supervisor.stop", name)
  if not service:is_up() then
    return nil, ("%s is %s already"):format(name, service.state)
  end
  service:fire "stop"
  memory.save(group, service) -- of one that is being stopped only what comes afterwards has changed
  return true
end

--- Stops a service and starts it again, whatever its restart policy says. True; or nil, message when all are stopped.
function supervisor.restart(name)
  local service = find("supervisor.restart", name)
  if phase.is_ending(group) then
    return nil, STOPPING
  end
  service:fire "restart"
  memory.save(group, service)
  return true
end

--- Signals the process of a service; "main" is COMMAND. True; or nil, message, errno (3: it has no process).
function supervisor.signal(name, signal)
  local service = find("supervisor.signal", name, true)
  local number = check.signal("supervisor.signal", "signal", signal)
  local target = service.process
  if service == group.main then
    target = process.main
  end
  if not target then
    return nil, ("%s is %s and has no process"):format(name, service.state), ESRCH
  end
  return target:kill(number)
end

-- Runs the command with which a service is told to load its configuration. True; or nil, message.
local function run_reload(service, reload)
  local request = child.request_beside(service, "reload", reload.exec, { MAINPID = tostring(service.pid) })
  local started, message, errno = process.spawn(request)
  if not started then
    return nil, message, errno
  end
  local status = started:wait(reload.timeout)
  if not status then
    probes.kill(started)
    return nil, ("reload has taken longer than %g s"):format(reload.timeout)
  end
  if not status.ok then
    return nil, "reload: " .. tostring(status)
  end
  return true
end

--- Tells a service to load its configuration, as its key `reload` says; waits for a command. True; or nil, message[,
-- errno].
function supervisor.reload(name)
  local service = find("supervisor.reload", name)
  local reload = service.spec.reload
  if not reload then
    return nil, name .. " has no key 'reload', such as { signal = \"HUP\" }"
  elseif service.state ~= "running" or not service.process then
    return nil, ("%s is %s"):format(name, service.state)
  elseif reload.signal then
    return service.process:kill(reload.signal)
  end
  loop.check_wait("supervisor.reload")
  return run_reload(service, reload)
end

-- What supervisor.wait gives, or nothing while that is not known: one function for each thing that is waited for.
local answers = {
  ready = function(service)
    if service:is_satisfied() then
      return true
    elseif service.state == "failed" then
      return nil, ("%s has failed: %s"):format(service.name, service.detail or "")
    elseif phase.is_ending(group) then
      return nil, STOPPING
    end
  end,
  finished = function(service)
    if service.state == "finished" then
      return true
    elseif service.state == "failed" then
      return nil, ("%s has failed: %s"):format(service.name, service.detail or "")
    end
  end,
  down = function(service)
    if not service:is_alive() then
      return true
    end
  end,
}

--- Waits until a service (or "main", COMMAND) is "ready" (default), "finished" or "down", at most so many seconds.
-- True; nil, "timeout"; or nil, message when it will never be.
function supervisor.wait(name, what, timeout)
  local service = find("supervisor.wait", name, true)
  local answer = check.choose("supervisor.wait", "what", what == nil and "ready" or what, answers)
  timeout = timeout == nil and math.huge or check.seconds("supervisor.wait", "timeout", timeout, true)
  loop.check_wait("supervisor.wait")
  return group.waiters:wait(function()
    return answer(service)
  end, timeout)
end

local function status_of(service)
  if service == group.main then
    return service:status_table()
  end
  return {
    name = service.name, state = service.state, since = core.now() - service.since, pid = service.pid,
    restarts = service.past.restarts, status = service.status, detail = service.said or service.detail,
    next_run = service.calendar and service.state == "scheduled" and service.calendar:next_run() or nil,
  }
end

--- A table of one service: name, state, since (seconds), pid, restarts, status (of its last end), detail; without a
-- name a list of all, in the order of their starts.
function supervisor.status(name)
  if name ~= nil then
    return status_of(find("supervisor.status", name, true))
  end
  local list = {}
  for i, service in ipairs(group or {}) do
    list[i] = status_of(service)
  end
  if group and group.main then
    list[#list + 1] = status_of(group.main)
  end
  return list
end

--- Stops all services, dependants first; the container ends with `code` then (default 0).
function supervisor.shutdown(code)
  code = code == nil and 0 or check.integer("supervisor.shutdown", "code", code, 0, 255)
  if group then
    ending.shutdown(group, code)
  end
end

return supervisor
