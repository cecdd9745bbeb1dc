--- The main child (reaper.main): COMMAND, which can be started again.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local object = require "reaper.process.object"

local main = {
  child = nil, -- a process whose pid changes when it is started again; nil without COMMAND
  has_run = false, -- it has been started, by the engine or by a script process, and may have ended
}

local show_event = core.show_event or function() end -- a program has no page

local RETRY_FIRST, RETRY_MAX = 0.1, 10
local SHORTAGES = { [11] = true, [12] = true } -- EAGAIN, ENOMEM

local function may_wait()
  return coroutine.running() == loop.in_hook()
end

-- The first start waits until there is a process to be had, as the engine's own does. Everything else of the script
-- goes on meanwhile, and the stop ends it.
local function order_start()
  local delay = RETRY_FIRST
  while true do
    local pid, pidfd, errno = core.request(core.ORDER_MAIN_START)
    if pid or main.has_run or not SHORTAGES[errno] or not may_wait() then
      return pid, pidfd, errno
    end
    log("warning", ("%s; trying again in %g s"):format(pidfd, delay))
    loop.sleep(delay)
    delay = math.min(delay * 2, RETRY_MAX)
  end
end

--- Runs COMMAND, for the first time or again. True; or nil, message, errno.
local function start(self)
  if self ~= main.child then
    check.refuse("process:start", "self", "only reaper.main can be started again")
  end
  local pid, pidfd, errno = order_start()
  if not pid then
    return nil, pidfd, errno
  end
  main.has_run = true
  object.restarted(self, pid, pidfd)
  show_event("main", nil, "start", "pid " .. pid)
  return true
end

--- There is a COMMAND, which has not been started yet.
function main.make()
  main.child = object.new(nil, nil, "main")
  main.child.start = start
  return main.child
end

-- It lives, as far as this script process has been told.
local function is_known_alive()
  return main.child.pid and object.of_pid(main.child.pid) == main.child
end

--- COMMAND has been started: its pid; or nil when it has ended since. A later run than that may be known already.
function main.started(pid, pidfd)
  main.has_run = true
  if pid and main.child and not is_known_alive() then
    object.restarted(main.child, pid, pidfd)
  elseif pidfd then
    core.close(pidfd)
  end
end

return main
