-- The processes of services in a virtual container, as src/common/members.h finds them. Numbers are never used again
-- here, and every environment can be read.

local files = require "spec.support.virtual.files"

local members = {}

local ESRCH = 3
local NANOSECONDS_A_TICK = 10000000

local function start_of(process)
  return process.started // NANOSECONDS_A_TICK
end

-- The name of the service, or nil.
local function owner_of(process, services, known)
  local name = known[process.pid] and known[process.pid].start == start_of(process) and known[process.pid].name
  for _, service in ipairs(services) do
    if service.alive and service.leader == process.pid then
      return service.name
    end
  end
  for _, service in ipairs(name and {} or services) do
    if service.leader == process.group then
      return service.name
    end
  end
  name = name or process.parent and owner_of(process.parent, services, known)
  for _, service in ipairs((name or process.parent or not process.argv) and {} or services) do
    if (process.environment or {}).REAPER_NAME == service.name then
      return service.name
    end
  end
  return name
end

function members.members(process, services, known)
  local lists, by_pid = {}, {}
  for _, service in ipairs(services) do
    lists[service.name] = {}
  end
  for _, one in ipairs(known or {}) do
    by_pid[one.pid] = one
  end
  for _, other in ipairs(process.machine.order) do
    local list = lists[owner_of(other, services, by_pid)]
    if list then
      list[#list + 1] = { pid = other.pid, start = start_of(other), comm = other.comm,
        ppid = other.parent and other.parent.pid or 1 }
    end
  end
  return lists, false
end

local function find(process, pid, start)
  local found = process.machine.processes[pid]
  return found and (not start or start_of(found) == start) and found or nil
end

function members.kill_member(process, pid, start, number)
  if not find(process, pid, start) then
    return nil, "the process has ended", ESRCH
  end
  process.machine:kill(pid, number)
  return true
end

function members.pidfd(process, pid, start)
  local found = find(process, pid, start)
  if not found then
    return nil, "the process has ended", ESRCH
  end
  return process:add(files.pidfd(found))
end

return members
