--- The watchdog of a service: as long as it runs it has to say WATCHDOG=1 in each interval (sd_watchdog_enabled(3)).

local core = require "reaper.core"
local store = require "reaper.runtime.store"
local timers = require "reaper.runtime.timers"

local Watchdog = {}
Watchdog.__index = Watchdog

local function key_of(service)
  return "watchdog " .. service.name
end

-- The process that was started for it, whichever is its main one by now.
local function pid_of(service)
  return service.leader or service.pid
end

local function disarm(self)
  if self.stop_timer then
    self.stop_timer()
    self.stop_timer = nil
  end
end

local arm

-- The time is over, unless there was a sign of life meanwhile: no timer is set anew for each of them. What has not been
-- read yet counts, too, as this process may have been blocked.
local function check(self, due)
  self.stop_timer = nil
  self.read()
  if not self.is_running or not self.interval or self.stop_timer then
    return
  elseif self.last_sign + self.interval > due then
    return arm(self)
  end
  self.service:fire("unhealthy", ("watchdog: no sign of life for %g s"):format(self.interval))
end

function arm(self)
  disarm(self)
  if not self.is_running or not self.interval then
    return
  end
  local due = self.last_sign + self.interval
  self.stop_timer = timers.after(math.max(0, due - core.now()), function()
    check(self, due)
  end)
end

--- The service runs. Gives a function that ends the watch.
function Watchdog:start()
  self.is_running, self.last_sign = true, core.now()
  arm(self)
  return function()
    self.is_running = false
    disarm(self)
  end
end

--- It lives.
function Watchdog:ping()
  self.last_sign = core.now()
end

--- It says itself that something is wrong.
function Watchdog:trigger()
  self.service:fire("unhealthy", "watchdog: it has triggered that itself")
end

--- Another interval; 0: none. The next script process has to know it, too.
function Watchdog:set_interval(seconds)
  local interval = seconds > 0 and seconds or nil
  self.last_sign = core.now()
  if interval ~= self.interval then
    self.interval = interval
    store.set { [key_of(self.service)] = { pid = pid_of(self.service), interval = interval or 0 } }
  end
  arm(self)
end

--- Its process has ended.
function Watchdog:forget()
  self.is_running = false
  disarm(self)
  if store.get(key_of(self.service)) then
    store.set { [key_of(self.service)] = false }
  end
end

--- For a process of a service; read() reads what it has sent.
function Watchdog.new(service, read)
  local self = setmetatable({ service = service, read = read, interval = service.spec.watchdog, is_running = false },
    Watchdog)
  local saved = store.get(key_of(service))
  if saved and saved.pid == pid_of(service) then
    self.interval = saved.interval > 0 and saved.interval or nil
  end
  return self
end

return Watchdog
