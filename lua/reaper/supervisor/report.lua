--- Changes of services are reported to on_service, and the end waits for those calls.

local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local page = require "reaper.supervisor.page"
local timers = require "reaper.runtime.timers"

local report = {}

--- Seconds that the end waits for on_service.
report.PATIENCE = 5

local Report = {}
Report.__index = Report

local function wake_waiter(self)
  local co = self.waiter
  self.waiter = nil
  if co then
    loop.wake_later(co)
  end
end

--- Calls on_service, and tells those who follow the events.
function Report:deliver(name, state, detail)
  page.tell(name, state, detail)
  self.running = self.running + 1
  hooks.call("on_service", function()
    self.running = self.running - 1
    wake_waiter(self)
  end, name, state, detail)
end

--- Waits until all calls have returned: an alert that on_service sends is to arrive.
function Report:wait()
  local is_over = false
  local stop = timers.after(report.PATIENCE, function()
    log("warning", ("on_service has not returned within %g s: the end goes on without it"):format(report.PATIENCE))
    is_over = true
    wake_waiter(self)
  end)
  while self.running > 0 and not is_over do
    loop.wait(function(co)
      self.waiter = co
    end)
  end
  stop()
end

--- `running`: how many calls of on_service have not returned; `waiter`: the coroutine that waits for them, if one does.
function report.new()
  return setmetatable({ running = 0, waiter = nil }, Report)
end

return report
