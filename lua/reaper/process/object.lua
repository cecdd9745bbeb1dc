--- What a script has of a process: whether it lives, signals for it, the wait for its end. And all that live, by pid.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local object = {}

local Process = {} -- the methods
Process.__index = Process
Process.__name = "reaper.process"

local private = setmetatable({}, { __mode = "k" }) -- process → { pidfd, status, rusage, waiters, newer }
local by_pid = {} -- pid → the process whose death is the next to be delivered; `newer` leads to a later one

--- A process that lives; without a pid one that has not been started.
function object.new(pid, pidfd, name)
  local self = setmetatable({ pid = pid, name = name ~= "" and name or nil }, Process)
  private[self] = { pidfd = pidfd, waiters = {} }
  local before = pid and by_pid[pid]
  while before and private[before].newer do
    before = private[before].newer
  end
  if before then -- it has ended, since its pid is in use again, but its death has not been delivered
    private[before].newer = self
  elseif pid then
    by_pid[pid] = self
  end
  return self
end

local function check_self(self, where)
  local state = private[self]
  if not state then
    check.refuse(where, "self", "a process expected; call it with a colon")
  end
  return state
end

--- True until it has ended.
function Process:alive()
  local state = check_self(self, "process:alive")
  return self.pid ~= nil and not state.status and core.is_alive(state.pidfd, self.pid)
end

--- Sends a signal (name or number). True; or nil, message, errno: 3 (ESRCH) when it has ended.
function Process:kill(signal)
  local state = check_self(self, "process:kill")
  local number = check.signal("process:kill", "signal", signal == nil and "TERM" or signal)
  if not self.pid or state.status then
    return nil, self.pid and "the process has ended" or "the process has not been started", 3
  end
  return core.kill(state.pidfd, self.pid, number)
end

--- Waits until it has ended: status, rusage. After `timeout` seconds: nil, "timeout".
function Process:wait(timeout)
  local state = check_self(self, "process:wait")
  if timeout ~= nil then
    check.seconds("process:wait", "timeout", timeout, true)
  end
  if state.status then
    return state.status, state.rusage
  end
  loop.check_wait("process:wait")
  local timer
  local status, rusage = loop.wait_for_engine(function(co)
    state.waiters[#state.waiters + 1] = co
    if timeout and timeout < math.huge then
      timer = timers.add(timeout, function()
        for i, other in ipairs(state.waiters) do
          if other == co then
            table.remove(state.waiters, i)
          end
        end
        loop.wake(co, nil, "timeout")
      end)
    end
  end)
  if timer then
    timers.remove(timer)
  end
  return status, rusage
end

--- Stops it: a signal (default TERM, and CONT for one that is stopped), KILL after the grace (default 5 s).
-- @return status, rusage
function Process:stop(options)
  check_self(self, "process:stop")
  options = options == nil and {} or check.type("process:stop", "options", options, "table")
  check.keys("process:stop", options, { "signal", "grace" })
  local signal = check.signal("process:stop", "signal", options.signal == nil and "TERM" or options.signal)
  local grace = check.seconds("process:stop", "grace", options.grace == nil and 5 or options.grace, true)
  if private[self].status then
    return private[self].status, private[self].rusage
  end
  if not self.pid then
    return nil, "the process has not been started", 3
  end
  loop.check_wait("process:stop")
  self:kill(signal)
  self:kill("CONT")
  local status, rusage = self:wait(grace)
  if rusage == "timeout" then
    self:kill("KILL")
    status, rusage = self:wait()
  end
  return status, rusage
end

Process.__tostring = function(self)
  return ("process %s%s"):format(self.pid or "(not started)", self.name and " (" .. self.name .. ")" or "")
end

--- A process has ended: wakes those who wait for it. Gives the coroutines that it woke and that wait again.
function object.ended(pid, status, rusage)
  local self = by_pid[pid]
  if not self then
    return {}
  end
  local state = private[self]
  local waiters = state.waiters
  by_pid[pid], state.newer = state.newer, nil
  state.status, state.rusage, state.waiters = status, rusage, {}
  if state.pidfd then
    core.close(state.pidfd)
    state.pidfd = nil
  end
  local still = {}
  for _, co in ipairs(waiters) do
    if not loop.wake(co, status, rusage) then
      still[#still + 1] = co
    end
  end
  return still
end

--- Another run of a process that has ended or that was not started.
function object.restarted(self, pid, pidfd)
  local state = private[self]
  self.pid = pid
  state.pidfd, state.status, state.rusage = pidfd, nil, nil
  by_pid[pid] = self
end

--- The process of that pid whose end is the next to be delivered, or nil.
function object.of_pid(pid)
  return by_pid[pid]
end

--- The end of the process of that pid has been delivered already, to an earlier script process.
function object.forget(pid)
  by_pid[pid] = nil
end

--- A list of all that live, by pid.
function object.all()
  local list = {}
  for _, self in pairs(by_pid) do
    while private[self].newer do
      self = private[self].newer
    end
    list[#list + 1] = self
  end
  table.sort(list, function(a, b)
    return a.pid < b.pid
  end)
  return list
end

return object
