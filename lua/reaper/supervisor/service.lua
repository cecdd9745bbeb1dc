--- One supervised service: its states, and what each does with what happens.

local core = require "reaper.core"
local child = require "reaper.supervisor.child"
local loop = require "reaper.runtime.loop"
local probes = require "reaper.supervisor.probes"
local process = require "reaper.process"
local past = require "reaper.restart.past"
local restart = require "reaper.restart"
local timers = require "reaper.runtime.timers"

local STOPPED = 1 -- the exit code of a failure that was stopped for it
local UNSEEN = "nobody has seen how it ended"
local TICK = 1e-6 -- seconds that a timer may be too early

local Service = {}
Service.__index = Service

--- Its process has ended; without a status nobody knows how.
function Service:ended(status, rusage)
  self.is_end_due = false
  self.readiness:ended()
  self.process, self.pid, self.rusage = nil, nil, rusage or {}
  self:fire("died", status and { status = status } or { status = process.unknown, reason = UNSEEN })
end

-- ---- What a state sets going. ----

--- Calls f after so many seconds, unless the state is left before.
function Service:after(seconds, f)
  table.insert(self.undo, timers.after(math.max(0, seconds), f))
end

local function watch_start(self)
  local timeout = self.spec.ready and self.spec.ready.timeout or math.huge
  self.undo[#self.undo + 1] = self.readiness:watch()
  self:after(self.since + timeout - core.now(), function()
    local failure = self.readiness.last_failure
    self:fire("late", ("not ready within %g s%s"):format(timeout, failure and ": " .. failure or ""))
  end)
end

-- The grace goes on where it was, also in the script process that comes after the one that has sent the signal.
local function watch_stop(self)
  self:after(self.since + self.spec.stop.grace - core.now(), function()
    self:kill()
  end)
end

local function send_stop(self)
  local stop = self.spec.stop
  if not self.process then
    if not self.is_end_due then -- nobody else fires it
      self:after(0, function()
        self:ended(nil)
      end)
    end
    return
  end
  watch_stop(self)
  child.signal(self, stop.signal)
  self.process:kill "CONT"
end

--- Ends its process at once.
function Service:kill()
  if self.process then
    child.signal(self, "KILL")
  end
end

local function note_start(self)
  if self.is_restart then
    past.started(self.past, core.now())
  else
    self.past.started_at = core.now()
  end
  self.is_restart = false
end

local entries = {
  starting = function(self)
    note_start(self)
    self.text = self.spec.text
    self:save() -- before there is a process that could be lost
    child.start(self)
    watch_start(self)
  end,
  running = function(self)
    table.insert(self.undo, probes.watch_health(self))
  end,
  backoff = function(self)
    self:after(self.due - core.now(), function()
      self:fire "due"
    end)
  end,
  stopping = send_stop,
}

-- What a script process that replaces a lost one sets going again.
local resumptions = {
  starting = watch_start, running = entries.running, backoff = entries.backoff, stopping = watch_stop,
}

-- ---- Ends. ----

-- What the restart policy says. It has a coroutine of its own, so that one that never returns ends there.
local function ask_policy(self, ending)
  local answer = { nil, "its restart policy waits; it has to answer at once", false }
  loop.run("restart policy of " .. self.name, function(ok, ...)
    answer = ok and { ... } or { nil, "its restart policy has failed: " .. tostring((...)), false }
  end, past.ended, self.past, self.spec.restart, self.name, ending.status, self.rusage, core.now(), ending.reason,
    ending.is_stopped)
  return answer[1], answer[2], answer[3]
end

-- The policy decides on an end that nobody has asked for. `ending` has its status; the reason, when that does not say
-- it; and whether the service was stopped for it.
local function decide(self, ending)
  local status, how = ending.status, ending.reason or tostring(ending.status)
  local delay, why, as_it_should = ask_policy(self, ending)
  self.status, self.code = status, ending.is_stopped and STOPPED or status.exit_code
  if delay then
    self.due, self.is_restart = core.now() + delay, true
    return "backoff", ("%s; again in %s"):format(how, restart.text(delay))
  elseif as_it_should or (as_it_should == nil and status.ok and not ending.is_stopped) then
    self.is_done = true
    return "finished", how
  end
  return "failed", ("%s: %s"):format(how, why)
end

-- "stopped by SIGKILL after 10 s of grace", or nil.
local function killed_by_us(self, status)
  local grace = self.spec.stop.grace
  return status.signal == "SIGKILL" and core.now() - self.since > grace - TICK
    and ("stopped by SIGKILL after %g s of grace"):format(grace) or nil
end

local function end_of_stop(self, ending)
  local next_state, killed = self.after_stop, killed_by_us(self, ending.status)
  if next_state == "decide" then -- not ready in time, or not healthy: a failure, whatever our signal has led to
    local reason = killed and ("%s; %s"):format(self.detail, killed) or self.detail
    return decide(self, { status = ending.status, reason = reason, is_stopped = true })
  end
  self.status = ending.status
  return next_state, killed or ending.reason or tostring(ending.status)
end

-- ---- The machine. ----

local function stop_then(next_state)
  return function(self, detail)
    self.after_stop = next_state
    return "stopping", detail
  end
end

-- It is started by hand after its end, so that its past does not count any more, but for a moment: what ends at once
-- does not spin.
local function start_by_hand(self, detail)
  if self.process then -- which could not be stopped
    return nil
  end
  local has_ended_itself = self.is_done or self.state == "failed"
  self.due = has_ended_itself and self.past.started_at + past.SHORTEST or 0
  self.past, self.is_restart, self.is_done = past.new(core.now()), false, nil
  if self.due > core.now() then
    return "backoff", detail or "too soon after its last start"
  end
  return "waiting", detail
end

-- It has done its work, and what it did that for is restarted.
local function repeat_work(self, detail)
  if self.is_done then
    self.is_done = nil
    return "waiting", detail
  end
end

-- While it is being stopped, only what comes afterwards can change.
local function afterwards(next_state)
  return function(self)
    self.after_stop = next_state
  end
end

-- The same, but what is being stopped for good stays so.
local function requeue_afterwards(self)
  if self.after_stop ~= "finished" then
    self.after_stop = "waiting"
  end
end

-- The next state for what happens, or a function that gives it and a detail. What is not there means nothing.
--   start    its turn has come               requeue  it is stopped, and waits for its turn again
--   ready, late, unhealthy   of the probes   stop     it is stopped, and stays so
--   died     its process has ended           restart  it is stopped, and started again
--   due      the pause is over               again    it is started, although it had come to its end
--   give_up  what it needs has failed        refused  it may not be signalled
local machine = {
  waiting = { start = "starting", stop = "finished", give_up = "failed" },
  starting = {
    ready = "running", died = decide, late = stop_then "decide",
    stop = stop_then "finished", requeue = stop_then "waiting", restart = stop_then "waiting",
  },
  running = {
    died = decide, unhealthy = stop_then "decide",
    stop = stop_then "finished", requeue = stop_then "waiting", restart = stop_then "waiting",
  },
  backoff = { due = "waiting", stop = "finished", requeue = "waiting", restart = "waiting" },
  stopping = {
    died = end_of_stop, refused = "failed",
    stop = afterwards "finished", requeue = requeue_afterwards, restart = afterwards "waiting",
  },
  finished = { again = start_by_hand, restart = start_by_hand, requeue = repeat_work },
  failed = { again = start_by_hand, restart = start_by_hand },
}

local function leave(self)
  local undo = self.undo
  self.undo = {}
  for _, f in ipairs(undo) do
    f()
  end
end

--- Something has happened. True when that has changed its state.
function Service:fire(event, detail)
  local next_state = not self.is_replaced and machine[self.state][event]
  if type(next_state) == "function" then
    next_state, detail = next_state(self, detail)
  end
  if not next_state then
    return false
  end
  leave(self)
  self.state, self.since, self.detail = next_state, core.now(), detail
  if next_state ~= "stopping" then
    self.after_stop = nil
  end
  local enter = entries[next_state]
  if enter then
    enter(self)
  end
  self.changed(self, detail)
  return true
end

-- ---- From one script process to the next. ----

--- What the next script process has to know, as plain values.
function Service:memory()
  return {
    state = self.state, since = self.since, pid = self.pid, past = self.past, due = self.due, command = self.text,
    is_restart = self.is_restart, after_stop = self.after_stop, is_done = self.is_done,
    detail = self.detail, status = self.status and (self.status.raw or "unknown"), code = self.code,
    stop = self.spec.stop,
  }
end

local function status_of(saved)
  if saved == "unknown" then
    return process.unknown
  end
  return saved and core.status(saved)
end

--- Goes on where an earlier script process was. `found` is its process, if that lives.
function Service:resume(memory, found)
  self.state, self.since, self.past, self.due = memory.state, memory.since, memory.past, memory.due
  self.is_restart, self.after_stop, self.is_done = memory.is_restart, memory.after_stop, memory.is_done
  self.detail, self.status, self.code = memory.detail, status_of(memory.status), memory.code
  self.text = memory.command
  self.pid = memory.pid -- also without a process, until somebody knows how that has ended
  child.take_over(self, found)
  self.is_end_due = self:is_alive() and not found -- takeover.lua looks for it, and fires it
  local resume = resumptions[self.state]
  if resume and (found or self.state == "backoff") then
    resume(self)
  end
end

--- Nobody knows a process of it, and no end of one was delivered: there was none.
function Service:was_not_started()
  self.is_end_due = false
  if self.state == "starting" then
    self.state = "waiting"
    self:save()
  else
    self:ended(nil)
  end
end

--- Restarts it when it runs, or has failed with, another command than its script wants now.
function Service:follow_script()
  if self.text ~= self.spec.text
    and (self.state == "starting" or self.state == "running" or self.state == "failed") then
    self:fire("restart", "its command has changed")
  end
end

-- ---- Questions about it. ----

--- True when it runs or is about to.
function Service:is_up()
  return self.state ~= "finished" and self.state ~= "failed"
end

--- True while it has a process, or is just being given one.
function Service:is_alive()
  return self.state == "starting" or self.state == "running" or self.state == "stopping"
end

--- How many seconds its stop may still take before it is killed.
function Service:stop_takes()
  return self.state == "stopping" and math.max(0, self.since + self.spec.stop.grace - core.now()) or 0
end

--- How many lines of its output have been read, and whether that were all.
function Service:lines_read()
  return child.lines_read(self)
end

--- A new one, that waits for its turn, or to be started by hand. changed(service, detail) is called at every change of
-- its state; save(service) saves its memory.
return function(spec, changed, save)
  local self = setmetatable({
    name = spec.name, spec = spec, state = spec.autostart and "waiting" or "finished", since = core.now(),
    text = spec.text, -- of the command that it runs, or ran last
    past = past.new(core.now()), undo = {}, outputs = {}, changed = changed, save = save,
  }, Service)
  self.readiness = probes.readiness(self)
  return self
end
