--- The states of a service, and what each does with what happens. Nothing else moves a service from one to another.
--
--   waiting     its turn has not come: what it starts after is not ready, or the container is still starting
--   scheduled   its time has not come
--   pre_start   its command pre_start runs
--   starting    its process runs, but is not ready
--   running     it is ready
--   stopping    its process was sent the stop signal
--   clearing    its process has ended, and what is left of the service is being ended
--   post_stop   its command post_stop runs
--   backoff     it is started again after a pause
--   finished    it has come to its end, or was not started yet
--   failed      it has failed for good
--
-- What happens:
--
--   start    its turn has come               requeue  it is stopped, and waits for its turn again
--   tick     its time has come               restart  it is stopped, and started again
--   ready    it is ready                     stop     it is stopped, and stays so
--   late, unhealthy   it was not in time     again    it is started by hand
--   died     its process has ended           due      the pause is over
--   cleared  nothing is left of it           refused  it may not be signalled
--   give_up  what it needs has failed

local core = require "reaper.core"
local ends = require "reaper.supervisor.ends"
local log = require "reaper.runtime.log"
local past = require "reaper.restart.past"

local function begin(service)
  return service.spec.pre_start and "pre_start" or "starting"
end

-- ---- Stops. ----

-- It is stopped, for a reason, and then the policy decides or the next state follows.
local function stop_then(next_state)
  return function(service, detail)
    service.after_stop, service.stop_reason, service.stopped_at = next_state, detail, core.now()
    return "stopping", detail
  end
end

-- While it is being stopped, only what comes afterwards can change.
local function afterwards(next_state)
  return function(service)
    service.after_stop = next_state
  end
end

-- The same, but what is being stopped for good stays so.
local function requeue_afterwards(service)
  if service.after_stop ~= "finished" then
    service.after_stop = "waiting"
  end
end

-- ---- Starts by hand, and repeated work. ----

-- It is started by hand after its end, so that its past does not count any more, but for a moment: what ends at once
-- does not spin.
local function start_by_hand(service, detail)
  if service.process then -- which could not be stopped
    return nil
  elseif service.calendar then
    return "scheduled", detail
  end
  local has_ended_itself = service.is_done or service.state == "failed"
  service.due = has_ended_itself and service.past.started_at + past.SHORTEST or 0
  service.past, service.is_restart, service.is_done = past.new(core.now()), false, nil
  if service.due > core.now() then
    return "backoff", detail or "too soon after its last start"
  end
  return "waiting", detail
end

-- It has done its work, and what it did that for is restarted. What a one-shot has done stays done.
local function repeat_work(service, detail)
  if service.is_done and not service.spec.oneshot then
    service.is_done = nil
    return "waiting", detail
  end
end

-- ---- The schedule. ----

local overlaps = {
  skip = function(service)
    log("info", service.name .. ": its time has come again, but it is still at work: skipped")
  end,
  queue = function(service)
    service.calendar.is_queued = true
  end,
  kill = function(service, stop)
    return stop(service, "its time has come again")
  end,
}

-- Its time has come before a run that has been due for longer could begin.
local function skip_waiting(service)
  log("info", service.name .. ": its time has come again, but it still waits for its turn: skipped")
end

local function begin_anew(_, detail)
  return "waiting", detail
end

-- Its time has come while it is still at work.
local function overlap(stop)
  return function(service)
    return overlaps[service.spec.overlap](service, stop)
  end
end

-- ---- The table. ----

-- The next state, or a function(service, detail) that gives it and a detail. What is not there means nothing.
local function of_process(row)
  row.stop, row.requeue, row.restart = stop_then "finished", stop_then "waiting", stop_then "waiting"
  row.late, row.died = stop_then "decide", row.died or ends.died
  row.tick = overlap(stop_then "waiting")
  return row
end

local function of_stop(row)
  row.stop, row.requeue, row.restart = afterwards "finished", requeue_afterwards, afterwards "waiting"
  row.tick = overlap(afterwards "waiting")
  return row
end

return {
  waiting = { start = begin, stop = "finished", give_up = "failed", tick = skip_waiting },
  scheduled = { tick = "waiting", again = "waiting", restart = "waiting", stop = "finished" },
  pre_start = of_process { died = ends.pre_start },
  starting = of_process { ready = "running" },
  running = of_process { unhealthy = stop_then "decide" },
  stopping = of_stop { died = ends.died, refused = "failed" },
  clearing = of_stop { cleared = ends.cleared },
  post_stop = of_stop { died = ends.post_stop, refused = ends.conclude },
  backoff = {
    due = "waiting", stop = "finished", requeue = "waiting", restart = "waiting", tick = overlap(begin_anew),
  },
  finished = { again = start_by_hand, restart = start_by_hand, requeue = repeat_work },
  failed = { again = start_by_hand, restart = start_by_hand },
}
