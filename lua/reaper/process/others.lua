--- Processes that are known by their numbers only: a list of all, signals for any of them and for groups, and the wait
-- for an end, such as that of the process that a daemon leaves behind.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local object = require "reaper.process.object"
local status = require "reaper.process.status"
local timers = require "reaper.runtime.timers"

local others = {}

local PID_MAX = 0x7fffffff
local PATIENCE = 1 -- seconds for the status of a process that has ended; only the engine's own children have one

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
  if pid > 1 then
    return core.kill_member(pid, start_time, number)
  end
  return core.kill(nil, pid, number)
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

--- The process of that pid, which has started at `start` (clock ticks after boot, as in /proc/PID/stat); or nil,
-- message, errno. Its status is known when the engine has reaped it, which it does once the process's parent has ended.
function others.watch(pid, start, name)
  local fd, message, errno = core.pidfd(pid, start)
  local watched = fd and core.pidfd(pid, start)
  if not watched then
    return nil, message, errno
  end
  local self = object.new(pid, watched, name)
  local stop_reaping, stop_waiting
  local function ended(how, rusage)
    stop_reaping()
    if fd then
      loop.unwatch(fd)
      core.close(fd)
      fd = nil
    end
    if stop_waiting then
      stop_waiting()
    end
    object.ended(pid, how, rusage)
  end
  stop_reaping = hooks.on("on_reap", function(reaped, how, rusage)
    if reaped == pid then
      ended(how, rusage)
    end
  end)
  loop.watch(fd, "r", function()
    loop.unwatch(fd)
    stop_waiting = timers.after(PATIENCE, function()
      ended(status.unknown, {})
    end)
  end)
  return self
end

return others
