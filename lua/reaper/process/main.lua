--- The main child (reaper.main): COMMAND, which can be started again.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local object = require "reaper.process.object"

local main = { child = nil } -- a process whose pid changes when it is started again; nil without COMMAND

--- Runs COMMAND again. True; or nil, message, errno.
local function start(self)
  if self ~= main.child then
    check.refuse("process:start", "self", "only reaper.main can be started again")
  end
  local pid, pidfd, errno = core.request(core.ORDER_MAIN_START)
  if not pid then
    return nil, pidfd, errno
  end
  object.restarted(self, pid, pidfd)
  return true
end

--- There is a COMMAND, which has not been started yet.
function main.make()
  main.child = object.new(nil, nil, "main")
  main.child.start = start
  return main.child
end

--- The engine has started COMMAND.
function main.started(pid, pidfd)
  if main.child and object.of_pid(pid) ~= main.child then
    object.restarted(main.child, pid, pidfd)
  elseif pidfd then
    core.close(pidfd)
  end
end

return main
