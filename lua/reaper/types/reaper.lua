---@meta reaper

-- Types for LuaLS, from which tools/reference.lua also makes doc/REFERENCE.md. Nothing loads this file.
-- luacheck: ignore 111 112 113 131 212 241 631

-- # Reference
--
-- Everything that the table `reaper` holds, in a script of reaper-lua (the global `reaper`) and in a Lua program
-- (`local reaper = require "reaper"`). Made by `make reference` from [lua/reaper/types/reaper.lua](../lua/reaper/types/reaper.lua),
-- which also tells LuaLS of it: put that file into its setting `workspace.library`.
--
-- * Wrong use raises an error that names the argument and what was expected; so do unknown keys of tables.
-- * A failing system call gives nil, message, errno.
-- * Times are in seconds, sizes in bytes. `?` after a name or type: it may be nil.
-- * A function that *waits* lets other hooks run meanwhile. It can be called in hooks and timers, in the script itself
--   and anywhere in a program, but within a hook not in a coroutine of one's own.

-- ## Hooks
--
-- What a script defines as global functions or returns in a table ([reaper.script_hooks](#reaperscript_hooks)), and a
-- program gives to `reaper.start`. Each call runs in a coroutine of its own, so a hook may wait. What it raises is
-- reported to `on_error`.

---The engine runs, and the main child was started. What has happened before is told after it.
---@param pid integer? of the main child; nil without COMMAND; in a program its own
---@param again "crash"|"reload"|nil set in a script process that replaces an earlier one
function on_start(pid, again) end

---A process was reaped: called for each, in the order of the deaths. For the main child of a script, the engine waits
---until it has returned: if it has started the main child again, the stop does not begin.
---@param pid integer of the process
---@param status reaper.status how it ended
---@param rusage reaper.rusage what it used
---@param info? reaper.info what else is known of it; made only when a listener declares this parameter or `...`
function on_reap(pid, status, rusage, info) end

---A signal came, for the main child or the program. The engine waits for the answer, at most the `hook_timeout`, or
---until a hook that waits has returned. What the terminal sends to the main child, such as Ctrl-C, does not come here.
---@param name string such as "SIGTERM" or "SIGRTMIN+3"
---@param number integer the same as a number
---@return false|reaper.signal|nil verdict nothing: the default follows; false: dropped; a signal: that one is forwarded
function on_signal(name, number) end

---The stop begins, and what is left has got TERM. The end of this hook is waited for within the grace.
---@param reason string "main" (the main child has ended), "exit" (`reaper.exit`) or the name of the signal
function on_stop(reason) end

---Nothing is left. A program sees this and `on_stop` only after `reaper.exit`: otherwise it has ended itself.
---@param code integer the exit code that is about to be used
---@param status reaper.status? how the main child ended, if it has
---@return integer? code the exit code from 0 to 255 to use instead
function on_exit(code, status) end

---Another hook, a timer or a reader of output has raised. Without this hook the error is printed on stderr.
---@param message string the error, as text
---@param hook string the name of what has raised; "after", "every", "stdout" or "stderr" where it is no hook
---@param traceback string? the message and where it was raised
function on_error(message, hook, traceback) end

---Deaths of orphans were dropped, because more than 65,536 events waited to be read.
---@param count integer how many
function on_overflow(count) end

---A service of `reaper.supervisor` has come to another state.
---@param name string of the service
---@param state reaper.service_state the new state
---@param detail string? why, such as "exit 3; again in 0.2 s"
function on_service(name, state, detail) end

---The last call of this script: a newly loaded one is about to take over. Scripts only.
function on_reload() end

-- ## Functions
--
-- In scripts and in programs, where nothing else is said. The names of classes are in [Processes](#processes) and the
-- sections after it.

---The module. It is the same table everywhere in one process.
---@class reaper
---@field version string the version, such as "0.1.0"
---@field main? reaper.main_child the main child, whether it lives or not; nil without COMMAND. Scripts only.
reaper = {}

---Starts a child of the engine, which outlives the script's process and is reaped by the engine. Gives nil, message,
---errno when it cannot be started. In a program it raises before `reaper.start`.
---@param options reaper.spawn_options the command and all about it
---@return reaper.process? process
---@return string? message
---@return integer? errno of execve(2), open(2) …; 2 also for an unknown user or group
function reaper.spawn(options) end

---Spawns and waits until the child has ended. Gives nil, message, errno when it cannot be started. In a program it
---raises before `reaper.start`.
---@async
---@param options reaper.run_options the command and all about it
---@return reaper.status? status
---@return reaper.rusage|string|nil rusage the message when there is no status
---@return string|integer|nil output what it wrote on stdout, with `capture`; the errno when there is no status
function reaper.run(options) end

---Waits that long.
---@async
---@param seconds number finite, not negative
function reaper.sleep(seconds) end

---Calls a function once. It runs as hooks do.
---@param seconds number from now on; finite, not negative
---@param f async fun() what to call
---@return reaper.timer timer
function reaper.after(seconds, f) end

---Calls a function again and again, first after that time. While a call has not returned, those that are due are left
---out.
---@param seconds number finite, more than 0
---@param f async fun() what to call
---@return reaper.timer timer
function reaper.every(seconds, f) end

---The time of a clock that only goes forward (CLOCK_MONOTONIC of clock_gettime(2)).
---@return number seconds
function reaper.now() end

---Begins the stop. In a script, `os.exit` does the same and ends the running call. A program itself gets no TERM:
---`reaper.loop` returns when nothing else is left, and then the program has the grace to end. In a program it raises
---before `reaper.start`.
---@param code? integer the exit code from 0 to 255; default: that of the main child or program
function reaper.exit(code) end

---Loads the script anew in a new script process, which takes over when it has loaded; otherwise this one stays. Children are
---not touched. In a program it raises.
function reaper.reload() end

---Changes settings; those that are not named stay. What the command line says has the last word. When it raises for a
---wrong value, the settings before it, in the order of their names, are in force. In a program it raises before
---`reaper.start`. In a script without COMMAND it raises for `user`, which would be nobody's.
---@param settings reaper.script_settings what to change; in a program [reaper.settings](#reapersettings) only
function reaper.configure(settings) end

---The main child, if it lives, and the living children that `reaper.spawn` has made, those of an earlier script process too.
---@return reaper.process[] processes in the order of their pids
function reaper.children() end

---All processes that `/proc` shows; nil, message, errno (2) without it. The process that runs the script is among them,
---as a child of the engine with the `comm` "reaper-script".
---@return reaper.process_entry[]? entries
---@return string? message
---@return integer? errno
function reaper.processes() end

---The engine's counters; nil, message, errno (107) when it has gone. In a program it raises before `reaper.start`.
---@return reaper.statistics? statistics
---@return string? message
---@return integer? errno
function reaper.stats() end

---Writes one line on stderr, in the form of the setting `log_format`, unless `verbose` and `quiet` leave its level out.
---`reaper.log.lines(name[, stream])` gives a function for the `stdout` or `stderr` of a child, which writes each line to
---reaper-lua's own ("stdout", or the stream "stderr") with the name in front ("web: …"), or as a JSON object.
---@param level reaper.level how important it is
---@param message any what is passed through `tostring`
---@param fields? table<any, any> names and values for the end of the line
function reaper.log(level, message, fields) end

---Adds a listener to a hook: all are called, in the order of their making. `on_signal` and `on_exit` are asked one
---after the other, until one gives an answer.
---@overload fun(hook: "on_start", f: reaper.on_start): fun()
---@overload fun(hook: "on_reap", f: reaper.on_reap): fun()
---@overload fun(hook: "on_signal", f: reaper.on_signal): fun()
---@overload fun(hook: "on_stop", f: reaper.on_stop): fun()
---@overload fun(hook: "on_exit", f: reaper.on_exit): fun()
---@overload fun(hook: "on_error", f: reaper.on_error): fun()
---@overload fun(hook: "on_overflow", f: reaper.on_overflow): fun()
---@overload fun(hook: "on_service", f: reaper.on_service): fun()
---@overload fun(hook: "on_reload", f: reaper.on_reload): fun()
---@param hook reaper.hook the hook's name
---@param f function takes and gives what the hook does
---@return fun() remove takes the listener away; later calls do nothing
function reaper.on(hook, f) end

---wait4(2), for a program that wants no second process: waits for a child of this very process, and lets nothing else
---run meanwhile. Gives 0 alone when WNOHANG was given and none has ended; nil, message, errno otherwise (10: no child,
---4: a signal came).
---@param pid? integer as wait4 takes it (default -1: any child)
---@param options? integer the constants below, combined with `|` (default 0)
---@return integer? pid
---@return reaper.status|string|nil status the message when there is no pid
---@return reaper.rusage|integer|nil rusage the errno when there is no pid
function reaper.wait4(pid, options) end

---Says whether this process adopts orphans below it (PR_SET_CHILD_SUBREAPER of prctl(2)), for a program that wants no
---second process. Gives true; or nil, message, errno.
---@param on boolean whether it does
---@return true? ok
---@return string? message
---@return integer? errno
function reaper.set_child_subreaper(on) end

-- ## In a program
--
-- Besides the functions above, a Lua program has these.

---Splits the process: the parent, which keeps its pid, becomes the engine, and the program goes on in the child. From
---here on orphans are reaped, signals are forwarded, and the engine ends with the program's exit code. Call it first.
---
---Gives true in the program. Gives nil, message, and nothing has changed, where it cannot be done: not process 1 and
---neither `disable_pid1_check` nor `enable_child_subreaper`, started already, in a child that was forked since, in a
---process with threads, with a wrong REAPER_ variable. With errno too when a system call has failed.
---@param config? reaper.config hooks, settings and more (default: none)
---@return true? ok
---@return string? message
---@return integer? errno
function reaper.start(config) end

---`reaper.start` with the defaults.
---@return true? ok
---@return string? message
---@return integer? errno
function reaper.reap() end

---`reaper.start` under go-reaper's name.
---@param config? reaper.config hooks, settings and more (default: none)
---@return true? ok
---@return string? message
---@return integer? errno
function reaper.run_forked(config) end

---Starts, calls the function, and ends the program with the exit code that it returns. An error in it goes to stderr,
---with exit code 70. Comes back only where it cannot start, as `reaper.start` does.
---@param config reaper.config? as in `reaper.start`
---@param fn fun(): integer|boolean|nil an exit code; nothing or true for 0, false for 1
---@return nil failed
---@return string message
---@return integer? errno
function reaper.with_reaper(config, fn) end

---Each death in order, for a loop: `for pid, status, rusage in reaper.statuses() do`. It begins with the first death
---after `reaper.start` that no `on_reap` was told of, and waits for the next. What a loop that is left early has not
---taken, the next one is given. Raises before `reaper.start`.
---@param timeout? number the loop ends when no death has come for so many seconds (default: never), or without engine
---@return async fun(): integer, reaper.status, reaper.rusage next
function reaper.statuses(timeout) end

---Calls the hooks and timers that are due; if there are none, waits for some. Gives nil, message when the engine has
---gone. Cannot be called in a hook. Raises before `reaper.start`.
---@param timeout? number how long to wait at most (default 0)
---@return integer? count of the events, timers and pipes that it has dealt with
---@return string? message
function reaper.poll(timeout) end

---Calls hooks and timers as they become due, until `reaper.exit` has stopped everything but the program. Cannot be
---called in a hook. Raises before `reaper.start`.
---@return true ok
function reaper.loop() end

---A descriptor for other event loops (poll, epoll, luv, cqueues): it is readable when `reaper.poll()` has something to
---do, timers included. Raises before `reaper.start`.
---@return integer? fd
---@return string? message
---@return integer? errno
function reaper.fd() end

---What `reaper.start` takes: the settings, the hooks, and the keys of go-reaper.
---@class reaper.config: reaper.settings, reaper.hooks
---@field pid? integer whose deaths are told, as wait4(2) takes it (default -1: everyone's); all are reaped
---@field options? integer `WNOHANG`, `__WALL` and `__WNOTHREAD` are accepted and change nothing (default 0)
---@field debug? boolean as `verbose = 2`
---@field disable_pid1_check? boolean go on where this is not process 1; orphans are adopted as before, by others
---@field enable_child_subreaper? boolean go on where this is not process 1, and adopt orphans there, too

-- ## Processes

---A child of the engine. Signals go through a pidfd where the kernel has it, so they never hit another process that was
---given the same pid. `tostring` gives "process 7 (name)".
---@class reaper.process
---@field pid integer the process's number
---@field name? string as given to `reaper.spawn`
---@field stdin? reaper.writer of a child that was spawned with `stdin = "pipe"`
---@field stdout? reaper.reader of one with `stdout = "pipe"` or a function, and of a child of an earlier script process
---@field stderr? reaper.reader the same
local process = {}

---Whether it has not ended yet.
---@return boolean alive
function process:alive() end

---Sends a signal. Gives nil, message, errno when it cannot, with errno 3 (ESRCH) when the process has ended.
---@param signal? reaper.signal default "TERM"
---@return true? ok
---@return string? message
---@return integer? errno
function process:kill(signal) end

---Waits until it has ended, any number of times. Gives nil, "timeout" when the time is over; in a program nil, "the
---engine has gone" after the engine's end.
---@async
---@param timeout? number how long to wait at most (default: for ever)
---@return reaper.status? status
---@return reaper.rusage|string rusage
function process:wait(timeout) end

---Ends it and waits for that: sends the signal and CONT, and KILL after the grace.
---@async
---@param options? reaper.stop_options how (default: TERM, and KILL after 5 seconds)
---@return reaper.status? status
---@return reaper.rusage|string rusage
function process:stop(options) end

---What `process:stop` takes.
---@class reaper.stop_options
---@field signal? reaper.signal default "TERM"
---@field grace? number seconds before KILL (default 5; `math.huge`: never)

---`reaper.main`: a process that can be started again, with another pid then. Scripts only.
---@class reaper.main_child: reaper.process
---@field pid? integer nil before it was started for the first time
---@field name string "main"
local main_child = {}

---Runs COMMAND again. Gives nil, message, errno when it cannot be started, with errno 16 (EBUSY) while it lives, before
---its first start and during the stop.
---@return true? ok
---@return string? message
---@return integer? errno
function main_child:start() end

---What `reaper.spawn` takes: the words of the command in the sequence, and these keys. The child has a process group of
---its own, the signal mask that was there before the engine, and no descriptors above 2 but those of `fds`.
---@class reaper.spawn_options
---@field [integer] string|integer the command, which is searched in PATH, and its arguments
---@field name? string 1 to 63 bytes, for `info.name`; also REAPER_NAME in its environment
---@field env? table<string, string|number|false> variables to add; false takes one away
---@field clear_env? boolean start with no variables but those of `env`, `name` and `user`
---@field cwd? string its folder
---@field user? string|integer a name or number, "user:group" too; sets HOME, USER and LOGNAME
---@field group? string|integer a name or number
---@field umask? integer from 0 to 511 (umask(2))
---@field nice? integer from -20 to 19 (setpriority(2))
---@field rlimit? reaper.limits resource limits (setrlimit(2))
---@field oom_score_adj? integer from -1000 to 1000 (proc_pid_oom_score_adj(5))
---@field session? boolean a session of its own (setsid(2)) instead of a process group
---@field fds? table<integer, file*|integer> further descriptors: the child's number, and an open file or a descriptor
---@field stdin? "inherit"|"null"|"pipe"|string|integer|file* or a path, an open file, a descriptor (default "inherit")
---The same; a file that a path names is appended to, and a function is called with each line. Opening a path never
---waits. A FIFO is opened for both directions: the child does not wait for the other side, and does not see it go.
---@field stdout? "inherit"|"null"|"pipe"|string|integer|file*|async fun(line: string)
---The same; "stdout": where stdout goes.
---@field stderr? "inherit"|"null"|"pipe"|"stdout"|string|integer|file*|async fun(line: string)

---What `reaper.run` takes.
---@class reaper.run_options: reaper.spawn_options
---@field capture? boolean give what it writes on stdout; with `stderr = "stdout"` both

---The key `rlimit`: the resources of getrlimit(2), under the names that prlimit(1) gives them.
---@class reaper.limits
---@field as? reaper.limit address space, in bytes
---@field core? reaper.limit core file, in bytes
---@field cpu? reaper.limit CPU time, in seconds
---@field data? reaper.limit data segment, in bytes
---@field fsize? reaper.limit size of a file that it writes, in bytes
---@field locks? reaper.limit file locks
---@field memlock? reaper.limit locked memory, in bytes
---@field msgqueue? reaper.limit POSIX message queues, in bytes
---@field nice? reaper.limit 20 minus the lowest nice value that it may set
---@field nofile? reaper.limit one more than the highest descriptor
---@field nproc? reaper.limit processes and threads of its user
---@field rss? reaper.limit resident memory, in bytes; without effect since Linux 2.4.30
---@field rtprio? reaper.limit real-time priority
---@field rttime? reaper.limit CPU time in real-time scheduling without a blocking call, in microseconds
---@field sigpending? reaper.limit queued signals of its user
---@field stack? reaper.limit stack, in bytes

-- ## Streams
--
-- Our ends of pipes to children. What nobody reads stays in the pipe, and the child waits when it is full.

---The read end of a child's stdout or stderr. One caller at a time; a second one raises.
---@class reaper.reader
local reader = {}

---The next line without its newline, or nil at the end. A line of more than 1 MiB comes in pieces.
---@async
---@return string? line
function reader:read() end

---The same for a loop: `for line in process.stdout:lines() do`.
---@return async fun(): string next
function reader:lines() end

---Everything up to the end.
---@async
---@return string text
function reader:read_all() end

---Calls the function with each line from now on, without its newline. While a call has not returned, nothing is read.
---@param f async fun(line: string) what to call
function reader:each(f) end

---Reads no more: the child gets SIGPIPE when it writes. What was read already can still be taken.
function reader:close() end

---The write end of a child's stdin.
---@class reaper.writer
local writer = {}

---Writes all of the text, waiting while the pipe is full. Texts of several callers stay whole. Gives nil, message,
---errno when it cannot: 32 (EPIPE) when nobody reads any more, 9 (EBADF) after `close`.
---@async
---@param text string what to write
---@return true? ok
---@return string? message
---@return integer? errno
function writer:write(text) end

---The child reads the end of its stdin.
function writer:close() end

-- ## Timers

---What `reaper.after` and `reaper.every` give.
---@class reaper.timer
local timer = {}

---It will not fire any more. Gives whether it still would have.
---@return boolean cancelled
function timer:cancel() end

-- ## Tables

---How a process ended, as wait4(2) says. `tostring` gives "exit 3" or "signal SIGSEGV (core dumped)". Of a service
---whose end nobody has seen, since the script's process was lost with it, `kind` is "unknown", `exit_code` is 255, and
---there are neither `code` nor `raw`.
---@class reaper.status
---@field kind "exit"|"signal"|"unknown"|"stop"|"continue" the last two only from `reaper.wait4`
---@field code integer the exit code, or the signal's number
---@field signal? string the signal's name, such as "SIGKILL"; nil after an exit
---@field core boolean whether a core dump was made
---@field ok boolean exit code 0
---@field exit_code? integer as a shell has it: the exit code, or 128 + the signal's number; nil when it has not ended
---@field raw integer the wait status itself

---What a process and the children that it has waited for have used (getrusage(2), wait4(2)).
---@class reaper.rusage
---@field utime number seconds of CPU time in user mode
---@field stime number seconds of CPU time in the kernel
---@field maxrss integer most resident memory at one time, in bytes; of a spawned child at least the spawning process's
---@field minflt integer page faults without input
---@field majflt integer page faults that had to read
---@field inblock integer inputs of a file system
---@field oublock integer outputs of a file system
---@field nvcsw integer voluntary context switches
---@field nivcsw integer involuntary context switches

---What else is known of a process that was reaped.
---@class reaper.info
---@field comm? string the program's name, at most 15 bytes; nil when `/proc` was not read
---@field lifetime? number seconds since it was made; nil when `/proc` was not read
---@field main boolean the main child
---@field orphan boolean adopted: neither the main child nor spawned
---@field name? string of a spawned child that was given one
---@field oom boolean the cgroup's counter of out-of-memory kills moved around a death by KILL: likely, not certain

---What `reaper.stats` gives.
---@class reaper.statistics
---@field reaped integer processes that the engine has reaped, without script processes
---@field orphans integer those of them that were adopted
---@field dropped integer deaths that were not told, see `on_overflow`
---@field script_restarts integer how often a lost script process was started again; 0 in a program
---@field zombies_peak integer the most deaths that were found at one time
---@field uptime number seconds since the engine was started

---A process in the list of `reaper.processes` (proc_pid_stat(5)).
---@class reaper.process_entry
---@field pid integer the process's number
---@field ppid integer its parent; 0 where that is outside of the PID namespace
---@field pgrp integer its process group
---@field session integer its session
---@field state string one letter: R running, S sleeping, D in uninterruptible sleep, T stopped, Z zombie (no thread lives) …
---@field comm string the program's name, at most 15 bytes
---@field lifetime number seconds since it was made

---The hooks as keys of a table, for `reaper.start`.
---@class reaper.hooks
---@field on_start? reaper.on_start the engine runs
---@field on_reap? reaper.on_reap a process was reaped
---@field on_signal? reaper.on_signal a signal came
---@field on_stop? reaper.on_stop the stop begins
---@field on_exit? reaper.on_exit nothing is left
---@field on_error? reaper.on_error another hook has raised
---@field on_overflow? reaper.on_overflow deaths were dropped
---@field on_service? reaper.on_service a supervised service has come to another state

---The table that a script may return instead of defining global functions.
---@class reaper.script_hooks: reaper.hooks
---@field on_reload? reaper.on_reload a newly loaded script is about to take over

-- ## Names for types

---A name, with or without SIG and in any case ("TERM", "SIGRTMIN+3"), or a number from 1 to 64.
---@alias reaper.signal string|integer

---The name of a hook.
---@alias reaper.hook "on_start"|"on_reap"|"on_signal"|"on_stop"|"on_exit"|"on_error"|"on_overflow"|"on_service"|"on_reload"

---The state of a supervised service.
---@alias reaper.service_state "waiting"|"starting"|"running"|"backoff"|"stopping"|"finished"|"failed"

---The level of a line in the log; "debug" is shown with `verbose = 1`, "trace" with 2.
---@alias reaper.level "error"|"warning"|"info"|"debug"|"trace"

---A limit: one number for both, or soft and hard limit in a sequence. `math.huge` is no limit.
---@alias reaper.limit number|number[]

---The function of the hook `on_start`.
---@alias reaper.on_start async fun(pid: integer?, again: "crash"|"reload"|nil)

---The function of the hook `on_reap`.
---@alias reaper.on_reap async fun(pid: integer, status: reaper.status, rusage: reaper.rusage, info?: reaper.info)

---The function of the hook `on_signal`.
---@alias reaper.on_signal async fun(name: string, number: integer): false|reaper.signal|nil

---The function of the hook `on_stop`.
---@alias reaper.on_stop async fun(reason: string)

---The function of the hook `on_exit`.
---@alias reaper.on_exit async fun(code: integer, status: reaper.status?): integer?

---The function of the hook `on_error`.
---@alias reaper.on_error async fun(message: string, hook: string, traceback: string?)

---The function of the hook `on_overflow`.
---@alias reaper.on_overflow async fun(count: integer)

---The function of the hook `on_service`.
---@alias reaper.on_service async fun(name: string, state: reaper.service_state, detail: string?)

---The function of the hook `on_reload`.
---@alias reaper.on_reload async fun()

-- ## Settings
--
-- Keys of `reaper.configure` and `reaper.start`: the options of the command line. The environment variable REAPER_ and
-- the name in capitals sets each of them too, such as REAPER_GRACE=20; it yields to what script or program say.

---Settings of scripts and programs.
---@class reaper.settings
---@field grace? number seconds between TERM and KILL when stopping (default 5; 0: KILL at once)
---@field kill_group? boolean forward signals to the main child's or program's process group
---Signals to rewrite before they are forwarded; false or 0 drops one.
---@field rewrite? table<reaper.signal, reaper.signal|false>
---@field map_exit? table<integer, integer> exit codes of the main child or program, and the codes to end with instead
---@field leave_orphans? boolean when the main child or program ends, end at once and signal nothing that is left
---@field parent_death? reaper.signal the engine gets it when its parent dies
---Seconds to wait for a hook's answer (default 1; 0: nothing is asked). A script's hook may compute as long at a time.
---@field hook_timeout? number
---@field warn? boolean say on stderr each orphan that is reaped
---More on stderr: 1 or true, the life of main child, script process and stop; 2 or 3, each signal and reap (default 0).
---@field verbose? boolean|integer
---@field quiet? boolean only errors on stderr
---@field log_format? "text"|"json" the form of the lines on stderr (default "text")

---Settings of scripts: those, and what only a script can use.
---@class reaper.script_settings: reaper.settings
---@field user? string|integer run COMMAND as that user, "user:group" too; services have a `user` of their own
---@field hook_memory? string|integer limit of the Lua state: bytes, or a text such as "64M" (default: none)
---Seconds after which a script process that leaves events unread is killed and replaced (default 0: never).
---@field script_timeout? number

-- ## Constants
--
-- Options of `reaper.wait4`, as wait4(2) and waitpid(2) have them.

---Do not wait when no child has ended.
---@type integer
reaper.WNOHANG = 1

---Tell stopped children, too.
---@type integer
reaper.WUNTRACED = 2

---Tell children that CONT has let go on, too.
---@type integer
reaper.WCONTINUED = 8

---Wait for all children, whatever signal their end sends.
---@type integer
reaper.__WALL = 0x40000000

---Wait only for children whose end sends no SIGCHLD (clone(2)).
---@type integer
reaper.__WCLONE = 0x80000000

---Do not wait for children of other threads.
---@type integer
reaper.__WNOTHREAD = 0x20000000

return reaper
