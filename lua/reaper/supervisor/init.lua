--- Services that are started in order, restarted by their policies and stopped in the reverse order: what scripts call.

local core = require "reaper.core"
local begin = require "reaper.supervisor.takeover"
local check = require "reaper.runtime.check"
local definitions = require "reaper.supervisor.definitions"
local ending = require "reaper.supervisor.ending"
local hooks = require "reaper.runtime.hooks"
local memory = require "reaper.supervisor.memory"
local new_group = require "reaper.supervisor.group"
local phase = require "reaper.supervisor.phase"

local supervisor = {}

local group -- of supervisor.run

--- Supervises services from the start of the container on. Call it once, while the script is loaded or in on_start.
function supervisor.run(given)
  if group then
    check.raise "supervisor.run: it supervises already; give all services in one table"
  end
  group = new_group(definitions.read(given))
  hooks.on_stop_of_services(function(_, is_their_turn, wait, done)
    ending.stop_services(group, is_their_turn, wait, done)
  end)
  hooks.when_started(function(in_stop)
    begin(group, in_stop)
  end)
end

local STOPPING = "the container is stopping"

local function find(where, name)
  check.type(where, "name", name, "string")
  local service = group and group.by_name[name]
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

local function status_of(service)
  return {
    name = service.name, state = service.state, since = core.now() - service.since, pid = service.pid,
    restarts = service.past.restarts, status = service.status, detail = service.detail,
  }
end

--- A table of one service: name, state, since (seconds), pid, restarts, status (of its last end), detail; without a
-- name a list of all, in the order of their starts.
function supervisor.status(name)
  if name ~= nil then
    return status_of(find("supervisor.status", name))
  end
  local list = {}
  for i, service in ipairs(group or {}) do
    list[i] = status_of(service)
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
