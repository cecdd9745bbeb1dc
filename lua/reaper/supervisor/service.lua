--- One supervised service: its states, and what each does with what happens.

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local output = require "reaper.runtime.output"
local probes = require "reaper.supervisor.probes"
local process = require "reaper.process"
local restart = require "reaper.restart"
local timers = require "reaper.runtime.timers"

local EPERM, EACCES, EPIPE, ENOTCONN = 1, 13, 32, 107
local STOPPED = 1 -- the exit code of a failure that was stopped for it
local UNSEEN = "nobody has seen how it ended"
local TICK = 1e-6 -- seconds that a timer may be too early

local Service = {}
Service.__index = Service

-- ---- Processes. ----

-- A line of its output: for its own function, else to reaper-lua's output.
local function take_line(self, key, line)
  if self.awaited_line then
    local fine, found = pcall(string.find, line, self.awaited_line)
    if not fine then -- of a wrong pattern string.find tells only where it comes to the wrong part
      log("error", ("%s: its ready.line is no pattern: %s"):format(self.name, found))
      self.awaited_line = nil
    elseif found then
      self:fire "ready"
    end
  end
  local f = self.spec.spawn[key]
  if type(f) == "function" then
    return f(line)
  end
  output[key]:write(line .. "\n")
end

-- Where lines are looked at: everywhere they have a function, and where readiness waits for one.
local function lines_of(self, key)
  local wanted = self.spec.spawn[key]
  if type(wanted) == "function" or (self.spec.ready and self.spec.ready.line and (wanted == nil or wanted == "inherit"))
  then
    return function(line)
      return take_line(self, key, line)
    end
  end
  return wanted
end

local function request_of(self)
  local request = {}
  for key, value in pairs(self.spec.spawn) do
    request[key] = value
  end
  request.name, request.stdout, request.stderr = self.name, lines_of(self, "stdout"), lines_of(self, "stderr")
  return request
end

-- Its output outlives its process: the last words are still in the pipe.
local function note_outputs(self, outputs)
  local list = {}
  for _, reader in ipairs(self.outputs) do
    list[#list + 1] = not reader.is_over and reader or nil
  end
  for _, key in ipairs { "stdout", "stderr" } do
    if outputs[key] and outputs[key].user == "each" then
      list[#list + 1] = outputs[key]
    end
  end
  self.outputs = list
end

--- How many lines have been read, and whether that were all.
function Service:lines_read()
  local count, over = 0, true
  for _, reader in ipairs(self.outputs) do
    count, over = count + reader.given, over and reader.is_over
  end
  return count, over
end

-- Waits for the end of a process, its own or one that it has found.
local function follow(self, child)
  self.process, self.pid = child, child.pid
  note_outputs(self, child)
  hooks.run("service " .. self.name, function()
    local status, rusage = child:wait()
    if self.process == child then
      self:ended(status, rusage)
    end
  end)
end

--- Its process has ended; without a status nobody knows how.
function Service:ended(status, rusage)
  self.is_end_due = false
  if not self.spec.ready then -- it ran, however short that was
    self:fire "ready"
  end
  self.process, self.pid, self.rusage = nil, nil, rusage or {}
  probes.ended(self)
  self:fire("died", status and { status = status } or { status = process.unknown, reason = UNSEEN })
end

-- True when the engine does not listen any more: this script process has been replaced, and the next one starts the
-- service.
local function is_replaced(errno)
  return (errno == EPIPE or errno == ENOTCONN) and not core.request(core.ORDER_STATS)
end

-- A start that came to no process counts as an end with the code that a shell would give.
local function not_started(self, message, errno)
  if is_replaced(errno) then
    self.is_replaced = true
    return
  end
  self.rusage, self.is_end_due = {}, true
  log("error", message, { service = self.name })
  timers.after(0, function() -- whatever its state is then: it may be stopped before
    self.is_end_due = false
    self:fire("died", { status = process.not_started(errno), reason = message })
  end)
end

-- What raises is the failure of this service, and of nothing else.
local function try(f, ...)
  local fine, result, message, errno = pcall(f, ...)
  if fine then
    return result, message, errno
  end
  return nil, tostring(result)
end

local function spawn(self)
  local request = request_of(self)
  local close, message, errno = try(probes.prepare, self, request)
  if close == nil then
    return not_started(self, message, errno)
  end
  local child
  child, message, errno = try(process.spawn_service, request, self.ready_fd)
  if close then
    core.close(close)
  end
  if not child then
    return not_started(self, message, errno)
  end
  follow(self, child)
end

-- ---- What a state sets going. ----

-- Calls f after so many seconds, unless the state is left before.
local function alarm(self, seconds, f)
  table.insert(self.undo, timers.after(math.max(0, seconds), f))
end

local function watch_start(self)
  local timeout = self.spec.ready and self.spec.ready.timeout or math.huge
  table.insert(self.undo, probes.watch_ready(self))
  alarm(self, self.since + timeout - core.now(), function()
    self:fire("late", ("not ready within %g s%s"):format(timeout, self.last_probe and ": " .. self.last_probe or ""))
  end)
end

-- The grace goes on where it was, also in the script process that comes after the one that has sent the signal.
local function watch_stop(self)
  alarm(self, self.since + self.spec.stop.grace - core.now(), function()
    self:kill()
  end)
end

-- Signals its process. Without the right to (another user's process, no CAP_KILL) it will not end for us: that is said,
-- and nobody waits for it.
local function send(self, signal)
  local ok, message, errno = self.process:kill(signal)
  if not ok and (errno == EPERM or errno == EACCES) and self.state == "stopping" then
    local detail = ("process %d cannot be stopped: %s"):format(self.pid, message)
    alarm(self, 0, function()
      self:fire("refused", detail)
    end)
  end
end

local function send_stop(self)
  local stop = self.spec.stop
  if not self.process then
    if not self.is_end_due then -- nobody else tells of it
      alarm(self, 0, function()
        self:ended(nil)
      end)
    end
    return
  end
  watch_stop(self)
  send(self, stop.signal)
  self.process:kill "CONT"
end

--- Ends its process at once.
function Service:kill()
  if self.process then
    send(self, "KILL")
  end
end

local function note_start(self)
  if self.is_restart then
    restart.started(self.past, core.now())
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
    spawn(self)
    watch_start(self)
  end,
  running = function(self)
    table.insert(self.undo, probes.watch_health(self))
  end,
  backoff = function(self)
    alarm(self, self.due - core.now(), function()
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
local function ask(self, ending)
  local answer = { nil, "its restart policy waits; it has to answer at once", false }
  loop.run("restart policy of " .. self.name, function(ok, ...)
    answer = ok and { ... } or { nil, "its restart policy has failed: " .. tostring((...)), false }
  end, restart.ended, self.past, self.spec.restart, self.name, ending.status, self.rusage, core.now(), ending.reason,
    ending.is_stopped)
  return answer[1], answer[2], answer[3]
end

-- An end that nobody has asked for: its status; the reason, when that does not say it; whether it was stopped for it.
local function judge(self, ending)
  local status, how = ending.status, ending.reason or tostring(ending.status)
  local delay, why, as_it_should = ask(self, ending)
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
  if next_state == "judge" then -- not ready in time, or not healthy: a failure, whatever our signal has led to
    local reason = killed and ("%s; %s"):format(self.detail, killed) or self.detail
    return judge(self, { status = ending.status, reason = reason, is_stopped = true })
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

-- By hand, after its end: the past does not count any more, but for a moment: what ends at once does not spin.
local function anew(self, detail)
  if self.process then -- which could not be stopped
    return nil
  end
  local has_ended_itself = self.is_done or self.state == "failed"
  self.due = has_ended_itself and self.past.started_at + restart.SHORTEST or 0
  self.past, self.is_restart, self.is_done = restart.past(core.now()), false, nil
  if self.due > core.now() then
    return "backoff", detail or "too soon after its last start"
  end
  return "waiting", detail
end

-- It has done its work, and what it did it for begins anew.
local function once_more(self, detail)
  if self.is_done then
    self.is_done = nil
    return "waiting", detail
  end
end

-- While it is being stopped, only what comes afterwards can change.
local function instead(next_state)
  return function(self)
    self.after_stop = next_state
  end
end

-- What is being stopped for good stays so.
local function hold_instead(self)
  if self.after_stop ~= "finished" then
    self.after_stop = "waiting"
  end
end

-- The next state for what happens, or a function that gives it and a detail. What is not there means nothing.
--   start   its turn has come              hold     stop, and wait for one's turn again
--   ready, late, unhealthy   probes        stop     stop, and stay so
--   died    its process has ended          restart  stop, and start again
--   due     the pause is over              again    start, although it had come to its end
--   give_up what it needs has failed        refused  it may not be signalled
local machine = {
  waiting = { start = "starting", stop = "finished", give_up = "failed" },
  starting = {
    ready = "running", died = judge, late = stop_then "judge",
    stop = stop_then "finished", hold = stop_then "waiting", restart = stop_then "waiting",
  },
  running = {
    died = judge, unhealthy = stop_then "judge",
    stop = stop_then "finished", hold = stop_then "waiting", restart = stop_then "waiting",
  },
  backoff = { due = "waiting", stop = "finished", hold = "waiting", restart = "waiting" },
  stopping = {
    died = end_of_stop, refused = "failed",
    stop = instead "finished", hold = hold_instead, restart = instead "waiting",
  },
  finished = { again = anew, restart = anew, hold = once_more },
  failed = { again = anew, restart = anew },
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

-- ---- Keeping, and finding again. ----

--- What the next script process has to know, as plain values.
function Service:memory()
  return {
    state = self.state, since = self.since, pid = self.pid, past = self.past, due = self.due, command = self.text,
    is_restart = self.is_restart, after_stop = self.after_stop, is_done = self.is_done,
    detail = self.detail, status = self.status and (self.status.raw or "unknown"), code = self.code,
    stop = self.spec.stop,
  }
end

local function status_of(kept)
  if kept == "unknown" then
    return process.unknown
  end
  return kept and core.status(kept)
end

--- Goes on where an earlier script process was. `child` is its process, if that lives.
function Service:resume(memory, child)
  self.state, self.since, self.past, self.due = memory.state, memory.since, memory.past, memory.due
  self.is_restart, self.after_stop, self.is_done = memory.is_restart, memory.after_stop, memory.is_done
  self.detail, self.status, self.code = memory.detail, status_of(memory.status), memory.code
  self.text = memory.command
  self.pid = memory.pid -- also without a process, until somebody knows how that has ended
  local outputs = child or process.adopted_outputs(memory.pid)
  for _, key in ipairs { "stdout", "stderr" } do
    local f = lines_of(self, key)
    if outputs[key] and type(f) == "function" then
      outputs[key]:each(f)
    end
  end
  note_outputs(self, outputs)
  if child then
    follow(self, child)
    probes.found(self)
  end
  self.is_end_due = self:is_alive() and not child -- the supervisor looks for it, and tells
  self.is_unborn = self.state == "starting" and not child and not memory.pid -- or has ended already
  local resume = resumptions[self.state]
  if resume and (child or self.state == "backoff") then
    resume(self)
  end
end

--- No end was told of one whose process nobody knows: then there was none.
function Service:not_born()
  self.is_end_due = false
  if self.state == "starting" then
    self.state = "waiting"
    self:save()
  else
    self:ended(nil)
  end
end

--- Restarts it when it runs, or has failed with, another command than its script wants now.
function Service:catch_up()
  if self.text ~= self.spec.text
    and (self.state == "starting" or self.state == "running" or self.state == "failed") then
    self:fire("restart", "its command has changed")
  end
end

--- True when it runs or is about to.
function Service:is_up()
  return self.state ~= "finished" and self.state ~= "failed"
end

--- How many seconds its stop may still take before it is killed.
function Service:stop_takes()
  return self.state == "stopping" and math.max(0, self.since + self.spec.stop.grace - core.now()) or 0
end

--- True while it has a process, or is just being given one.
function Service:is_alive()
  return self.state == "starting" or self.state == "running" or self.state == "stopping"
end

--- A new one, that waits for its turn, or to be started by hand. changed(service, detail) is told of every
-- change of its state; save(service) keeps its memory.
return function(spec, changed, save)
  return setmetatable({
    name = spec.name, spec = spec, state = spec.autostart and "waiting" or "finished", since = core.now(),
    text = spec.text, -- of the command that it runs, or ran last
    past = restart.past(core.now()), undo = {}, outputs = {}, changed = changed, save = save,
  }, Service)
end
