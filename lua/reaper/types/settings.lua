---@meta _

-- Names for types, settings and constants; see types/reaper.lua.
-- luacheck: ignore 111 112 113 131 211 212 241 631

-- ## Names for types

---A name, with or without SIG and in any case ("TERM", "SIGRTMIN+3"), or a number from 1 to 64.
---@alias reaper.signal string|integer

---The name of a hook.
---@alias reaper.hook "on_start"|"on_reap"|"on_signal"|"on_stop"|"on_exit"|"on_error"|"on_overflow"|"on_service"|"on_reload"

---The state of a supervised service.
---@alias reaper.service_state "waiting"|"scheduled"|"pre_start"|"starting"|"running"|"stopping"|"clearing"|"post_stop"|"backoff"|"finished"|"failed"

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
---Begin those lines, and those of `reaper.log.lines`, with the time (RFC 3339, UTC, milliseconds); JSON has it anyway.
---@field log_time? boolean
---A file into which the engine writes, when the container ends, why it does: the exit code, how COMMAND ended, what began
---the stop, which service failed for good, the last error that reaper-lua has told. An absolute path of at most 95 bytes,
---such as Kubernetes' "/dev/termination-log"; at most 4,096 bytes are written.
---@field termination_log? string

---Settings of scripts: those, and what only a script can use.
---@class reaper.script_settings: reaper.settings
---@field user? string|integer run COMMAND as that user, "user:group" too; services have a `user` of their own
---COMMAND's environment, from its next start on: variables to set, and with false to take away; those that are not named
---stay as they were. All together have at most 131,072 bytes. No environment variable of reaper-lua sets it.
---@field env? table<string, string|number|false>
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
