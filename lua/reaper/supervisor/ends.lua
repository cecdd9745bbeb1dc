--- What follows the end of a service's process: what is left of the service is ended, post_stop runs, and then the
-- restart policy, or what the service was stopped for, decides on the next state.

local core = require "reaper.core"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local past = require "reaper.restart.past"
local rest = require "reaper.supervisor.rest"
local restart = require "reaper.restart"

local ends = {}

local STOPPED = 1 -- the exit code of a failure that was stopped for it
local TICK = 1e-6 -- seconds that a timer may be too early

-- ---- The decision. ----

-- What the restart policy says. It has a coroutine of its own, so that one that never returns ends there.
local function ask_policy(service, ending)
  local answer = { nil, "its restart policy waits; it has to answer at once", false }
  loop.run("restart policy of " .. service.name, function(ok, ...)
    answer = ok and { ... } or { nil, "its restart policy has failed: " .. tostring((...)), false }
  end, past.ended, service.past, service.spec.restart, service.name, ending.status, service.rusage, ending.at,
    ending.reason, ending.is_stopped)
  return answer[1], answer[2], answer[3]
end

-- The delay; or nil, why not, and whether the end was as it should be.
local function delay_of_restart(service, ending)
  if ending.is_missing and service.spec.gives_up_missing then
    return nil, "it cannot be started", false
  end
  return ask_policy(service, ending)
end

-- A run by the schedule has ended: the next one comes. One that has failed is a failure of that run alone, unless the
-- script says that the container is to end.
local function end_of_run(service, state, detail)
  if state == "failed" and service.spec.when_failed == "exit" then
    return state, detail
  elseif state == "failed" then
    log("warning", ("%s: this run has failed: %s"):format(service.name, detail))
  end
  return service.calendar:after_run(), detail
end

-- The policy decides on an end that nobody has asked for.
local function decide(service, ending)
  local status, how = ending.status, ending.reason or tostring(ending.status)
  local delay, why, as_it_should = delay_of_restart(service, ending)
  local state, detail = "failed", ("%s: %s"):format(how, why)
  service.status, service.code = status, ending.is_stopped and STOPPED or status.exit_code
  if delay then
    service.due, service.is_restart = core.now() + delay, true
    return "backoff", ("%s; again in %s"):format(how, restart.text(delay))
  elseif as_it_should or (as_it_should == nil and status.ok and not ending.is_stopped) then
    state, detail = "finished", how
  end
  if service.calendar then
    return end_of_run(service, state, detail)
  end
  service.is_done = state == "finished" or nil
  return state, detail
end

--- All of the service has ended: the next state, and a detail.
function ends.conclude(service)
  local ending = service.ending
  if service.after_stop == "decide" then
    return decide(service, ending)
  end
  service.status = ending.status
  return service.after_stop, ending.killed or ending.reason or tostring(ending.status)
end

-- ---- On the way there. ----

--- Nothing is left of the service.
function ends.cleared(service)
  if service.spec.post_stop then
    return "post_stop"
  end
  return ends.conclude(service)
end

-- "stopped by SIGKILL after 10 s of grace", or nil.
local function killed_by_us(service, status)
  local grace = service.spec.stop.grace
  return service.state == "stopping" and status.signal == "SIGKILL" and core.now() - service.since > grace - TICK
    and ("stopped by SIGKILL after %g s of grace"):format(grace) or nil
end

local function note(service, status, reason, is_missing)
  local is_stopping = service.state == "stopping"
  local killed = killed_by_us(service, status)
  if not is_stopping then
    service.after_stop = "decide"
  elseif service.after_stop == "decide" then -- a failure, whatever our signal has led to
    reason = killed and ("%s; %s"):format(service.stop_reason, killed) or service.stop_reason
  end
  service.ending = {
    status = status, reason = reason, killed = killed, at = core.now(), is_missing = is_missing or false,
    is_stopped = is_stopping and service.after_stop == "decide",
  }
end

--- Its process has ended. `ending` has its status; the reason, when that does not say it; and whether there was no
-- process, since its command cannot be run.
function ends.died(service, ending)
  note(service, ending.status, ending.reason, ending.is_missing)
  local left = not ending.is_missing and rest.left(service)
  if left then
    return "clearing", ("%s; %s"):format(service.ending.reason or ending.status, rest.text(left))
  end
  return ends.cleared(service)
end

--- pre_start has ended: the service starts, or this start has failed.
function ends.pre_start(service, ending)
  if ending.status.ok then
    return "starting"
  end
  local how = ending.reason or tostring(ending.status)
  return ends.died(service, { status = ending.status, reason = "pre_start: " .. how, is_missing = ending.is_missing })
end

--- post_stop has ended. The service is down, whatever has become of it.
function ends.post_stop(service, ending)
  if not ending.status.ok then
    log("warning", ("%s: post_stop: %s"):format(service.name, ending.reason or tostring(ending.status)))
  end
  return ends.conclude(service)
end

-- ---- From one script process to the next. ----

--- What is known of the end, as plain values, or nil.
function ends.memory(ending)
  local known = ending and { status = ending.status.raw or "unknown" }
  for _, key in ipairs(known and { "reason", "killed", "at", "is_missing", "is_stopped" } or {}) do
    known[key] = ending[key]
  end
  return known
end

--- The same of an earlier script process. `status_of` makes a status of what was saved.
function ends.recall(known, status_of)
  if known then
    known.status = status_of(known.status)
  end
  return known
end

--- The variables that post_stop gets, as systemd gives them to ExecStopPost= (systemd.exec(5)).
function ends.environment(service)
  local ending = service.ending
  local status = ending.status
  local is_timeout = ending.killed or (ending.is_stopped and (ending.reason or ""):find "^not ready")
  local result = "success"
  if is_timeout then
    result = "timeout"
  elseif ending.is_stopped and (ending.reason or ""):find "^watchdog" then
    result = "watchdog"
  elseif status.kind == "signal" and service.after_stop == "decide" then
    result = status.core and "core-dump" or "signal"
  elseif not status.ok and status.kind == "exit" then
    result = "exit-code"
  end
  local exit_code = status.kind == "signal" and (status.core and "dumped" or "killed") or "exited"
  return {
    SERVICE_NAME = service.name, SERVICE_RESULT = result, EXIT_CODE = exit_code,
    EXIT_STATUS = status.signal and status.signal:gsub("^SIG", "") or tostring(status.code or status.exit_code),
  }
end

return ends
