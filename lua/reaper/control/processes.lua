--- The processes of a reaper-lua, by the services to which they belong.

local core = require "reaper.core"

local processes = {}

local EXDEV = 18

local function subject_of(row)
  return { name = row.name, leader = row.leader ~= 0 and row.leader or nil, alive = row.pid ~= 0 }
end

-- What the processes that belong to no service are, by their pids.
local function roles_of(engine)
  return { [engine.pid] = "engine", [engine.script_pid] = "script", [engine.porter_pid] = "porter" }
end

local function explained(message, errno)
  if errno == EXDEV then
    return "its processes are those of another PID namespace: call reaperctl inside of the container"
  end
  return message
end

--- The processes below the engine, and the engine itself, in the order of their services, and of their pids.
-- @param taken what snapshot.take gives
-- @param with_users whether the user of each is asked for
-- @return a list of { name = the service, or "-" without one, role = "engine", "script", "porter" or nil, pid, ppid,
-- comm, state, cpu and cpu_ended (seconds: its own, and those of its children that have ended), memory (bytes of RAM),
-- start, age (seconds), uid }; or nil, message. Of a process that /proc hides, ppid, start and age are nil.
function processes.by_service(taken, with_users)
  local services, roles = {}, roles_of(taken.engine)
  for i, row in ipairs(taken.services) do
    services[i] = subject_of(row)
  end
  local list, message, errno = core.process_table(taken.engine.pid_here, services, with_users)
  if not list then
    return nil, explained(message, errno)
  end
  for _, process in ipairs(list) do
    local row = taken.services[process.service]
    process.name, process.role = row and row.name or "-", not row and roles[process.pid] or nil
    process.service = process.service or math.maxinteger
  end
  table.sort(list, function(a, b)
    if a.service ~= b.service then
      return a.service < b.service
    end
    return a.pid < b.pid
  end)
  return list
end

--- What the processes of each service use together.
-- @param list what processes.by_service gives; without it they are looked for
-- @return service name → { cpu (seconds, with those of children that have ended), memory (bytes), count }; a service
-- without a process has zeros. Where the processes cannot be seen, an empty table.
function processes.totals(taken, list)
  list = list or processes.by_service(taken)
  local totals = {}
  for _, row in ipairs(list and taken.services or {}) do
    totals[row.name] = { cpu = 0, memory = 0, count = 0 }
  end
  for _, process in ipairs(list or {}) do
    local total = totals[process.name]
    if total and process.service ~= math.maxinteger then
      total.cpu = total.cpu + process.cpu + process.cpu_ended
      total.memory = total.memory + process.memory
      total.count = total.count + 1
    end
  end
  return totals
end

return processes
