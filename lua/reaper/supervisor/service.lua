--- One supervised service: what it knows, and what the next script process has to know of it. machine.lua has its
-- states, activities.lua what they set going.

local activities = require "reaper.supervisor.activities"
local child = require "reaper.supervisor.child"
local core = require "reaper.core"
local ends = require "reaper.supervisor.ends"
local machine = require "reaper.supervisor.machine"
local new_calendar = require "reaper.supervisor.calendar"
local page = require "reaper.supervisor.page"
local past = require "reaper.restart.past"
local probes = require "reaper.supervisor.probes"
local process = require "reaper.process"
local rest = require "reaper.supervisor.rest"

local UNSEEN = "nobody has seen how it ended"
local CLEARING_MOST = 6 -- seconds that the end of what is left takes beyond the grace: rest.lua

local Service = {}
Service.__index = Service

-- ---- The machine. ----

local function leave(self)
  local undo = self.undo
  self.undo = {}
  for _, f in ipairs(undo) do
    f()
  end
end

local is_stopped_in = { stopping = true, clearing = true, post_stop = true }

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
  if not is_stopped_in[next_state] then
    self.after_stop = nil
  end
  local enter = activities.enter[next_state]
  if enter then
    enter(self)
  end
  self.changed(self, detail)
  return true
end

--- Its process has ended; without a status nobody knows how.
function Service:ended(status, rusage)
  self.is_end_due = false
  if self.spec.terminal then
    core.take_terminal() -- so that Ctrl-C reaches reaper-lua, now that it cannot reach the service
  end
  self.readiness:ended()
  if self.other then
    process.release_ready(self.leader)
    self.other = nil
  end
  self.process, self.pid, self.rusage, self.said = nil, nil, rusage or {}, nil
  self:fire("died", status and { status = status } or { status = process.unknown, reason = UNSEEN })
end

--- Ends its process at once.
function Service:kill()
  if self.process then
    child.signal(self, "KILL")
  end
end

-- ---- What it says by sd_notify(3). ----

--- True when the process belongs to it.
function Service:owns(pid)
  return pid == self.pid or rest.find(self, pid) ~= nil
end

--- Another of its processes is the one whose end is its end.
function Service:main_pid(pid)
  local member = self.process and pid ~= self.pid and rest.find(self, pid)
  if member then
    child.follow_other(self, member)
    self:save()
  end
end

--- It needs so many seconds more, from now on, for its start or its stop.
function Service:extend(seconds)
  if self.limit and (self.state == "starting" or self.state == "stopping") then
    self.limit = math.max(self.limit, core.now() + seconds)
  end
end

--- What it does, in its own words; nil: nothing any more.
function Service:say(text)
  self.said = text
  page.show(self.group, self)
end

function Service:stopping()
  self:say(self.said or "it is stopping, as it says")
end

function Service:reloading()
  self:say(self.said or "it is loading its configuration, as it says")
end

-- ---- From one script process to the next. ----

local function first_state(spec)
  return spec.autostart and (spec.schedule and "scheduled" or "waiting") or "finished"
end

--- What the next script process has to know, as plain values.
function Service:memory()
  return {
    state = self.state, since = self.since, pid = self.pid, past = self.past, due = self.due, command = self.text,
    is_restart = self.is_restart, after_stop = self.after_stop, is_done = self.is_done,
    detail = self.detail, status = self.status and (self.status.raw or "unknown"), code = self.code,
    stop = {
      signal = self.spec.stop.signal, grace = self.spec.stop.grace, leaves_rest = self.spec.stop.leaves_rest,
      post_stop = self.spec.post_stop and self.spec.post_stop.timeout,
    },
    leader = self.leader, members = self.members[1] and self.members, other = self.other,
    stopped_at = self.stopped_at, stop_reason = self.stop_reason, clear_by = self.clear_by, is_asked = self.is_asked,
    ending = self.state ~= "running" and ends.memory(self.ending) or nil,
    calendar = self.calendar and self.calendar:memory(),
  }
end

local function status_of(saved)
  if saved == "unknown" then
    return process.unknown
  end
  return saved and core.status(saved)
end

local remembered = {
  "state", "since", "past", "due", "is_restart", "after_stop", "is_done", "detail", "code", "leader", "other",
  "stopped_at", "stop_reason", "clear_by", "is_asked",
}

--- Goes on where an earlier script process was. `found` is its process, if that lives.
function Service:resume(memory, found)
  for _, key in ipairs(remembered) do
    self[key] = memory[key]
  end
  self.status, self.ending = status_of(memory.status), ends.recall(memory.ending, status_of)
  self.text, self.members = memory.command, memory.members or {}
  if self.calendar and memory.calendar then
    self.calendar:recall(memory.calendar)
  elseif self.state == "scheduled" or (self.calendar and self.is_done) then -- it has lost its schedule, or got one
    self.state, self.is_done = first_state(self.spec), nil
  end
  self.pid = memory.pid -- also without a process, until somebody knows how that has ended
  child.take_over(self, found)
  self.is_end_due = self:has_process() and not found -- takeover.lua looks for it, and fires it
  local resume = activities.resume[self.state]
  if resume and (found or not self:has_process()) then
    resume(self)
  end
end

--- Nobody knows a process of it, and no end of one was delivered: there was none.
function Service:was_not_started()
  self.is_end_due = false
  if self.state == "starting" or self.state == "pre_start" then
    self.state = "waiting"
    self:save()
  elseif self.state == "post_stop" then
    activities.enter.post_stop(self)
    self:save()
  else
    self:ended(nil)
  end
end

--- Restarts it when it runs, or has failed with, another command than its script wants now.
function Service:follow_script()
  if self.state == "pre_start" and not self.spec.pre_start then
    return self:fire("restart", "it has no pre_start any more")
  end
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

--- True in a state in which it has a process, or is just being given one.
function Service:has_process()
  return activities.with_process[self.state] ~= nil
end

--- True while it has a process, or something is left of it.
function Service:is_alive()
  return self:has_process() or self.state == "clearing"
end

--- True when those that start after it may start: it is ready, or has done its work well.
function Service:is_satisfied()
  return (self.state == "running" and not self.spec.oneshot) or (self.state == "finished" and self.is_done == true)
end

--- How many seconds its stop may still take before all of it is killed.
function Service:stop_takes()
  if not is_stopped_in[self.state] then
    return 0
  end
  local by = self.state == "clearing" and self.clear_by or self.limit or core.now()
  local post_stop = self.spec.post_stop and self.state ~= "post_stop" and self.spec.post_stop.timeout or 0
  return math.max(0, by - core.now()) + CLEARING_MOST + post_stop
end

--- How many lines of its output have been read, and whether that were all.
function Service:lines_read()
  return child.lines_read(self)
end

--- A new one of the group, that waits for its turn or its time, or to be started by hand. changed(service, detail) is
-- called at every change of its state; save(service) saves its memory. Beside those it has
--   process, pid    its process, while it has one; `other`: { pid =, start = } when it has named that itself
--   leader          the pid of its process, also when that has ended, until nothing is left of it
--   members         its other processes, as far as they were seen
--   ending          its last end (ends.lua)
--   after_stop      what follows its stop: a state, or "decide"; stop_reason, stopped_at: why, and since when
--   limit           when its start or stop has taken too long
--   is_asked        its process was sent the stop signal, in the state "stopping"
--   said            what it does, in its own words
return function(group, spec, changed, save)
  local self = setmetatable({
    group = group, name = spec.name, spec = spec, state = first_state(spec), since = core.now(),
    text = spec.text, -- of the command that it runs, or ran last
    past = past.new(core.now()), undo = {}, outputs = {}, members = {}, changed = changed, save = save,
  }, Service)
  self.readiness = probes.readiness(self)
  self.calendar = spec.schedule and new_calendar(self) or nil
  return self
end
