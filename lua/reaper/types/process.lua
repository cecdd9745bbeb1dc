---@meta _

-- Types of processes, their streams, timers, and the tables that hooks and functions get; see types/reaper.lua.
-- luacheck: ignore 111 112 113 131 211 212 241 631

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

---Runs COMMAND again; or for the first time, where the script does that (beside services). Gives nil, message, errno when
---it cannot be started, with errno 16 (EBUSY) while it lives, while the engine is about to start it and during the stop.
---The first start of a script waits, with warnings, until there is a process to be had.
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
---A pipe that is made belongs to `user`, who can open /dev/stdout then; what is inherited or a path keeps its owner.
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

---A descriptor that is waited for, from `reaper.watch`.
---@class reaper.descriptor_watch
local watch = {}

---It is not called any more, and the descriptor is let go. To be called before the descriptor is closed. Gives whether
---it still would have been called.
---@return boolean cancelled
function watch:cancel() end

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
---@field start_time integer when it was made, in clock ticks after boot: with its pid it is one process for good
local process_entry = {}

---Sends it a signal, and never to a later process that has got its pid. Gives nil, message, errno otherwise: 3 (ESRCH)
---when it has ended.
---@param signal? reaper.signal default "TERM"
---@return true? ok
---@return string? message
---@return integer? errno
function process_entry:kill(signal) end

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
