--- How a reaper-lua is at this moment, as its pages say: what every command of reaperctl begins with.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local failure = require "reaper.control.failure"

local snapshot = {}

local BLOCKED_AFTER = 1 -- seconds in one call of the script without a return to the loop
local UNREAD_AFTER = 10 -- seconds after which the engine looks whether its events are read
local MOST_SERVICES = 512 -- PAGE_SERVICES of src/common/pages.h

-- Where process 1 is another one, as in a process namespace that containers share: the only reaper-lua that is to be
-- seen. nil where there is none, or more than one, whose pids are given, too.
local function find_other()
  local found, pids = nil, {}
  for _, process in ipairs(core.processes() or {}) do
    local pages = core.pages(process.pid)
    if pages then
      found, pids[#pids + 1] = pages, process.pid
    end
  end
  return #pids == 1 and found or nil, pids
end

--- The pages of the reaper-lua that --pid names, of process 1, or of the only reaper-lua there.
function snapshot.open(options)
  local pages, why = core.pages(options.pid or 1)
  if pages then
    return pages
  elseif not options.pid then
    local other, pids = find_other()
    if other then
      return other
    elseif pids[1] then
      why = "process 1 is no reaper-lua, and there are several: --pid names one of " .. table.concat(pids, ", ")
    end
  end
  failure.with(failure.NOT_FOUND, why)
end

-- Restarts in the last ten minutes.
local function recent_restarts(row, now)
  local count, passed = 0, now // 60 - row.minute
  for i, restarts in ipairs(row.restarts_in) do
    if i - 1 + passed < #row.restarts_in then
      count = count + restarts
    end
  end
  return count
end

local function state_of_command(engine, is_alive)
  if is_alive then
    return "running"
  elseif not engine.status and engine.main_code < 0 then
    return "starting"
  elseif engine.state == "running" then -- its script starts it again, since its end has not become the stop
    return "backoff"
  end
  return engine.status and engine.status.ok and "finished" or "failed"
end

-- COMMAND that stands alone is shown as a service is.
local function row_of_command(engine)
  local is_alive = engine.main_pid ~= 0
  local state = state_of_command(engine, is_alive)
  return {
    name = "main", state = state, pid = engine.main_pid, leader = engine.main_pid, since = engine.main_since,
    started_at = is_alive and engine.main_since or nil, restarts = math.max(engine.main_starts - 1, 0), recent = 0,
    status = engine.status, detail = "", output = "", is_main = true, autostart = true, ready = is_alive,
    alive = is_alive, done = state == "finished", fatal = state == "failed", ring = -1,
  }
end

local function script_of(engine, session, now)
  if engine.script_state == "none" then
    return nil
  end
  local script = {
    name = engine.script, pid = engine.script_pid ~= 0 and engine.script_pid or nil, state = engine.script_state,
    since = engine.script_since, next_start = engine.script_next, session = session,
  }
  local is_alive = session and session.pid == engine.script_pid
  if is_alive and session.busy_since and now - session.busy_since >= BLOCKED_AFTER then
    script.state, script.blocked, script.label = "blocked", now - session.busy_since, session.label
  end
  if engine.unread_since and now - engine.unread_since >= UNREAD_AFTER then
    script.unread, script.unread_for = engine.unread, now - engine.unread_since
  end
  script.is_stale = script.state == "blocked" or not is_alive
  return script
end

--- A table with
--   now       core.now() of the look
--   engine    what core.engine_report gives
--   script    nil without a script; else name, pid, state ("loading", "working", "blocked", "down", "gone"), since,
--             next_start; blocked (seconds) and label of the hook that it is blocked in; is_stale: what it says of
--             services is from before; unread: so many events it has left unread, for unread_for seconds, where that is
--             long; session: what core.script_report gives
--   services  a list of what core.service_reports gives, with `recent`: restarts in ten minutes
--   hidden    how many services more there are, for which the page has no room
function snapshot.take(pages)
  local now = core.now()
  local engine, why = core.engine_report(pages)
  if not engine then
    failure.with(failure.NO_ANSWER, why)
  end
  local session = core.script_report(pages)
  local services = core.service_reports(pages)
  for _, row in ipairs(services) do
    row.recent = recent_restarts(row, now)
  end
  local has_main = services[#services] and services[#services].is_main
  local hidden = session and session.services - MOST_SERVICES or 0
  if engine.has_command and not has_main then
    services[#services + 1] = row_of_command(engine)
    hidden = hidden - 1
  end
  return { now = now, engine = engine, script = script_of(engine, session, now), services = services,
    hidden = math.max(hidden, 0) }
end

--- True where the processes of the reaper-lua are those of another PID namespace, which is but a part of what /proc
-- shows here.
function snapshot.is_outside(taken)
  return taken.engine.pid ~= taken.engine.pid_here
end

--- How many zombies /proc shows, whosever children they are; or how many are in the list. nil from outside.
function snapshot.count_zombies(taken, list)
  if snapshot.is_outside(taken) then
    return nil
  end
  local count = 0
  for _, process in ipairs(list or core.processes() or {}) do
    count = count + (process.state == "Z" and 1 or 0)
  end
  return count
end

--- A text with the number of services that are not shown, "" when there are none.
function snapshot.of_hidden(format, taken)
  return taken.hidden > 0 and format:format(taken.hidden) or ""
end

--- The service of that name in the list; it ends the command when there is none.
function snapshot.find(taken, name)
  local names = {}
  for _, row in ipairs(taken.services) do
    if row.name == name then
      return row
    end
    names[#names + 1] = row.name
  end
  failure.with(failure.NOT_FOUND, ("there is no service '%s'%s%s"):format(name, check.hint(name, names),
    snapshot.of_hidden("; %d more are not shown", taken)))
end

--- Ends the command where the service cannot be ordered to do that: COMMAND is none.
function snapshot.check_order(verb, name)
  if name == "main" and verb ~= "signal" then
    failure.with(failure.NOT_FOUND, ("'main' is COMMAND, which takes no '%s'; it can be signalled, and waited for")
      :format(verb))
  end
end

return snapshot
