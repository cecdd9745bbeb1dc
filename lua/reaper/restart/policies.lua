--- Restart policies: whether something that has ended is started again, and when.
--
-- A policy is a plain function(event). It gives the seconds until the restart, or nil and a reason to give up. A third
-- value says whether the end was as it should be (true) or a failure (false); without it, exit code 0 is none. A policy
-- has no clock, no state and no process. All that it may know is in the event:
--
--   name       of what has ended
--   status     how it ended, as on_reap gets it
--   rusage     what it has used, as on_reap gets it
--   reason     as text, when its status does not say it: it was not ready in time, was not healthy, could not be
--              started (with the status that a shell would give), or nobody has seen its end; else nil
--   stopped    true when it was stopped for that reason: its status is then what our signal has led to
--   lifetime   seconds that it ran
--   restarts   how often it was started again so far
--   history    the times of the last restarts, the oldest first
--   lifetimes  the lifetimes of the runs that ended before each of them
--   now        the time; times are seconds of one monotonic clock
--   random     a number from 0 to 1, for jitter (default: the middle)

local check = require "reaper.runtime.check"

local restart = {}

--- False when the status does not say what has gone wrong: the thing was stopped, or nobody has seen its end.
function restart.is_own_end(event)
  return not event.stopped and event.status.kind ~= "unknown"
end

-- ---- Whether. ----

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
  options = check.options(where, options, { "max", "ok" })
  local max = check.optional_integer(where, options, "max", 0)
  local ok = list_to_set(where, "ok", options.ok == nil and { 0 } or options.ok)
  return function(event)
    if ok[event.status.exit_code] and restart.is_own_end(event) then
      return nil, "it has ended as it should", true
    elseif max and event.restarts >= max then
      return nil, ("it was started again %d times"):format(event.restarts)
    end
    return 0
  end
end

-- ---- When. ----

--- How many runs directly before this one were shorter than `stable` seconds, and whether a longer one came before.
function restart.short_runs(event, stable)
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
-- `jitter` (0; a part of it) more or less. After a run of `reset_after` seconds (10) it begins with `initial` again.
function restart.backoff(options)
  return restart.backoff_of("restart.backoff", options)
end

--- The same for what `where` names in messages.
function restart.backoff_of(where, options)
  options = check.options(where, options, { "initial", "factor", "max", "jitter", "reset_after" })
  local initial = check.seconds_or(where, options, "initial", 0.1)
  local most = check.seconds_or(where, options, "max", 60)
  local reset_after = check.seconds_or(where, options, "reset_after", 10)
  local factor = check.number(where, "factor", options.factor == nil and 2 or options.factor, 1, math.huge)
  local jitter = check.number(where, "jitter", options.jitter == nil and 0 or options.jitter, 0, 1)
  return function(event)
    local steps = 0
    if event.lifetime < reset_after then
      local runs, after_long_run = restart.short_runs(event, reset_after)
      steps = after_long_run and runs + 1 or runs -- the restart after the long run waited, too
    end
    return spread(math.min(initial * factor ^ steps, most), jitter, event.random)
  end
end

-- ---- Docker's words. ----

-- Whether to restart; the delay is another matter. Each is made for the number behind the colon, or nil.
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

-- The decision that "name" or "name:max" means, or nil.
local function docker_decision(text)
  local name, max = text:match("^([%a-]+):(%d+)$")
  local make = docker_decisions[name or text]
  return make and make(max and (math.tointeger(max) or math.maxinteger)) or nil
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

--- Like restart.policy, for what has delays of its own: Docker's words only say whether.
function restart.decision(where, name, value)
  return type(value) == "string" and docker_decision(value) or restart.policy(where, name, value)
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

--- How many restarts came after that time.
function restart.restarts_since(event, time)
  local count = 0
  for _, at in ipairs(event.history) do
    count = count + (at > time and 1 or 0)
  end
  return count
end

restart.HISTORY_MAX = 1000 -- restarts that an event remembers

--- What the policy says, but at most `max` restarts in any `window` seconds: the next one that it wants is refused.
function restart.limit(policy, options)
  local where = "restart.limit"
  policy = restart.policy(where, "policy", policy)
  options = check.options(where, options, { "max", "window" })
  local max = check.integer(where, "max", options.max, 0, restart.HISTORY_MAX)
  local window = check.seconds(where, "window", options.window, true)
  return function(event)
    local delay, reason, as_it_should = policy(event)
    if delay ~= nil and restart.restarts_since(event, event.now - window) >= max then
      return nil, ("it was started again %d times within %g s"):format(max, window), false
    end
    return delay, reason, as_it_should
  end
end

-- The number of a signal's name, which stands there once.
local function signal_of(where, key, by_signal)
  if tonumber(key) then
    check.refuse(where, key, ("a signal's name expected; the exit code is [%s], a number"):format(key))
  end
  local number = check.signal(where, key, key)
  if by_signal[number] then
    check.refuse(where, key, "it is another name of a signal that stands there already")
  end
  return number
end

--- A policy for each exit code (a number) or signal (a name), and `default` (never, if it is missing). A signal's name
-- comes before its number plus 128. What has not ended by itself (event.stopped) is for the default.
function restart.by_code(rules)
  local where = "restart.by_code"
  local by_code, by_signal, default = {}, {}, restart.never
  for key, value in pairs(check.type(where, "rules", rules, "table")) do
    local policy = restart.policy(where, tostring(key), value)
    if key == "default" then
      default = policy
    elseif type(key) == "string" then
      by_signal[signal_of(where, key, by_signal)] = policy
    else
      by_code[check.integer(where, "rules", key, 0, 255)] = policy
    end
  end
  return function(event)
    local status = event.status
    local policy = status.kind == "signal" and by_signal[status.code] or by_code[status.exit_code]
    return (restart.is_own_end(event) and policy or default)(event)
  end
end

-- ---- What a text means. ----

local docker_delay = restart.backoff { initial = 0.1, factor = 2, max = 60, reset_after = 10 }

--- The policy of Docker's words, with the delay that they have there, or nil.
function restart.parse_docker(text)
  local decision = docker_decision(text)
  return decision and decision ~= restart.never and restart.all(decision, docker_delay) or decision
end

--- Further words that are policies: text → policy. Those of other systems are added by presets.lua.
restart.words = { never = restart.never }

local function known_words()
  local known = {}
  for _, list in ipairs { docker_decisions, restart.words } do
    for word in pairs(list) do
      known[#known + 1] = word
    end
  end
  table.sort(known)
  return known
end

--- The policy that a text names: one of Docker's words or of restart.words; or nil, message.
function restart.parse(text)
  check.type("restart.parse", "text", text, "string")
  local policy = restart.parse_docker(text) or restart.words[text]
  if policy then
    return policy
  end
  local known = known_words()
  return nil, ("\"%s\" is no restart policy: one of %s, on-failure:MAX expected%s"):format(text,
    table.concat(known, ", "), check.hint(text:match("^[^:]*"), known))
end

-- ---- Asking. ----

--- What a policy says, whatever it does: the seconds; or nil, a reason and whether the end was as it should be (nil:
-- as the exit code says).
function restart.ask(policy, event)
  local fine, delay, reason, as_it_should = pcall(policy, event)
  if not fine then
    return nil, "its restart policy has raised: " .. tostring(delay), false
  elseif delay == nil then
    return nil, reason ~= nil and tostring(reason) or "its restart policy gives up", as_it_should
  elseif type(delay) ~= "number" then
    return nil, ("its restart policy has returned a %s, not a number of seconds"):format(type(delay)), false
  elseif delay ~= delay or delay < 0 or delay == math.huge then
    return nil, ("its restart policy has returned %s, which is no number of seconds"):format(delay), false
  end
  return delay
end

--- A delay for a message: "0.15 s", "162000 s".
function restart.text(delay)
  return (delay < 100 and "%.3g s" or "%.0f s"):format(delay)
end

return restart
