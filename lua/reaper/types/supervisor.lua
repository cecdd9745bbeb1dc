---@meta reaper.supervisor

-- Types of the module reaper.supervisor; see types/reaper.lua.
-- luacheck: ignore 111 112 113 131 211 212 241 631

-- ## Services
--
-- `local supervisor = require "reaper.supervisor"`. Each change of a state is told to `on_service`. The states are:
--
-- * waiting: what it starts after is not ready, or it is restarted together with others that have not ended yet
-- * scheduled: its time has not come
-- * pre_start: that command runs
-- * starting: its process runs, but is not ready
-- * running: it is ready; a one-shot is at work
-- * stopping: its process was sent the stop signal
-- * clearing: its process has ended, and what is left of the service is being ended
-- * post_stop: that command runs
-- * backoff: it is started again after a pause
-- * finished: it has come to its end, was stopped, or was not started yet
-- * failed: it has failed for good
--
-- COMMAND beside services ("main") is waiting, starting, running, finished or failed.

---When a service counts as started: exactly one of the first seven keys.
---
---What a service with `ready = { notify = true }` may say on $NOTIFY_SOCKET, as long as it lives (sd_notify(3)): READY=1,
---STATUS=text (the detail of supervisor.status), MAINPID=n (from now on the end of that process is the service's end),
---EXTEND_TIMEOUT_USEC=n (its start or stop needs so much more), STOPPING=1, RELOADING=1, WATCHDOG=1, WATCHDOG=trigger,
---WATCHDOG_USEC=n; BARRIER=1 works. All else is ignored: descriptors are not stored, and those that come are closed.
---Heard are the processes of the service. One that has ended before its message is read is heard when it was root's or
---of the user of the service's process. What others say is dropped, and they are named in a warning.
---@class reaper.ready
---@field notify? boolean READY=1 on $NOTIFY_SOCKET
---@field fd? integer a newline on this descriptor (s6)
---@field exec? string[] a command that exits 0; the last line that it writes is the reason when it never does
---@field http? string a URL that a server answers, as for `reaper.health`
---@field tcp? string "HOST:PORT" where a server takes connections
---@field line? string a Lua pattern that a line of its output matches; needs one that is "inherit" or a function
---@field delay? number it has lived for so many seconds
---@field interval? number seconds between two tries of `exec`, `http` or `tcp`; default 1
---@field timeout? number not ready within so many seconds is a failed start; default 60, with `delay` none

---As Docker's HEALTHCHECK, by exactly one of the first three keys. An unhealthy service is stopped and restarted by its
---policy, as a failure.
---
---`http` needs no tool in the image. "http://HOST[:PORT][/PATH][?QUERY]" is asked with GET; 2xx and 3xx are good, and a
---redirection is not followed. It is plain HTTP/1.1 or 1.0, without TLS; HOST is a number (127.0.0.1, [::1]) or
---localhost, which is looked for at both its addresses. What a command, a server or the kernel says stands in the
---detail: "health: 3 failures: http://127.0.0.1:8080/healthz: 503 Service Unavailable", without the query, and "health: 3
---failures: curl: (7) Failed to connect (exit 7)". A command's output goes nowhere else.
---@class reaper.health
---@field exec? string[] a command that exits 0 when it is healthy
---@field http? string a URL that a server answers
---@field tcp? string "HOST:PORT" where a server takes connections
---@field interval? number seconds from the start, and from one end of it to the next time; default 30
---@field timeout? number seconds that it may take; default 30
---@field retries? integer failures in a row that are too many; default 3
---@field start_period? number failures within so many seconds of the start do not count until one was none; default 0

---How a service is stopped: the signal goes to its process. When that has ended, here or by itself, what is left of the
---service gets TERM and CONT (HUP, too, on a terminal of its own), and KILL when the grace is over, but not within a
---second of that TERM unless the grace is shorter. Only then is the service down, and may start again.
---
---Its processes are those of its process group and session, those whose environment names it (REAPER_NAME), and what
---descends from them; never those of another service. A process that leaves all of these at once, before anybody has
---looked, is not found: it goes on until the container stops.
---@class reaper.service_stop
---@field signal? reaper.signal default TERM
---@field grace? number seconds before KILL; default 5
---@field to? "leader"|"group" whether the signal goes to its process alone (default), or to the process group of that
---@field rest? "stop"|"leave" whether what is left of it is ended (default), or lives on

---A command that runs before or after a service, with the service's user, environment and output: its words, and
---@class reaper.service_command
---@field [integer] string the words
---@field timeout? number seconds that it may take: before a start 60, after an end 10

---How a service is told to load its configuration: exactly one of the first two keys.
---@class reaper.service_reload
---@field signal? reaper.signal sent to its process
---@field exec? string[] a command, with MAINPID in its environment
---@field timeout? number seconds that the command may take; default 30

---One service. All keys of `reaper.spawn` but the words of the command may stand beside these; `stdin` is "null" unless
---it is given.
---
---A line of an `env_file` is NAME=value, empty, or begins with #; "export " may stand in front. A value without quotes
---ends with the line, or with a # behind a blank. One between quotes may have several lines; between `"…"`, `\n`, `\r`,
---`\t`, `\\`, `\"` and `\$` are what they are in C and in the shell; between `'…'` only `\'` is. No variable is put in. A
---wrong line is an error that says its number, and never shows its text.
---@class reaper.service
---@field name string 1 to 50 bytes without a slash, and not "main", which is COMMAND
---@field command string[] what to run. One that does not exist or cannot be executed has failed for good at once, unless `restart` is "always", "unless-stopped", a number or a function that says otherwise
---@field after? string[] names of services that are to be ready before, or finished, if they are one-shots
---@field restart? reaper.restart_choice default "on-failure"; of one-shots "no"
---@field backoff? reaper.backoff_options the delay; `restart` then only says whether
---@field oneshot? boolean it does its work and ends: what starts after it waits until it has finished well. Not run again after a crash or a reload of the script. Goes with no `ready`, `health` or `watchdog`
---@field timeout? number a one-shot that has not finished within so many seconds is stopped, and has failed
---@field schedule? string|number when it runs, as a one-shot each time: a line of crontab(5) (see `reaper.schedule`), "@reboot" for once at the start of the container, or a number of seconds. In between its state is "scheduled". What was missed while the machine slept, the clock was set forward or the script process was down runs once. A clock that is set back by less than three hours repeats nothing. A run that fails is logged and the next one comes, unless `when_failed` is "exit"
---@field timezone? "local"|"UTC" of the schedule; default "local"
---@field overlap? "skip"|"queue"|"kill" when the time comes again while it runs: that time is skipped (default), it runs once more afterwards, or it is stopped and begins anew
---@field pre_start? reaper.service_command runs before each start; a failure is a failed start
---@field post_stop? reaper.service_command runs after each end, with SERVICE_NAME, SERVICE_RESULT ("success", "exit-code", "signal", "core-dump", "timeout", "watchdog"), EXIT_CODE ("exited", "killed", "dumped") and EXIT_STATUS (a number, or a signal such as "TERM") in its environment, as systemd.exec(5) has them
---@field env_file? string|string[] files of variables, below `env`; of two files the later one counts. Read when the script is loaded, with its rights
---@field reload? reaper.service_reload what `supervisor.reload` does
---@field log? boolean its last lines, 64 KiB of stdout and stderr together, are kept for `reaperctl logs`, beside where they go anyway: a function still gets them, and what is "inherit" (default) is still written to reaper-lua's own output, but comes line by line through the script process, so that it is no terminal for the service. What goes to a file, a path or "null" is not kept; a service of which nothing would be kept is refused, or passed by when this is a default. They outlive a crash and a reload of the script. From the next start on where the running process writes past the script process; 64 services at most
---@field stop? reaper.service_stop how it is stopped; default: TERM, and KILL after 5 seconds
---@field terminal? boolean its stdin is the container's, and at each start it gets the foreground of the terminal, if there is one and reaper-lua leads its session, as in `docker run -it`; beside a shell that has started reaper-lua it does not. Ctrl-C then goes to its process group, and not to reaper-lua: what follows its end is its `restart`. After its end Ctrl-C goes to reaper-lua, and stops all. Not with `session`, and not beside COMMAND, which has it; one service at most
---@field ready? reaper.ready default: at once
---@field health? reaper.health default: never asked
---@field watchdog? number seconds (also in $WATCHDOG_USEC): once ready, it says WATCHDOG=1 as often or is not healthy
---@field when_failed? "exit"|"ignore" when it fails for good: the container ends with its exit code (default, but not with `schedule`), or not
---@field autostart? boolean false: it waits for `supervisor.start`; default true

---When COMMAND starts beside services. Without this entry it starts when all services that start by themselves are ready
---or, as one-shots, finished. It is stopped first, within the container's grace, and its exit code is the container's.
---`on_start` gets no pid then, and `on_service("main", …)` tells of it.
---@class reaper.service_main
---@field main true it is COMMAND
---@field after? string[] names of services that are to be ready before

---The services, and what holds for all.
---@class reaper.services
---@field [integer] reaper.service|reaper.service_main in the order of their starts, as far as `after` leaves it open
---@field defaults? table keys of services that hold for all that do not have them: any but `name`, `command`, `after`, `schedule` and `fds`. The keys of `env`, `rlimit` and `stop` stand beside those of a service; another table of a service takes the place of the default. `restart`, `backoff`, `ready`, `health` and `watchdog` do not hold for one-shots and schedules, `timeout` only for these
---@field strategy? "one_for_one"|"one_for_all"|"rest_for_one" who is restarted together (OTP, stdlib, supervisor)
---@field intensity? integer more restarts than this within the period: give up; default: no limit (OTP: 1)
---@field period? number seconds; default 5

---What is known of a service.
---@class reaper.service_status
---@field name string of the service
---@field state reaper.service_state now
---@field since number seconds ago
---@field pid? integer while it has a process
---@field restarts integer so far
---@field status? reaper.status of its last end; exit code 127 or 126 where it could not be started
---@field detail? string why, as `on_service` was told: the reason of the last end, or its status; while it runs, what it says by STATUS= (sd_notify(3))
---@field next_run? number when it runs next, in seconds since 1970, in the state "scheduled"

---The module.
---@class reaper.supervisor
local supervisor = {}

---Supervises services from the start of the container on. To be called once, while the script is loaded or in
---on_start. Whatever begins the stop (TERM, INT, QUIT, `reaper.exit`, os.exit, the end of COMMAND): COMMAND is stopped
---first, within the container's grace; then the services, those that others need after these, each by its own
---signal and within its own grace; nothing is started any more; then on_stop comes, and all else is stopped. A second
---TERM or INT kills. The exit code is that of COMMAND or of `reaper.exit`, else 0. When all services have finished, the
---container ends with 0. A script that cannot stop its services (it is lost six times, or says nothing for 10 s longer
---than its services may take) leaves that to the engine, which stops all at once. So does a Lua program that ends
---without `reaper.exit`.
---@param services reaper.services what to run
function supervisor.run(services) end

---Starts a service that has finished or failed, or was not started yet. Gives nil, message when it is up, or when all are
---being stopped.
---@param name string of the service
---@return boolean? done
---@return string? message
function supervisor.start(name) end

---Stops a service, which stays so. Does not wait. Gives nil, message when it is down.
---@param name string of the service
---@return boolean? done
---@return string? message
function supervisor.stop(name) end

---Stops a service and starts it again, whatever its restart policy says. Does not wait. Gives nil, message when all are
---being stopped.
---@param name string of the service
---@return boolean? done
---@return string? message
function supervisor.restart(name) end

---Signals the process of a service; "main" is COMMAND. Gives nil, message, errno when it has none.
---@param name string of the service
---@param signal reaper.signal which
---@return boolean? done
---@return string? message
---@return integer? errno
function supervisor.signal(name, signal) end

---Tells a service to load its configuration, as its key `reload` says. Waits for a command. Gives nil, message when it
---does not run, has no such key, or the command has failed.
---@param name string of the service
---@return boolean? done
---@return string? message
---@return integer? errno
function supervisor.reload(name) end

---Waits until a service is ready (or, as a one-shot, finished), has finished, or is down, which means that nothing of it
---lives. "main" is COMMAND. Gives nil, "timeout", or nil and why it will never be.
---@param name string of the service
---@param what? "ready"|"finished"|"down" default "ready"
---@param timeout? number seconds; default: none
---@return boolean? done
---@return string? message
function supervisor.wait(name, what, timeout) end

---What is known of one service, or of COMMAND ("main"); without a name a list of all, in the order of their starts.
---@param name? string of the service
---@return reaper.service_status|reaper.service_status[] status
function supervisor.status(name) end

---Stops all services, dependants first, and then the container.
---@param code? integer the exit code; default 0
function supervisor.shutdown(code) end

return supervisor
