-- Of the model of the engine: from the first TERM to the exit code (src/engine/life.c, stop.c, leave.c).

local core = require "spec.support.virtual.core"
local event = require "spec.support.virtual.event"

local real = core.real

local stop = {}

local NEVER = math.maxinteger
local KILL_PATIENCE = 2
local KILL, TERM, CONT = 9, 15, 18

-- Every process but those of scripts.
function stop:remains()
  local list = {}
  for _, process in ipairs(self.machine.order) do
    if process.engine ~= self then
      list[#list + 1] = process
    end
  end
  return list
end

function stop:signal_remains(number)
  for _, process in ipairs(self:remains()) do
    process:signal(number)
    if process.is_stopped and number == TERM then
      process:signal(CONT)
    end
  end
end

function stop:code_to_leave_with()
  if self.exit_code then
    return self.exit_code
  end
  return self.main_code or (self.main_status and real.status(self.main_status).exit_code) or 0
end

local entries = {}

function stop:enter(state)
  if state == "stopping" and self.settings.grace == 0 then
    state = "killing"
  end
  self.state, self.state_deadline = state, NEVER
  entries[state](self)
end

function entries.stopping(self)
  self.state_deadline = self:after(self.settings.grace)
  self.has_died = true
  self:signal_remains(TERM)
end

function entries.killing(self)
  self.state_deadline = self:after(KILL_PATIENCE)
  self.has_died = true
  self:forget_kind("stop")
  self:signal_remains(KILL)
end

function entries.leaving(self)
  self.left_code = self:code_to_leave_with()
  self.has_died = true
  local told = event.new(real.EVENT_EXIT, 0, self.left_code, self.main_status and real.status(self.main_status))
  if not self:has(real.HOOK_EXIT) or (not self.script and self.start_at == NEVER)
    or not self:ask_script("exit", told) then
    self:dismiss()
  end
end

local function tell_stop(self)
  local told = event.new(real.EVENT_STOP, 0, self.stop_reason)
  local ask = self:has(real.HOOK_STOP) and self.state == "stopping" and self.script and self.script.state == "ready"
    and self:ask_script("stop", told)
  if ask then
    ask.deadline, ask.is_waiting = NEVER, true
  elseif self.script and self.script.state == "ready" then
    self:write(told)
  end
end

function stop:stop_all(state)
  self:forget_kind "services"
  self:enter(state)
  tell_stop(self)
end

function stop:begin_stop(reason)
  if self.state ~= "loading" and self.state ~= "running" then
    return
  end
  self.stop_reason = reason
  local is_recent = self.machine.now - self.interrupted_at <= self.settings.grace * 1e9
  self.interrupts = self.interrupts > 0 and is_recent and 1 or 0
  if self:has(real.HOOK_SERVICES) then
    self:enter "orderly"
  else
    self:stop_all "stopping"
  end
end

-- TERM, INT or QUIT has been sent to COMMAND.
function stop:main_was_asked(number)
  self.was_asked = true
  if self:has(real.HOOK_SERVICES) then
    self:begin_stop(select(2, real.signal(number)))
  end
end

-- ---- In order: COMMAND, then the services. ----

function entries.orderly(self)
  self:services_stop()
  self:ask_script("services", event.new(real.EVENT_SERVICES, 0, self.stop_reason, self.main == nil))
  if not self.main then
    return
  end
  if self.settings.grace > 0 and not self.was_asked then
    self.main:signal(TERM)
  end
  self.was_asked = true
  self.main:signal(CONT)
  self.state_deadline = self:after(self.settings.grace)
end

function stop:main_has_ended()
  self.state_deadline = NEVER
  self:services_turn()
end

function stop:main_overdue()
  self:log("info", ("the grace period of %g s is over: killing COMMAND"):format(self.settings.grace))
  self.main:signal(KILL)
end

function stop:kill_leaving()
  for process in pairs(self.leaving) do
    process:signal(KILL)
  end
  self.leaving_deadline = NEVER
end

-- The end: the script processes are told to go.
function stop:dismiss()
  self.start_at, self.has_died = NEVER, true
  if self.candidate then
    self.candidate:signal(KILL)
  end
  if self.script then
    self:leave(self.script)
    self.script = nil
  end
end

-- A process has ended: what follows in the stop.
function stop:check()
  if self.state == "stopping" or self.state == "killing" then
    if not self:remains()[1] and not self:is_asked("stop") then
      self:enter "leaving"
    elseif self.state == "killing" then
      self:signal_remains(KILL)
    end
  end
  if self.state == "leaving" and not self:is_asked("exit") and not next(self.leaving) then
    self.state, self.code = "done", self.left_code
    self:signal_remains(KILL)
  end
end

return stop
