-- Of the model of the engine: the life of the script processes (src/engine/scripts.c, handover.c, dismissed.c).

local core = require "spec.support.virtual.core"
local event = require "spec.support.virtual.event"
local files = require "spec.support.virtual.files"
local script = require "spec.support.virtual.script"

local real = core.real

local scripts = {}

local NEVER = math.maxinteger
local DELAY_FIRST, DELAY_MAX, STABLE_AFTER = 0.1, 10, 10
local KILL = 9
local LOAD_FAILED = 125

local function describe(status)
  return tostring(real.status(status))
end

-- ---- Starting script processes. ----

-- pid, name, dead, pidfd, stdout, stderr, readiness
function scripts:hand_over_children(process, with_outputs)
  local pids = {}
  for pid in pairs(self.children) do
    pids[#pids + 1] = pid
  end
  table.sort(pids)
  for _, pid in ipairs(pids) do
    local child = self.children[pid]
    local told = event.new(real.EVENT_CHILD, pid, child.name, child.is_dead, nil, nil, nil, nil)
    told.open = {}
    told.open[5] = not child.is_dead and files.pidfd(child.process) or nil
    for i = 1, with_outputs and 3 or 0 do
      told.open[5 + i] = child.kept[i]
    end
    event.put(process, told)
  end
end

function scripts:start(reason)
  local process = script.new(self.machine, self, self.options.script())
  process.reason, process.state, process.hooks = reason, "loading", 0
  for key, value in pairs(self.settings) do
    process.settings[key] = value
  end
  self:hand_over_children(process, reason ~= "reload")
  return process
end

function scripts:start_first()
  self.script = self:start(nil)
end

function scripts:next_delay()
  return self.delay > 0 and self.delay or DELAY_FIRST
end

function scripts:schedule_start()
  local delay = self:next_delay()
  self.start_at, self.delay = self:after(delay), math.min(delay * 2, DELAY_MAX)
end

function scripts:start_again()
  self.start_at = NEVER
  self.script = self:start("crash")
  self.restarts = self.restarts + 1
end

function scripts:is_asked(kind, process)
  for _, ask in ipairs(self.asks) do
    if (not kind or ask.kind == kind) and (not process or ask.asked == process) then
      return true
    end
  end
  return false
end

function scripts:reload_is_under_way()
  return self.candidate ~= nil or self.take_up_at < NEVER or self:is_asked("reload")
end

function scripts:reload()
  self.is_to_reload = self:reload_is_under_way()
  if not self.is_to_reload then
    self.candidate = self:start("reload")
  end
end

function scripts:reload_again()
  if self.is_to_reload and self.state == "running" and not self:reload_is_under_way()
    and not self:is_asked("signal", self.script) then
    self:reload()
  end
end

-- The script is to stop its services: the one that is there, or is being started.
function scripts:services_stop()
  self.delay = 0
  if self.start_at < NEVER then
    self.start_at = self.machine.now
  end
  if self.candidate then
    self:forget_kind "reload"
    self.candidate.ready_at, self.candidate.is_closed = nil, true
    self.candidate:signal(KILL)
  end
end

-- ---- The script is loaded. ----

function scripts:main_has_run()
  return self.main ~= nil or self.main_status ~= nil
end

-- COMMAND's first start, unless the script does that.
function scripts:start_main_first()
  local command = self.options.command
  if self.state ~= "running" or not command or self:main_has_run() or self:has(real.HOOK_STARTS_MAIN) then
    return
  end
  local message
  self.main, message = self.machine:spawn { argv = command }
  if not self.main then
    self:log("error", message)
    self.main_code = message:find "No such" and 127 or 126
    self:begin_stop("main")
  end
end

function scripts:begin()
  self.state = "running"
  self:start_main_first()
end

-- pid or nil, pidfd, nil or "crash" or "reload", whether the stop has begun, whether COMMAND has been started
function scripts:hand_over_start(process)
  local told = event.new(real.EVENT_START, self.main and self.main.pid, nil, process.reason,
    self.state ~= "running", self:main_has_run())
  told.open = { [3] = self.main and files.pidfd(self.main) }
  event.put(process, told)
end

function scripts:take_up(process)
  process.state, process.ready_at = "ready", self.machine.now
  self.settings = process.settings
  self:start_main_first()
  self:hand_over_start(process)
  self.reader = process
  self:ask_again()
end

function scripts:patience()
  return self.settings.hook_timeout > 0 and self.settings.hook_timeout or 1
end

function scripts:leave(process)
  process.is_closed = true
  self.leaving[process] = true
  self.leaving_deadline = self:after(self:patience())
end

function scripts:promoted()
  self.take_up_at = NEVER
  if not self.script or self.script.state ~= "loading" then
    return
  end
  self:hand_over_children(self.script, true)
  self:take_up(self.script)
  self:log("info", "the script was reloaded")
  self:reload_again()
end

function scripts:promote()
  if not self.candidate then
    return
  end
  if self.script then
    self.script:drop_queue()
    self.reader = nil
    self:leave(self.script)
    self:script_has_gone()
  end
  self.start_at = NEVER
  self.script, self.candidate, self.delay = self.candidate, nil, 0
  self.hooks = self.script.hooks
  self.take_up_at = self:after(self:patience() + 1)
  if not next(self.leaving) then
    self:promoted()
  end
end

function scripts:ready(process, order)
  if process.state ~= "loading" or process.ready_at then
    return
  end
  process.hooks = order.number
  if process == self.candidate then
    process.ready_at = self.machine.now
    if not (self.script and self.script.state == "ready" and self:has(real.HOOK_RELOAD)
      and self:ask_script("reload", event.new(real.EVENT_RELOAD, 0))) then
      self:promote()
    end
    return
  end
  self.hooks = order.number
  process.state, self.settings = "ready", process.settings
  if self.state == "loading" then
    self:begin()
  end
  self:take_up(process)
  local early = self.early
  self.early = {}
  for _, number in ipairs(early) do
    self:forward(number)
  end
end

-- ---- The script process has ended. ----

function scripts:load_failed(code)
  if self.state == "loading" or self.state == "running" then
    self.exit_code = code
    if self.script then
      self.script:signal(KILL)
      self.script = nil
    end
    self:enter "stopping"
  end
end

function scripts:policy_lost(process, how)
  if process.ready_at and self.machine.now - process.ready_at > STABLE_AFTER * 1e9 then
    self.delay = 0
  end
  self.take_up_at = NEVER
  process:drop_queue()
  self.script = nil
  self:script_has_gone(process)
  if self.state == "loading" then
    if not process.has_failed then
      self:log("error", ("the script process ended (%s) while it loaded the script"):format(how))
    end
    return self:load_failed(LOAD_FAILED)
  end
  self:log("error", ("the script process %s (%s); starting it again in %g s"):format(
    process.has_failed and "could not load the script" or "ended", how, self:next_delay()))
  self:schedule_start()
  if self.candidate and self.candidate.ready_at then
    self:forget_kind("reload")
    self:promote()
  end
end

-- A script process has ended, by itself or not.
function scripts:script_ended(process, status)
  self.has_died = true
  if self.leaving[process] then
    self.leaving[process] = nil
    if not next(self.leaving) then
      self.leaving_deadline = NEVER
      if self.take_up_at < NEVER then
        self:promoted()
      end
    end
  elseif process == self.script then
    self:policy_lost(process, describe(status))
  elseif process == self.candidate then
    self.candidate = nil
    process:drop_queue()
    self:forget_kind("reload")
    if self.state == "running" then
      self:log("error", ("the reload failed (%s): the old script stays"):format(describe(status)))
    end
    self:reload_again()
  end
end

return scripts
