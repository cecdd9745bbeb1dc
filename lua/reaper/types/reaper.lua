---@meta reaper

-- Types for LuaLS, from which tools/reference.lua also makes doc/REFERENCE.md. Nothing loads this file.
-- luacheck: ignore 111 112 113 131 212 241 631

-- # Reference
--
-- Everything that the table `reaper` holds, in a script of reaper-lua (the global `reaper`) and in a Lua program
-- (`local reaper = require "reaper"`). Made by `make reference` from the files of [lua/reaper/types/](../lua/reaper/types/),
-- which also tell LuaLS of it: put that directory into its setting `workspace.library`.
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
---@param pid integer? of the main child; nil without COMMAND and beside services; in a program its own
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

---A service of `reaper.supervisor` has come to another state (see [Services](#services)).
---@param name string of the service; "main" is COMMAND
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
---@field schedule reaper.schedule at which times a line of crontab(5) fires; the same as `require "reaper.schedule"`
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

---Calls a function whenever a descriptor is readable or writable, as poll(2) says: at the end of its input and after an
---error, too. It runs as hooks do, and is not called again while it runs. It has to read or write, or the watch has to be
---cancelled, at the end of the input above all: otherwise it is called again at once, without end. What a Lua file has in
---its own buffer already does not count. A function that raises is called again after a second. The script keeps the
---descriptor open until the watch is cancelled; a watch whose descriptor was closed before ends by itself when it would
---be called. Gives nil, message, errno when there is no descriptor to be had; raises for one that is not open, or is that
---of a regular file.
---@param fd integer|file* a descriptor, or an open Lua file
---@param mode "r"|"w" readable or writable
---@param f async fun() what to call
---@return reaper.descriptor_watch? watch
---@return string? message
---@return integer? errno
function reaper.watch(fd, mode, f) end

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
---`reaper.start`. In a script without COMMAND it raises for `user` and `env`, which would be nobody's.
---@param settings reaper.script_settings what to change; in a program [reaper.settings](#reapersettings) only
function reaper.configure(settings) end

---The main child, if it lives, and the living children that `reaper.spawn` has made, those of an earlier script process too.
---@return reaper.process[] processes in the order of their pids
function reaper.children() end

---Sends a signal to any process, by its number, or to a process group. A child is better sent one by `process:kill`, and
---what `reaper.processes` lists by its own `:kill`: these never hit another process that has got the number since. Gives
---nil, message, errno otherwise: 3 (ESRCH) when there is none, 1 (EPERM). Raises for 0 and -1, and for reaper-lua itself
---and its group.
---@param pid integer a process; or a process group, as a negative number
---@param signal? reaper.signal default "TERM"
---@return true? ok
---@return string? message
---@return integer? errno
function reaper.kill(pid, signal) end

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
---Nothing in it makes a second line: control characters of the message are escaped, such as `\n`, `\x1b`, and values with
---blanks, quotes or control characters are quoted as in JSON. What `tostring` fails for is named by its type.
---
---A line has at most 4,096 bytes (PIPE_BUF), so that lines of several processes never mix. A longer message is cut
---between two characters and ends with "…". Fields of up to 2,048 bytes have room then; longer ones are cut in text, and
---in JSON, which stays whole, they become `"cut":true`.
---
---In JSON, `time`, `level` and `message` come first; fields of these names, or of one name, get a `_` behind it. A field
---that is a table is JSON, in text too: a list where its keys are 1 to its length (`{}` is `[]`), otherwise an object. In
---it a table that holds itself is "(cycle)", one below eight others "(too deep)". A table with `__tostring`, such as a
---status, and all other values are the text that `tostring` gives.
---
---An error with a traceback is one event: in text its further lines begin with two spaces, in JSON it is one line.
---@param level reaper.level how important it is
---@param message any what is passed through `tostring`
---@param fields? table<any, any> names and values for the end of the line
function reaper.log(level, message, fields) end

---`reaper.log.lines` and `reaper.log.file` give functions for the `stdout` or `stderr` of a child, to which each of its
---lines goes. Lines are never cut.
---
---`lines` writes them to reaper-lua's own stdout or stderr with the name in front ("web: …"), or as JSON objects with
---`time`, `service`, `stream` and `message`. In text their bytes are those of the child, with colours and what else a
---terminal acts on; only a carriage return in front of the newline is left out. Where the child may not be trusted with
---the terminal, JSON is better.
---
---`file` appends them to a file, byte for byte; with a `name` they have the form of `lines`. A file that would become
---longer than `max` is renamed to path.1, path.1 to path.2 and so on up to path.`keep`, and a new one begun, with its
---owner and mode (0640 at first). One that somebody else has renamed or removed is opened again. Sinks of one path share
---the file and its limits. After a reload or a crash the script goes on where the file ends.
---
---Nobody waits for the disk: while it is full, lines are lost. This is logged once, and their number when it goes on. A
---file that cannot be rotated grows on, which is logged too. `file` raises where the file cannot be opened at all: without
---its directory, without permission, or for what is no regular file, such as a symbolic link, by which whoever may write
---into the directory could lead the script elsewhere.
---@class reaper.log_sinks
---@field lines fun(name: string, stream?: "stdout"|"stderr"): fun(line: string) where to (default "stdout")
---@field file fun(path: string, options?: reaper.log_file_options): fun(line: string) the directory must be there

---What `reaper.log.file` takes.
---@class reaper.log_file_options
---@field max? integer bytes of a file, at least 64 (default 10 MiB; math.huge: never rotated); a longer line stays whole
---@field keep? integer how many older files are kept, up to 1,000 (default 3; 0: none)
---@field name? string what stands in front of each line, or `service` in JSON
---@field stream? "stdout"|"stderr" with a name, `stream` in JSON (default "stdout")

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

return reaper
