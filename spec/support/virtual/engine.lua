-- A model of the engine (src/): deaths, questions and their deadlines, orders, the life of the script process, and the
-- stop. spec/virtual_spec.lua runs scripts over this model and over the engine itself, and compares what they print.

local core = require "spec.support.virtual.core"
local event = require "spec.support.virtual.event"
local files = require "spec.support.virtual.files"

local real = core.real

local engine = {}

local Engine = {}
Engine.__index = Engine

-- Its parts, each in a file of its own.
for _, part in ipairs { "deaths", "questions", "scripts", "stop" } do
  for name, f in pairs(require("spec.support.virtual." .. part)) do
    Engine[name] = f
  end
end

local NEVER = math.maxinteger
local INT, TERM, HUP = 2, 15, 1

-- `options`: what script.new takes, and grace, hook_timeout.
function engine.new(machine, options)
  local self = setmetatable({
    machine = machine, options = options, state = "loading", threshold = 2, children = {}, asks = {}, last_ask = 0,
    journal = {}, read = 0, leaving = {}, early = {}, interrupts = 0, interrupted_at = 0, restarts = 0, delay = 0,
    hooks = 0, start_at = NEVER, take_up_at = NEVER, leaving_deadline = NEVER, state_deadline = NEVER,
    settings = { grace = 5, hook_timeout = 1 },
  }, Engine)
  for key, value in pairs(options.settings or {}) do
    self.settings[key] = value
  end
  machine.engine = self
  return self
end

function Engine:log(level, message)
  self.machine.descriptors:get(2):write("reaper-lua: " .. (level == "warning" and "warning: " or "") .. message .. "\n")
end

function Engine:after(seconds)
  return self.machine:after(seconds)
end

-- ---- Signals. ----

local STOPS = { [2] = true, [3] = true, [15] = true }

function Engine:deliver(number)
  if number == 0 then
    return
  elseif self.main then
    self.main:signal(number)
    if STOPS[number] then
      self:main_was_asked(number)
    end
  elseif STOPS[number] and self.state == "running" then
    if self.options.command and not self:main_has_run() then
      self:log("info", ("%s before COMMAND could be started"):format(select(2, real.signal(number))))
      self.exit_code = 128 + number
    end
    self:begin_stop(select(2, real.signal(number)))
  elseif number == HUP and self.state == "running" then
    self:reload()
  end
end

function Engine:interrupted()
  self.interrupts, self.interrupted_at = self.interrupts + 1, self.machine.now
  if self.interrupts < 2 then
    return
  elseif self.state == "orderly" then
    self:stop_all "killing"
  elseif self.state == "stopping" then
    self:enter "killing"
  elseif self.state == "leaving" and self:is_asked("exit") then
    self:forget_kind("exit")
    self:dismiss()
  elseif self.state == "leaving" then
    self:kill_leaving()
  end
end

function Engine:forward(number)
  if self.state == "loading" then
    if STOPS[number] then
      self:load_failed(128 + number)
    else
      table.insert(self.early, number)
    end
    return
  end
  if number == TERM or number == INT then
    self:interrupted()
  end
  local told = event.new(real.EVENT_SIGNAL, 0, select(2, real.signal(number)), number)
  if not (self:has(real.HOOK_SIGNAL) and self:ask_script("signal", told)) then
    self:deliver(number)
  end
end

-- A signal from outside.
function Engine:signal(number)
  if self.state ~= "done" then
    self:forward(number)
  end
end

-- ---- Orders. ----

local orders = {}

orders[real.ORDER_READY] = function(self, process, order)
  self:ready(process, order)
end

orders[real.ORDER_FAILED] = function(_, process)
  process.has_failed = true
end

orders[real.ORDER_HOOKS] = function(self, process, order)
  process.hooks = order.number
  if process == self.script then
    self.hooks = order.number
  end
end

orders[real.ORDER_ANSWER] = function(self, _, order)
  local ask = self:find_ask(order.ask)
  if ask then
    self:resolve(ask, order.flags, order.number)
  end
end

orders[real.ORDER_WAIT] = function(self, _, order)
  local ask = self:find_ask(order.ask)
  if ask then
    ask.is_waiting, ask.deadline = true, order.number > 0 and self:after(order.number) or NEVER
  end
end

orders[real.ORDER_OUTPUT_CLOSED] = function(self, _, order)
  local child = self.children[order.pid]
  if child and child.kept[order.number] then
    child.kept[order.number]:drop()
    child.kept[order.number] = nil
    if child.is_dead then
      self:reaped(child)
    end
  end
end

orders[real.ORDER_READY_KEPT] = function(self, _, order)
  local child = self.children[order.pid]
  if child then
    child.keeps_ready = true
  end
end

orders[real.ORDER_EXIT] = function(self, process, order)
  if order.number >= 0 then
    self.exit_code, self.left_code = order.number & 255, order.number & 255
  end
  if self.state == "loading" and process == self.script then
    self:load_failed(math.max(0, order.number) & 255)
  else
    self:begin_stop("exit")
  end
end

orders[real.ORDER_RELOAD] = function(self, process)
  if self.state ~= "running" or (process.state == "loading" and not process.ready_at) then
    return
  elseif self:is_asked("signal", process) then
    self.is_to_reload = true
  else
    self:reload()
  end
end

-- An order without a reply, from a script process that may have been dismissed.
function Engine:order(process, kind, order)
  if not process.is_closed then
    orders[kind](self, process, order)
  end
end

function Engine:start_main()
  if not self.options.command then
    return { nil, "there is no COMMAND to start", 22 }
  elseif self.main or self.state ~= "running" then
    return { nil, self.main and "the main child is still alive" or "reaper-lua is stopping", 16 }
  end
  local message, errno
  self.main, message, errno = self.machine:spawn { argv = self.options.command }
  if not self.main then
    self.main_code = self:main_has_run() and self.main_code or errno == 2 and 127 or 126
    return { nil, message, errno }
  end
  self.main_code = nil
  self:forget_kind("main")
  return { self.main.pid, pidfd = files.pidfd(self.main) }
end

-- One with a reply: its values.
function Engine:request(_, kind)
  if kind == real.ORDER_MAIN_START then
    return self:start_main()
  end
  return { { reaped = 0, orphans = 0, dropped = 0, script_restarts = self.restarts, zombies_peak = 0,
    uptime = self.machine:seconds() } }
end

-- ---- Turns. ----

local DEADLINES = {
  { "start_at", Engine.start_again }, { "leaving_deadline", Engine.kill_leaving }, { "take_up_at", Engine.promoted },
  { "state_deadline", function(self)
    if self.state == "orderly" then
      return self:main_overdue()
    elseif self.state == "stopping" then
      self:log("info", ("the grace period of %g s is over: killing what is left"):format(self.settings.grace))
    end
    self:enter(self.state == "stopping" and "killing" or "leaving")
  end },
}

-- What is due, or follows from a death. True when there was something.
function Engine:turn()
  if self.state == "done" then
    return false
  end
  local died, is_due = self.has_died, self:deadline() <= self.machine.now
  self.has_died = false
  if died then
    self:check()
  end
  if is_due then
    self:expire()
    for _, row in ipairs(DEADLINES) do
      if self[row[1]] <= self.machine.now then
        self[row[1]] = NEVER
        row[2](self)
      end
    end
  end
  return died or is_due
end

function Engine:deadline()
  local nearest = NEVER
  for _, row in ipairs(DEADLINES) do
    nearest = math.min(nearest, self[row[1]])
  end
  for _, ask in ipairs(self.asks) do
    nearest = math.min(nearest, ask.deadline)
  end
  return nearest
end

return engine
