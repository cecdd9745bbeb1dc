--- The schedule of a service: fires "tick" when its time has come.
--
-- A time of day is awaited by the clock of the wall, which jumps: when it is set forward, or the machine has slept,
-- what was missed runs once; when it is set back by less than three hours, what has run does not run again (cron(8) of
-- Debian draws the same line), and by more, the new time counts. A number of seconds is counted by a clock that only
-- goes on.

local core = require "reaper.core"
local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local SMALL_JUMP = 3 * 3600

local Calendar = {}
Calendar.__index = Calendar

-- The next time is saved, so that the next script process does not take this one for the next.
local function fire(self)
  if not self.service:fire "tick" then
    self.service:save()
  end
end

-- ---- A number of seconds. ----

local function await_interval(self)
  local every = self.service.spec.schedule.every
  self.due = self.due or core.now() + every
  return timers.after(math.max(0, self.due - core.now()), function()
    self.due = math.max(self.due + every, core.now())
    self:disarm()
    self:arm()
    fire(self)
  end)
end

-- ---- A time of day. ----

-- The next time after the last one that has come. A clock that has gone back a little does not repeat what has run.
local function next_time(self)
  local now = core.time()
  local from = self.last and self.last > now and self.last - now < SMALL_JUMP and self.last or now
  return self.service.spec.schedule:next(math.floor(from), self.service.spec.timezone)
end

local function close(fd)
  return function()
    loop.unwatch(fd)
    core.close(fd)
  end
end

local await_time

-- The time has come, or the clock was set.
local function look(self)
  local now = core.time()
  self:disarm()
  if self.due > now then
    self.due = next_time(self)
    return self:arm()
  end
  self.last, self.due = self.due, nil
  self.due = next_time(self)
  self:arm()
  fire(self)
end

function await_time(self)
  self.due = self.due or next_time(self)
  if not self.due then
    return function() end
  end
  local fd = core.wall_clock(self.due)
  if not fd then -- a shortage passes
    return timers.after(1, function() look(self) end)
  end
  loop.watch(fd, "r", function() look(self) end)
  return close(fd)
end

-- ---- For the service. ----

--- Awaits the next time, unless that is done already. True when it was not.
function Calendar:arm()
  if self.undo then
    return false
  end
  self.undo = (self.service.spec.schedule.every and await_interval or await_time)(self)
  return true
end

-- Does not await it any more.
function Calendar:disarm()
  if self.undo then
    self.undo()
    self.undo = nil
  end
end

--- The service is down: what comes meanwhile is not missed.
function Calendar:reset()
  self:disarm()
  self.due, self.is_queued = nil, false
end

--- The state after a run: the next one was asked for meanwhile, or its time is still to come.
function Calendar:after_run()
  local is_queued = self.is_queued
  self.is_queued = false
  return is_queued and "waiting" or "scheduled"
end

--- When it runs next, in seconds since 1970, or nil.
function Calendar:next_run()
  if self.due and self.service.spec.schedule.every then
    return core.time() + self.due - core.now()
  end
  return self.due
end

--- What the next script process has to know, as plain values.
function Calendar:memory()
  return { due = self.due, last = self.last, is_queued = self.is_queued, text = self.service.spec.schedule_text }
end

--- Goes on where an earlier script process was: what has been missed meanwhile is due at once. Of another schedule only
-- counts that a run was asked for.
function Calendar:recall(known)
  self.is_queued = known.is_queued
  if known.text == self.service.spec.schedule_text then
    self.due, self.last = known.due, known.last
  end
end

--- The calendar of a service. `due`: when it is to fire next; `last`: the last time of day that has come; `is_queued`:
-- it is to run once more after the run that is going on; `undo`: ends the wait.
return function(service)
  return setmetatable({ service = service, is_queued = false }, Calendar)
end
