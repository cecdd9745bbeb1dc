--- What each state of a service sets going, and what a script process that replaces a lost one sets going again.

local child = require "reaper.supervisor.child"
local core = require "reaper.core"
local past = require "reaper.restart.past"
local probes = require "reaper.supervisor.probes"
local rest = require "reaper.supervisor.rest"
local timers = require "reaper.runtime.timers"

local activities = { enter = {}, resume = {} }

-- Calls f after so many seconds, unless the state is left before.
local function after(service, seconds, f)
  table.insert(service.undo, timers.after(math.max(0, seconds), f))
end

-- Calls f at service.limit, which the service itself can put off (EXTEND_TIMEOUT_USEC).
local function await_limit(service, f)
  if service.limit == math.huge then
    return
  end
  after(service, service.limit - core.now(), function()
    if service.limit > core.now() then
      return await_limit(service, f)
    end
    f()
  end)
end

local function limit(service, seconds, f)
  service.limit = service.since + seconds
  await_limit(service, f)
end

-- ---- Starts. ----

local function note_start(service)
  if service.is_restart then
    past.started(service.past, core.now())
  else
    service.past.started_at = core.now()
  end
  service.is_restart, service.said, service.stopped_at, service.stop_reason = false, nil, nil, nil
  service.text = service.spec.text
  service:save() -- before there is a process that could be lost
end

local function watch_pre_start(service)
  if not service.spec.pre_start then -- not any more: it is about to be stopped (Service:follow_script)
    return
  end
  local timeout = service.spec.pre_start.timeout
  limit(service, timeout, function()
    service:fire("late", ("pre_start has taken longer than %g s"):format(timeout))
  end)
end

function activities.enter.pre_start(service)
  note_start(service)
  child.start_command(service, "pre_start")
  watch_pre_start(service)
end

local function watch_start(service)
  local timeout = service.spec.ready and service.spec.ready.timeout or math.huge
  service.undo[#service.undo + 1] = service.readiness:watch()
  limit(service, timeout, function()
    local failure = service.readiness.last_failure
    service:fire("late", ("not ready within %g s%s"):format(timeout, failure and ": " .. failure or ""))
  end)
end

function activities.enter.starting(service)
  note_start(service)
  child.start(service)
  watch_start(service)
end

function activities.enter.running(service)
  table.insert(service.undo, probes.watch_health(service))
  local timeout = service.spec.timeout
  if timeout then
    limit(service, timeout, function()
      service:fire("late", ("not finished within %g s"):format(timeout))
    end)
  end
end

function activities.enter.backoff(service)
  after(service, service.due - core.now(), function()
    service:fire "due"
  end)
end

-- ---- Stops. ----

-- The grace goes on where it was, also in the script process that comes after the one that has sent the signal.
local function watch_stop(service)
  limit(service, service.spec.stop.grace, function()
    service:kill()
  end)
end

-- Asks its process to end. That it is to be stopped, and its members, are saved first: it can have ended when the next
-- script process looks.
local function ask_to_end(service)
  service:save()
  child.signal(service, service.spec.stop.signal, service.spec.stop.to_group)
  child.signal(service, "CONT", service.spec.stop.to_group)
  service.is_asked = true
end

function activities.enter.stopping(service)
  service.is_asked = false
  if not service.process then
    if not service.is_end_due then -- nobody else fires it
      after(service, 0, function()
        service:ended(nil)
      end)
    end
    return
  end
  if not service.spec.stop.leaves_rest then
    rest.look(service) -- as long as its process lives, all that descends from it is to be seen
  end
  watch_stop(service)
  ask_to_end(service)
end

-- The one before was lost before it is known to have sent the signal.
local function resume_stop(service)
  watch_stop(service)
  if not service.is_asked then
    ask_to_end(service)
  end
end

local function clear(service)
  table.insert(service.undo, rest.clear(service, function()
    service:fire "cleared"
  end))
end

function activities.enter.clearing(service)
  service.clear_by = rest.deadline(service)
  clear(service)
end

local function watch_post_stop(service)
  local timeout = service.spec.post_stop and service.spec.post_stop.timeout or 0
  limit(service, timeout, function()
    service:kill()
  end)
end

function activities.enter.post_stop(service)
  service:save()
  child.start_command(service, "post_stop")
  watch_post_stop(service)
end

-- ---- The schedule. ----

function activities.enter.scheduled(service)
  service.calendar:arm()
end

local function reset(service)
  if service.calendar then
    service.calendar:reset()
  end
end

activities.enter.finished, activities.enter.failed = reset, reset

-- ---- From one script process to the next. ----

activities.resume = {
  pre_start = watch_pre_start, starting = watch_start, running = activities.enter.running,
  backoff = activities.enter.backoff, stopping = resume_stop, clearing = clear, post_stop = watch_post_stop,
}

-- States in which a service has a process.
activities.with_process = { pre_start = true, starting = true, running = true, stopping = true, post_stop = true }

return activities
