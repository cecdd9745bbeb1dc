-- A script process of a virtual container: the real files of lua/reaper in a Lua world of their own, over the fake
-- reaper.core of core.lua. It runs in a coroutine, and can be lost before any call that is visible from outside.

local core = require "spec.support.virtual.core"
local world = require "spec.support.virtual.world"

local script = {}

local Script = {}
Script.__index = Script

local LOST = {} -- what the coroutine yields when the process is killed in the midst of a call
local KILL, STOP, CONT = 9, 19, 18
local SURVIVED = { [0] = true, [13] = true, [15] = true, [17] = true, [23] = true, [28] = true }

-- `engine` is told what it orders and when it ends; `settings`: hook_timeout and the like.
function script.new(machine, engine, options)
  local self = setmetatable({
    machine = machine, engine = engine, pid = machine:new_pid(), comm = "reaper-script", argv = { "reaper-lua" },
    descriptors = machine.descriptors:copy(), queue = {}, inbox = {}, watched = {}, options = options,
    deadline = machine.now, settings = {}, zombies = {}, ahead = #engine.journal,
  }, Script)
  self.group = self.pid
  self.world = world.new(self, core.new(self))
  self.coroutine = coroutine.create(function()
    return self.world:run(options)
  end)
  return machine:add(self)
end

-- ---- Turns. ----

local function watches_something_ready(self)
  for fd, mode in pairs(self.watched) do
    local open = self.descriptors:get(fd)
    if open and (mode == "w" or open.readable()) then
      return true
    end
  end
  return false
end

-- True when core.poll would not wait.
function Script:has_something()
  return self.inbox[1] ~= nil or self.queue[1] ~= nil or core.has_event(self)
    or (self.is_closed and not self.is_closed_told) or watches_something_ready(self)
end

function Script:is_ready()
  if self.status then
    return true
  end
  return not self.is_stopped and (self.machine.now >= (self.deadline or math.maxinteger)
    or (self.is_waiting and self:has_something()))
end

function Script:run()
  local result
  if not self.status then
    local ok
    self.deadline, self.is_waiting = nil, nil
    ok, result = coroutine.resume(self.coroutine)
    if not ok then
      error("a script process: " .. debug.traceback(self.coroutine, tostring(result)), 0)
    end
  end
  if result == LOST then
    self.status = KILL
  elseif coroutine.status(self.coroutine) == "dead" then
    self.status = self.status or (result or 0) << 8
  end
  if self.status then
    self:finish()
  end
end

-- Waits until there is something for core.poll, at most until that moment.
function Script:wait(deadline)
  while not self:has_something() and self.machine.now < deadline do
    self.deadline, self.is_waiting = deadline, true
    coroutine.yield()
  end
end

function Script:finish()
  self.gone = true -- what it calls from now on does nothing
  self.descriptors:close_all()
  self.machine:remove(self)
  self.engine:script_ended(self, self.status)
end

function Script:signal(number)
  if number == KILL then
    self.status = KILL
  elseif number == STOP then
    self.is_stopped = true
  elseif number == CONT then
    self.is_stopped = false
  elseif not SURVIVED[number] then
    self.status = self.status or number
  end
end

-- ---- Being lost. ----

-- Before each call that is visible from outside. Between two of them nobody can tell when it was lost.
function Script:before_call(name, ...)
  local machine = self.machine
  machine.calls = (machine.calls or 0) + 1
  if machine.watch_call then
    machine.watch_call(machine.calls, name, self, ...)
  end
  if (self.is_to_be_lost or self.status) and coroutine.isyieldable() then
    coroutine.yield(LOST)
  end
end

-- What a coroutine of the script came back with: a lost process is lost for those that have resumed it, too.
function script.pass_on(...)
  if select(2, ...) == LOST then
    coroutine.yield(LOST)
  end
  return ...
end

-- ---- Descriptors. ----

function Script:add(open)
  return self.descriptors:add(open)
end

-- What came with an event is given back when the event is not read.
function Script:drop_queue()
  local queue = self.queue
  self.queue = {}
  for _, event in ipairs(queue) do
    for _, open in pairs(event.open or {}) do
      open:drop()
    end
  end
  return queue
end

return script
