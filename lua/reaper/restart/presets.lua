--- Restart policies as other systems have them, with their figures. They are added to the table of policies.lua.

local check = require "reaper.runtime.check"
local restart = require "reaper.restart.policies"

local docker_names = { "no", "always", "unless-stopped", "on-failure" }

--- docker run --restart: "no", "always", "unless-stopped", "on-failure" and "on-failure:MAX" (0: no limit). 100 ms,
-- doubling to a minute, from the beginning after a run of 10 s (moby, restartmanager/restartmanager.go).
function restart.docker(text)
  local policy = restart.parse_docker(check.type("restart.docker", "text", text, "string"))
  if not policy then
    check.refuse("restart.docker", "text", ("\"%s\" is none of no, always, unless-stopped, on-failure[:MAX]%s")
      :format(text, check.hint(text, docker_names)))
  end
  return policy
end

local kubernetes_delay = restart.backoff { initial = 10, factor = 2, max = 300, reset_after = 600 }

local kubernetes_policies = {
  Always = kubernetes_delay,
  OnFailure = restart.all(restart.on_failure(), kubernetes_delay),
  Never = restart.never,
}

--- A container of a pod: restartPolicy "Always" (default), "OnFailure" or "Never". 10 s, doubling to 300 s, from the
-- beginning after ten minutes without a failure (Kubernetes, "Pod Lifecycle").
function restart.kubernetes(policy)
  return check.choose("restart.kubernetes", "policy", policy == nil and "Always" or policy, kubernetes_policies)
end

-- Signals that end a service in good order (systemd.service(5), SuccessExitStatus=).
local clean_signals = { SIGHUP = true, SIGINT = true, SIGTERM = true, SIGPIPE = true }

local function is_clean(event)
  return restart.is_own_end(event) and (event.status.ok or clean_signals[event.status.signal]) or false
end

-- What is stopped since it is late or not healthy is a timeout there.
local function is_abnormal(event)
  return not restart.is_own_end(event) or (event.status.kind == "signal" and not is_clean(event))
end

-- Whether Restart= means this end (systemd.service(5), table 2).
local systemd_kinds = {
  ["no"] = function()
    return false
  end,
  ["always"] = function()
    return true
  end,
  ["on-success"] = is_clean,
  ["on-failure"] = function(event)
    return not is_clean(event)
  end,
  ["on-abnormal"] = is_abnormal,
  ["on-abort"] = function(event)
    return restart.is_own_end(event) and is_abnormal(event)
  end,
}

-- When it was started for the first time, as far as the event tells.
local function first_start(event)
  if event.restarts > #event.history then
    return -math.huge
  end
  return (event.history[1] or event.now) - (event.lifetimes and event.lifetimes[1] or event.lifetime)
end

--- A systemd service: `restart` (Restart=, default "on-failure"), `restart_sec` (0.1 s), at most `start_limit_burst`
-- starts (5) in `start_limit_interval` (10 s), the first one included (systemd.service(5), systemd.unit(5)).
function restart.systemd(options)
  local where = "restart.systemd"
  options = check.options(where, options, { "restart", "restart_sec", "start_limit_burst", "start_limit_interval" })
  local kind = options.restart == nil and "on-failure" or options.restart
  local means = check.choose(where, "restart", kind, systemd_kinds)
  local delay = check.seconds_or(where, options, "restart_sec", 0.1)
  local burst = check.optional_integer(where, options, "start_limit_burst", 0) or 5
  local interval = check.seconds_or(where, options, "start_limit_interval", 10)
  return function(event)
    if not means(event) then
      return nil, "it has ended in a way that is not to be restarted", is_clean(event)
    end
    local since = event.now + delay - interval
    local starts = restart.restarts_since(event, since) + (first_start(event) > since and 1 or 0)
    if burst > 0 and interval > 0 and starts >= burst then
      return nil, ("it was started %d times within %g s"):format(starts, interval), false
    end
    return delay
  end
end

local otp_kinds = { permanent = restart.always, transient = restart.on_failure(), temporary = restart.never }

--- A child of an Erlang/OTP supervisor: "permanent", "transient" (restarted when it ends abnormally) or "temporary";
-- more than `intensity` restarts (1) within `period` seconds (5) are too many (OTP, stdlib, supervisor).
function restart.otp(kind, options)
  local where = "restart.otp"
  local policy = check.choose(where, "kind", kind, otp_kinds)
  options = check.options(where, options, { "intensity", "period" })
  local limited = restart.limit(policy, {
    max = check.optional_integer(where, options, "intensity", 0) or 1,
    window = check.seconds_or(where, options, "period", 5),
  })
  return policy == restart.never and policy or limited -- by which services know what is never restarted
end

local nomad_types = { service = { attempts = 2, interval = 1800 }, batch = { attempts = 3, interval = 86400 } }

--- A Nomad task: `attempts` restarts (2; batch: 3) in an `interval` (30 min; batch: 24 h), each after `delay` (15 s)
-- and up to a quarter of it more; then `mode` "fail" (default), or "delay": wait for the next interval. A batch task
-- is restarted only when it fails (Nomad, "restart block").
function restart.nomad(options)
  local where = "restart.nomad"
  options = check.options(where, options, { "type", "attempts", "interval", "delay", "mode" })
  local kind = options.type == nil and "service" or options.type
  local defaults = check.choose(where, "type", kind, nomad_types)
  local attempts = check.optional_integer(where, options, "attempts", 0) or defaults.attempts
  local interval = check.seconds_or(where, options, "interval", defaults.interval)
  local delay = check.seconds_or(where, options, "delay", 15)
  local mode = options.mode == nil and "fail" or options.mode
  local waits = check.choose(where, "mode", mode, { fail = false, delay = true })
  return function(event)
    if kind == "batch" and event.status.ok and restart.is_own_end(event) then
      return nil, "it has done its work"
    end
    local oldest = event.history[#event.history - attempts + 1]
    if attempts > 0 and not (oldest and oldest > event.now - interval) then
      return delay * (1 + 0.25 * (event.random or 0.5))
    elseif waits and oldest then
      return oldest + interval - event.now
    end
    return nil, ("it was started again %d times within %g s"):format(attempts, interval), false
  end
end

--- A service of Pebble: 500 ms, doubling to 30 s, from the beginning after a run of 30 s (Pebble, "Service
-- auto-restart").
function restart.pebble()
  return restart.backoff { initial = 0.5, factor = 2, max = 30, reset_after = 30 }
end

--- A service of s6: starts at least a second apart; exit code 125 is final (s6-supervise, where the finish script
-- gives it).
function restart.s6()
  return function(event)
    if event.status.exit_code == 125 and restart.is_own_end(event) then
      return nil, "exit code 125 is final"
    end
    return math.max(0, 1 - event.lifetime)
  end
end

local supervisord_kinds = { ["true"] = restart.always, ["false"] = restart.never, unexpected = "exitcodes" }

--- A program of supervisord: a run shorter than `startsecs` (1) is a failed start: 1, 2, 3 … s until the next, given
-- up after `startretries` (3) of them. After a longer one `autorestart` decides: true, false, or "unexpected"
-- (default): at once, unless its exit code is in `exitcodes` ({ 0 }) (supervisord, "[program:x] Section Values").
function restart.supervisord(options)
  local where = "restart.supervisord"
  options = check.options(where, options, { "startsecs", "startretries", "autorestart", "exitcodes" })
  local startsecs = check.seconds_or(where, options, "startsecs", 1)
  local retries = check.optional_integer(where, options, "startretries", 0) or 3
  local autorestart = options.autorestart == nil and "unexpected" or options.autorestart
  local after = check.choose(where, "autorestart", tostring(autorestart), supervisord_kinds)
  local ok = options.exitcodes == nil and { 0 } or options.exitcodes
  if after == "exitcodes" then
    after = restart.on_failure { ok = ok }
  end
  return function(event)
    if event.lifetime >= startsecs then
      return after(event)
    end
    local failures = restart.short_runs(event, startsecs) + 1
    if failures > retries then
      return nil, ("it has ended within %g s of its start %d times"):format(startsecs, failures), false
    end
    return failures
  end
end

-- ---- As text, each with its defaults. ----

restart.words.kubernetes = restart.kubernetes()
restart.words.systemd = restart.systemd()
restart.words.nomad = restart.nomad()
restart.words.pebble = restart.pebble()
restart.words.s6 = restart.s6()
restart.words.supervisord = restart.supervisord()
