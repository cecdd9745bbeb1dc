--- Processes that no script process has spawned, such as the one that a daemon leaves behind: their ends can be
-- awaited.

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local object = require "reaper.process.object"
local status = require "reaper.process.status"
local timers = require "reaper.runtime.timers"

local other = {}

local PATIENCE = 1 -- seconds for the status of a process that has ended; only the engine's own children have one

--- The process of that pid, which has started at `start` (clock ticks after boot, as in /proc/PID/stat); or nil,
-- message, errno. Its status is known when the engine has reaped it, which it does once the process's parent has ended.
function other.watch(pid, start, name)
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

return other
