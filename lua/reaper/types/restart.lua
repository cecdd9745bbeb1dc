---@meta reaper.restart

-- Types of the module reaper.restart; see types/reaper.lua.
-- luacheck: ignore 111 112 113 131 211 212 241 631

-- ## Restart policies
--
-- `local restart = require "reaper.restart"`. A policy is a plain function: no clock, no state, no process. Where a
-- policy is expected, a text for `restart.parse`, a number (always after so many seconds) or false (never) will do.

---What a policy is asked about.
---@class reaper.restart_event
---@field name string of what has ended
---@field status reaper.status how it ended
---@field reason? string what its status does not say: not ready in time, not healthy, not started, or not seen to end
---@field stopped? boolean it was stopped for that reason: its status is what our signal has led to
---@field rusage reaper.rusage what it has used
---@field lifetime number seconds that it ran
---@field restarts integer how often it was started again so far
---@field history number[] the times of the last restarts, at most 1,000, the oldest first
---@field lifetimes? number[] seconds of the runs that ended before each of them
---@field now number the time; all times are seconds of one monotonic clock
---@field random? number from 0 to 1, for jitter; the middle without it

---A policy: the seconds until the restart; or nil, a reason to give up, and whether the end was as it should be: true,
---or false for a failure; without that, exit code 0 is none.
---@alias reaper.restart_policy fun(event: reaper.restart_event): number?, string?, boolean?

---What may stand for a policy.
---@alias reaper.restart_choice reaper.restart_policy|string|number|false

---The module.
---@class reaper.restart
---@field HISTORY_MAX integer restarts that an event remembers
local restart = {}

---Always at once. It is a policy itself, and also gives itself when it is called without an event.
---@param event? reaper.restart_event what it is asked about
---@return number|reaper.restart_policy delay 0
function restart.always(event) end

---Never. It is a policy itself, and also gives itself when it is called without an event.
---@param event? reaper.restart_event what it is asked about
---@return reaper.restart_policy? none nothing
---@return string? reason why
function restart.never(event) end

---What `restart.on_failure` takes.
---@class reaper.on_failure_options
---@field max? integer so many restarts at most; default: no limit
---@field ok? integer[] exit codes that are no failure; default `{ 0 }`; 128 + n is the end by signal n

---At once when it has failed.
---@param options? reaper.on_failure_options what is a failure, and how often
---@return reaper.restart_policy policy
function restart.on_failure(options) end

---What `restart.backoff` takes.
---@class reaper.backoff_options
---@field initial? number seconds before the first restart; default 0.1
---@field factor? number each further one waits so many times as long; default 2
---@field max? number seconds at most; default 60
---@field jitter? number part of the delay, from 0 to 1, that chance adds or takes; default 0
---@field reset_after? number a run of so many seconds begins anew; default 10

---Always, after a delay that grows.
---@param options? reaper.backoff_options how it grows
---@return reaper.restart_policy policy
function restart.backoff(options) end

---What `restart.limit` takes.
---@class reaper.limit_options
---@field max integer restarts, at most 1,000
---@field window number in so many seconds

---What the policy says, until it was started again `max` times within the window: the next failure is final.
---@param policy reaper.restart_choice which may say more
---@param options reaper.limit_options the limit
---@return reaper.restart_policy policy
function restart.limit(policy, options) end

---A policy for each exit code (a number) or signal (a name, which comes before its number plus 128), and `default`
---(never, when it is missing), which is also asked about what was stopped as a failure (`event.stopped`). It raises for
---a signal under two names.
---@param rules table<integer|string, reaper.restart_choice> the policies
---@return reaper.restart_policy policy
function restart.by_code(rules) end

---When all of them restart, after the longest of their delays; the first that gives up decides.
---@param ... reaper.restart_choice the policies
---@return reaper.restart_policy policy
function restart.all(...) end

---docker run --restart: 100 ms, doubling to a minute, from the beginning after a run of 10 s (moby,
---restartmanager.go).
---@param text string "no", "always", "unless-stopped", "on-failure" or "on-failure:MAX"
---@return reaper.restart_policy policy
function restart.docker(text) end

---A container of a pod: 10 s, doubling to 300 s, from the beginning after ten minutes (Kubernetes, "Pod Lifecycle").
---@param policy? "Always"|"OnFailure"|"Never" restartPolicy; default "Always"
---@return reaper.restart_policy policy
function restart.kubernetes(policy) end

---What `restart.systemd` takes.
---@class reaper.systemd_options
---@field restart? string Restart=: "no", "always", "on-success", "on-failure" (default), "on-abnormal" or "on-abort"
---@field restart_sec? number RestartSec=; default 0.1
---@field start_limit_burst? integer StartLimitBurst=; default 5; 0: no limit
---@field start_limit_interval? number StartLimitIntervalSec=; default 10

---A systemd service; the first start counts for the limit, too (systemd.service(5), systemd.unit(5)).
---@param options? reaper.systemd_options as in a unit file
---@return reaper.restart_policy policy
function restart.systemd(options) end

---What `restart.otp` takes.
---@class reaper.otp_options
---@field intensity? integer restarts at most; default 1
---@field period? number in so many seconds; default 5

---A child of an Erlang/OTP supervisor (OTP, stdlib, supervisor).
---@param kind "permanent"|"transient"|"temporary" transient: restarted when it fails
---@param options? reaper.otp_options the limit
---@return reaper.restart_policy policy
function restart.otp(kind, options) end

---What `restart.nomad` takes.
---@class reaper.nomad_options
---@field type? "service"|"batch" a batch task is restarted only when it fails; default "service"
---@field attempts? integer restarts at most; default 2, batch: 3
---@field interval? number in so many seconds; default 1,800, batch: 86,400
---@field delay? number seconds before each, and up to a quarter more; default 15
---@field mode? "fail"|"delay" then: give up (default), or wait for the next interval

---A Nomad task (Nomad, "restart block").
---@param options? reaper.nomad_options as in a job
---@return reaper.restart_policy policy
function restart.nomad(options) end

---A service of Pebble: 500 ms, doubling to 30 s, from the beginning after 30 s (Pebble, "Service auto-restart").
---@return reaper.restart_policy policy
function restart.pebble() end

---A service of s6: starts at least a second apart; exit code 125 is final (s6-supervise).
---@return reaper.restart_policy policy
function restart.s6() end

---What `restart.supervisord` takes.
---@class reaper.supervisord_options
---@field startsecs? number a shorter run is a failed start; default 1
---@field startretries? integer failed starts in a row before it gives up; default 3
---@field autorestart? boolean|"unexpected" after a longer run; default "unexpected"
---@field exitcodes? integer[] expected ones; default `{ 0 }`

---A program of supervisord: after failed starts 1, 2, 3 … s (supervisord, "[program:x] Section Values").
---@param options? reaper.supervisord_options as in its configuration
---@return reaper.restart_policy policy
function restart.supervisord(options) end

---The policy that a text names: Docker's words, "never", or "kubernetes", "nomad", "pebble", "s6", "supervisord",
---"systemd" with their defaults. Gives nil, message for other texts.
---@param text string such as "on-failure:5"
---@return reaper.restart_policy? policy
---@return string? message
function restart.parse(text) end

return restart
