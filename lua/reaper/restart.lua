--- Restart policies: whether something that has ended is started again, and when.
--
-- A policy is a plain function(event). It gives the seconds until the restart, or nil and a reason to give up. It has
-- no clock, no state and no process. With a third value, true, the end was as it should be, and not a failure. All
-- that it may know is in the event:
--
--   name       of what has ended
--   status     how it ended, as on_reap gets it
--   rusage     what it has used, as on_reap gets it
--   lifetime   seconds that it ran
--   restarts   how often it was started again so far
--   history    the times of the last restarts, the oldest first
--   lifetimes  the lifetimes of the runs that ended before each of them
--   now        the time; times are seconds of one monotonic clock
--   random     a number from 0 to 1, for jitter (default: the middle)

local check = require "reaper.check"

local restart = {}

-- ---- What to say no to. ----

--- Always at once. It may be used as it is, or called: restart.always, restart.always().
function restart.always(event)
  if event == nil then
    return restart.always
  end
  return 0
end

--- Never.
function restart.never(event)
  if event == nil then
    return restart.never
  end
  return nil, "it is not to be started again"
end

local function check_options(where, options, known)
  options = options == nil and {} or check.type(where, "options", options, "table")
  check.keys(where, options, known)
  return options
end

local function optional_integer(where, options, key, least)
  return options[key] ~= nil and check.integer(where, key, options[key], least, math.maxinteger) or nil
end

local function seconds_or(where, options, key, default)
  return check.seconds(where, key, options[key] == nil and default or options[key], true)
end

local function list_to_set(where, key, list)
  local set = {}
  for _, code in ipairs(check.type(where, key, list, "table")) do
    set[check.integer(where, key, code, 0, 255)] = true
  end
  return set
end

--- At once when it has failed.
-- @param options max: so many restarts at most (default: no limit); ok: exit codes that are no failure (default { 0 };
-- 128 + n is the end by signal n)
function restart.on_failure(options)
  local where = "restart.on_failure"
  options = check_options(where, options, { "max", "ok" })
  local max = optional_integer(where, options, "max", 0)
  local ok = list_to_set(where, "ok", options.ok == nil and { 0 } or options.ok)
  return function(event)
    if ok[event.status.exit_code] then
      return nil, "it has ended as it should", true
    elseif max and event.restarts >= max then
      return nil, ("it was started again %d times"):format(event.restarts)
    end
    return 0
  end
end

-- ---- When. ----

-- How many runs directly before this one were shorter than `stable` seconds, and whether a longer one came before.
local function short_runs(event, stable)
  local lifetimes = event.lifetimes or {}
  for i = #lifetimes, 1, -1 do
    if lifetimes[i] >= stable then
      return #lifetimes - i, true
    end
  end
  return event.restarts, false
end

-- Up to `jitter` of the delay more or less.
local function spread(delay, jitter, random)
  return delay * (1 + jitter * (2 * (random or 0.5) - 1))
end

--- Always, after a delay that grows from `initial` (default 0.1 s) by `factor` (2) up to `max` (60 s), with up to
-- `jitter` (0; a part of it) more or less. A run of `reset_after` seconds (10) begins anew.
function restart.backoff(options)
  local where = "restart.backoff"
  options = check_options(where, options, { "initial", "factor", "max", "jitter", "reset_after" })
  local initial = seconds_or(where, options, "initial", 0.1)
  local most = seconds_or(where, options, "max", 60)
  local reset_after = seconds_or(where, options, "reset_after", 10)
  local factor = check.number(where, "factor", options.factor == nil and 2 or options.factor, 1, math.huge)
  local jitter = check.number(where, "jitter", options.jitter == nil and 0 or options.jitter, 0, 1)
  return function(event)
    local steps, anew = 0, event.lifetime >= reset_after
    if not anew then
      steps, anew = short_runs(event, reset_after)
      steps = anew and steps + 1 or steps -- the restart after the long run waited, too
    end
    return spread(math.min(initial * factor ^ steps, most), jitter, event.random)
  end
end

-- ---- Combining. ----

--- A policy as text, a number (always after so many seconds) or false (never) becomes a function.
function restart.policy(where, name, value)
  if type(value) == "function" then
    return value
  elseif value == false then
    return restart.never
  elseif type(value) == "number" then
    check.seconds(where, name, value)
    return function()
      return value
    end
  elseif type(value) == "string" then
    local policy, why = restart.parse(value)
    if not policy then
      check.refuse(where, name, why)
    end
    return policy
  end
  check.fail(where, name, "a restart policy (a function or a text such as \"on-failure:5\")", value)
end

--- When all of them restart, after the longest of their delays; the first that gives up decides.
function restart.all(...)
  local policies = table.pack(...)
  for i = 1, policies.n do
    policies[i] = restart.policy("restart.all", ("[%d]"):format(i), policies[i])
  end
  return function(event)
    local longest = 0
    for i = 1, policies.n do
      local delay, reason, as_it_should = policies[i](event)
      if delay == nil then
        return nil, reason, as_it_should
      end
      longest = math.max(longest, delay)
    end
    return longest
  end
end

local function restarts_since(event, time)
  local count = 0
  for _, at in ipairs(event.history) do
    count = count + (at > time and 1 or 0)
  end
  return count
end

restart.HISTORY_MAX = 1000 -- restarts that an event remembers

--- What the policy says, but at most `max` restarts in any `window` seconds: the next failure is final.
function restart.limit(policy, options)
  local where = "restart.limit"
  policy = restart.policy(where, "policy", policy)
  options = check_options(where, options, { "max", "window" })
  local max = check.integer(where, "max", options.max, 0, restart.HISTORY_MAX)
  local window = check.seconds(where, "window", options.window, true)
  return function(event)
    if restarts_since(event, event.now - window) >= max then
      return nil, ("it was started again %d times within %g s"):format(max, window)
    end
    return policy(event)
  end
end

--- A policy for each exit code (a number) or signal (a name), and `default` (never, if it is missing). A signal's name
-- comes before its number plus 128.
function restart.by_code(rules)
  local where = "restart.by_code"
  local by_code, by_signal, default = {}, {}, restart.never
  for key, value in pairs(check.type(where, "rules", rules, "table")) do
    local policy = restart.policy(where, tostring(key), value)
    if key == "default" then
      default = policy
    elseif type(key) == "string" then
      by_signal[check.signal(where, key, key)] = policy
    else
      by_code[check.integer(where, "rules", key, 0, 255)] = policy
    end
  end
  return function(event)
    local status = event.status
    local policy = status.kind == "signal" and by_signal[status.code] or by_code[status.exit_code] or default
    return policy(event)
  end
end

-- ---- As others do it. ----

local docker_delay = restart.backoff { initial = 0.1, factor = 2, max = 60, reset_after = 10 }

-- Whether to restart; the delay is another matter.
local docker_decisions = {
  ["no"] = function(max)
    return not max and restart.never
  end,
  ["always"] = function(max)
    return not max and restart.always
  end,
  ["unless-stopped"] = function(max)
    return not max and restart.always
  end,
  ["on-failure"] = function(max)
    return restart.on_failure { max = max and max > 0 and max or nil }
  end,
}

local docker_names = { "no", "always", "unless-stopped", "on-failure" }

-- The decision that "name" or "name:max" means, or nil.
local function decision_of(text)
  local name, max = text:match("^([%a-]+):(%d+)$")
  local make = docker_decisions[name or text]
  return make and make(max and math.tointeger(max)) or nil
end

local function parse_docker(text)
  local decision = decision_of(text)
  return decision and restart.all(decision, docker_delay)
end

--- Like restart.policy, for what has delays of its own: Docker's words only say whether.
function restart.decision(where, name, value)
  return type(value) == "string" and decision_of(value) or restart.policy(where, name, value)
end

--- docker run --restart: "no", "always", "unless-stopped", "on-failure" and "on-failure:MAX" (0: no limit). 100 ms,
-- doubling to a minute, from the beginning after a run of 10 s (moby, restartmanager/restartmanager.go).
function restart.docker(text)
  local policy = parse_docker(check.type("restart.docker", "text", text, "string"))
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

-- One of the words, or an error that names the nearest.
local function choose(where, name, value, choices)
  local words = {}
  for word in pairs(choices) do
    words[#words + 1] = word
  end
  table.sort(words)
  if choices[check.type(where, name, value, "string")] == nil then
    check.refuse(where, name, ("\"%s\" is none of %s%s"):format(value, table.concat(words, ", "),
      check.hint(value, words)))
  end
  return choices[value]
end

--- A container of a pod: restartPolicy "Always" (default), "OnFailure" or "Never". 10 s, doubling to 300 s, from the
-- beginning after ten minutes without a failure (Kubernetes, "Pod Lifecycle").
function restart.kubernetes(policy)
  return choose("restart.kubernetes", "policy", policy == nil and "Always" or policy, kubernetes_policies)
end

-- Signals that end a service in good order (systemd.service(5), SuccessExitStatus=).
local clean_signals = { SIGHUP = true, SIGINT = true, SIGTERM = true, SIGPIPE = true }

local function is_clean(status)
  return status.ok or clean_signals[status.signal] or false
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
  ["on-failure"] = function(status)
    return not is_clean(status)
  end,
  ["on-abnormal"] = function(status)
    return status.kind == "signal" and not is_clean(status)
  end,
  ["on-abort"] = function(status)
    return status.kind == "signal" and not is_clean(status)
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
  options = check_options(where, options, { "restart", "restart_sec", "start_limit_burst", "start_limit_interval" })
  local means = choose(where, "restart", options.restart == nil and "on-failure" or options.restart, systemd_kinds)
  local delay = seconds_or(where, options, "restart_sec", 0.1)
  local burst = optional_integer(where, options, "start_limit_burst", 0) or 5
  local interval = seconds_or(where, options, "start_limit_interval", 10)
  return function(event)
    if not means(event.status) then
      return nil, "it has ended in a way that is not to be restarted", is_clean(event.status)
    end
    local since = event.now + delay - interval
    local starts = restarts_since(event, since) + (first_start(event) > since and 1 or 0)
    if burst > 0 and interval > 0 and starts >= burst then
      return nil, ("it was started %d times within %g s"):format(starts, interval)
    end
    return delay
  end
end

local otp_kinds = { permanent = restart.always, transient = restart.on_failure(), temporary = restart.never }

--- A child of an Erlang/OTP supervisor: "permanent", "transient" (restarted when it ends abnormally) or "temporary";
-- more than `intensity` restarts (1) within `period` seconds (5) are too many (OTP, stdlib, supervisor).
function restart.otp(kind, options)
  local where = "restart.otp"
  local policy = choose(where, "kind", kind, otp_kinds)
  options = check_options(where, options, { "intensity", "period" })
  return restart.limit(policy, {
    max = optional_integer(where, options, "intensity", 0) or 1,
    window = seconds_or(where, options, "period", 5),
  })
end

local nomad_types = { service = { attempts = 2, interval = 1800 }, batch = { attempts = 3, interval = 86400 } }

--- A Nomad task: `attempts` restarts (2; batch: 3) in an `interval` (30 min; batch: 24 h), each after `delay` (15 s)
-- and up to a quarter of it more; then `mode` "fail" (default), or "delay": wait for the next interval. A batch task is
-- restarted only when it fails (Nomad, "restart block").
function restart.nomad(options)
  local where = "restart.nomad"
  options = check_options(where, options, { "type", "attempts", "interval", "delay", "mode" })
  local kind = options.type == nil and "service" or options.type
  local defaults = choose(where, "type", kind, nomad_types)
  local attempts = optional_integer(where, options, "attempts", 0) or defaults.attempts
  local interval = seconds_or(where, options, "interval", defaults.interval)
  local delay = seconds_or(where, options, "delay", 15)
  local waits = choose(where, "mode", options.mode == nil and "fail" or options.mode, { fail = false, delay = true })
  return function(event)
    if kind == "batch" and event.status.ok then
      return nil, "it has done its work"
    end
    local oldest = event.history[#event.history - attempts + 1]
    if attempts > 0 and not (oldest and oldest > event.now - interval) then
      return delay * (1 + 0.25 * (event.random or 0.5))
    elseif waits and oldest then
      return oldest + interval - event.now
    end
    return nil, ("it was started again %d times within %g s"):format(attempts, interval)
  end
end

--- A service of Pebble: 500 ms, doubling to 30 s, from the beginning after a run of 30 s (Pebble, "Service
-- auto-restart").
function restart.pebble()
  return restart.backoff { initial = 0.5, factor = 2, max = 30, reset_after = 30 }
end

--- A service of s6: starts at least a second apart; exit code 125 is final (s6-supervise, where the finish script gives
-- it).
function restart.s6()
  return function(event)
    if event.status.exit_code == 125 then
      return nil, "exit code 125 is final"
    end
    return math.max(0, 1 - event.lifetime)
  end
end

local supervisord_kinds = { ["true"] = restart.always, ["false"] = restart.never, unexpected = "exitcodes" }

--- A program of supervisord: a run shorter than `startsecs` (1) is a failed start: 1, 2, 3 … s until the next, given up
-- after `startretries` (3) of them. After a longer one `autorestart` decides: true, false, or "unexpected" (default):
-- at once, unless its exit code is in `exitcodes` ({ 0 }) (supervisord, "[program:x] Section Values").
function restart.supervisord(options)
  local where = "restart.supervisord"
  options = check_options(where, options, { "startsecs", "startretries", "autorestart", "exitcodes" })
  local startsecs = seconds_or(where, options, "startsecs", 1)
  local retries = optional_integer(where, options, "startretries", 0) or 3
  local autorestart = options.autorestart == nil and "unexpected" or options.autorestart
  local after = choose(where, "autorestart", tostring(autorestart), supervisord_kinds)
  local ok = options.exitcodes == nil and { 0 } or options.exitcodes
  if after == "exitcodes" then
    after = restart.on_failure { ok = ok }
  end
  return function(event)
    if event.lifetime >= startsecs then
      return after(event)
    end
    local failures = short_runs(event, startsecs) + 1
    if failures > retries then
      return nil, ("it has ended within %g s of its start %d times"):format(startsecs, failures)
    end
    return failures
  end
end

-- ---- As text. ----

local words = {
  ["never"] = restart.never,
  ["kubernetes"] = restart.kubernetes(),
  ["systemd"] = restart.systemd(),
  ["nomad"] = restart.nomad(),
  ["pebble"] = restart.pebble(),
  ["s6"] = restart.s6(),
  ["supervisord"] = restart.supervisord(),
}

local known = table.move(docker_names, 1, #docker_names, 1, {})
for word in pairs(words) do
  known[#known + 1] = word
end
table.sort(known)

--- The policy that a text names: Docker's words, "never", or one of the systems above with its defaults; or nil,
-- message.
function restart.parse(text)
  check.type("restart.parse", "text", text, "string")
  local policy = parse_docker(text) or words[text]
  if policy then
    return policy
  end
  return nil, ("\"%s\" is no restart policy: one of %s, on-failure:MAX expected%s"):format(text,
    table.concat(known, ", "), check.hint(text:match("^[^:]*"), known))
end

-- ---- Asking. ----

--- What a policy says, whatever it does: the seconds; or nil, a reason and whether the end was as it should be.
function restart.ask(policy, event)
  local fine, delay, reason, as_it_should = pcall(policy, event)
  if not fine then
    return nil, "its restart policy has raised: " .. tostring(delay)
  elseif delay == nil then
    return nil, reason ~= nil and tostring(reason) or "its restart policy gives up", as_it_should == true
  elseif type(delay) ~= "number" then
    return nil, ("its restart policy has returned a %s, not a number of seconds"):format(type(delay))
  elseif delay ~= delay or delay < 0 or delay == math.huge then
    return nil, ("its restart policy has returned %s, which is no number of seconds"):format(delay)
  end
  return delay
end

-- ---- The past of one thing that is started again and again. ----

local SHORTEST = 0.1 -- seconds between two starts, whatever the policy says: what fails at once does not spin

--- A past without restarts, as plain values that can be kept.
function restart.past(now)
  return { restarts = 0, history = {}, lifetimes = {}, started_at = now }
end

--- It has ended: what its policy says, as restart.ask gives it.
function restart.ended(past, policy, name, status, rusage, now)
  past.lifetime = now - past.started_at
  local delay, reason, as_it_should = restart.ask(policy, {
    name = name, status = status, rusage = rusage, lifetime = past.lifetime, restarts = past.restarts,
    history = past.history, lifetimes = past.lifetimes, now = now, random = math.random(),
  })
  return delay and math.max(delay, SHORTEST - past.lifetime), reason, as_it_should
end

local function append(list, value)
  list[#list + 1] = value
  if #list > restart.HISTORY_MAX then
    table.remove(list, 1)
  end
end

--- It is started again.
function restart.started(past, now)
  append(past.history, now)
  append(past.lifetimes, past.lifetime)
  past.restarts = past.restarts + 1
  past.started_at = now
end

return restart
