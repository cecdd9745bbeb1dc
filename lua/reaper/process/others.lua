--- Processes that are known by their numbers only: a list of all, and signals for any of them and for groups.

local core = require "reaper.core"
local check = require "reaper.runtime.check"

local others = {}

local PID_MAX = 0x7fffffff

-- Raises for what would be a signal to reaper-lua itself, or to everybody: the engine is process 1, as a rule.
local function check_target(where, pid)
  local engine, group = core.engine()
  if pid == -1 then
    check.refuse(where, "pid", "-1 would be every process, reaper-lua too; the stop is reaper.exit()")
  elseif pid == 0 then
    check.refuse(where, "pid", "0 would be the caller's own group; a pid, or a group as a negative number, expected")
  elseif pid == engine then
    check.refuse(where, "pid", ("%d is reaper-lua itself; the stop is reaper.exit()"):format(pid))
  elseif -pid == group then
    check.refuse(where, "pid", ("the group %d is that of reaper-lua itself"):format(group))
  end
end

local function send(where, pid, signal, start_time)
  local number = check.signal(where, "signal", signal == nil and "TERM" or signal)
  check_target(where, pid)
  return core.signal_process(pid, number, start_time)
end

--- reaper.kill(pid, signal): sends a signal (default TERM) to any process, or with a negative number to a group. True;
-- or nil, message, errno: 3 (ESRCH) when there is none.
function others.kill(pid, signal)
  return send("reaper.kill", check.integer("reaper.kill", "pid", pid, -PID_MAX, PID_MAX), signal)
end

local Entry = {}
Entry.__index = Entry
Entry.__name = "reaper.process_entry"

--- The same for the process of an entry, and never for a later one that has got its pid.
function Entry:kill(signal)
  if getmetatable(self) ~= Entry then
    check.refuse("entry:kill", "self", "an entry of reaper.processes() expected; call it with a colon")
  end
  return send("entry:kill", self.pid, signal, self.start_time)
end

--- reaper.processes(): all that /proc shows, by ascending pids; or nil, message, errno.
function others.processes()
  local list, message, errno = core.processes()
  for _, entry in ipairs(list or {}) do
    setmetatable(entry, Entry)
  end
  return list, message, errno
end

return others
