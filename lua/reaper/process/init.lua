--- Processes: spawn, wait, signal, and what they write.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local loop = require "reaper.runtime.loop"
local plumbing = require "reaper.process.descriptors"
local request = require "reaper.process.request"
local stream = require "reaper.process.stream"

local process = {}

local Process = {} -- the methods
Process.__index = Process
Process.__name = "reaper.process"

local private = setmetatable({}, { __mode = "k" }) -- process → { pidfd, status, rusage, waiters }
local by_pid = {} -- pid → live process
local adopted_outputs = {} -- streams of children of an earlier script process that nobody has asked for yet
local adopted_ready = {} -- pid → where such a child tells that it is ready

-- Objects.

local function new(pid, pidfd, name)
  local self = setmetatable({ pid = pid, name = name ~= "" and name or nil }, Process)
  private[self] = { pidfd = pidfd, waiters = {} }
  local before = pid and by_pid[pid]
  while before and private[before].newer do
    before = private[before].newer
  end
  if before then -- it has ended, since its pid is in use again, but its death has not been read
    private[before].newer = self
  elseif pid then
    by_pid[pid] = self
  end
  return self
end

local function check_self(self, where)
  local state = private[self]
  if not state then
    check.refuse(where, "self", "a process expected; call it with a colon")
  end
  return state
end

--- True until it has ended.
function Process:alive()
  local state = check_self(self, "process:alive")
  return self.pid ~= nil and not state.status and core.is_alive(state.pidfd, self.pid)
end

--- Sends a signal (name or number). True; or nil, message, errno: 3 (ESRCH) when it has ended.
function Process:kill(signal)
  local state = check_self(self, "process:kill")
  local number = check.signal("process:kill", "signal", signal == nil and "TERM" or signal)
  if not self.pid or state.status then
    return nil, self.pid and "the process has ended" or "the process has not been started", 3
  end
  return core.kill(state.pidfd, self.pid, number)
end

--- Waits until it has ended: status, rusage. After `timeout` seconds: nil, "timeout".
function Process:wait(timeout)
  local state = check_self(self, "process:wait")
  if timeout ~= nil then
    check.seconds("process:wait", "timeout", timeout, true)
  end
  if state.status then
    return state.status, state.rusage
  end
  loop.check_wait("process:wait")
  local timer
  local status, rusage = loop.wait_for_engine(function(co)
    state.waiters[#state.waiters + 1] = co
    if timeout and timeout < math.huge then
      timer = loop.add_timer(timeout, function()
        for i, other in ipairs(state.waiters) do
          if other == co then
            table.remove(state.waiters, i)
          end
        end
        loop.wake(co, nil, "timeout")
      end)
    end
  end)
  if timer then
    loop.remove_timer(timer)
  end
  return status, rusage
end

--- Stops it: a signal (default TERM, and CONT for one that is stopped), KILL after the grace (default 5 s).
-- @return status, rusage
function Process:stop(options)
  check_self(self, "process:stop")
  options = options == nil and {} or check.type("process:stop", "options", options, "table")
  check.keys("process:stop", options, { "signal", "grace" })
  local signal = check.signal("process:stop", "signal", options.signal == nil and "TERM" or options.signal)
  local grace = check.seconds("process:stop", "grace", options.grace == nil and 5 or options.grace, true)
  if private[self].status then
    return private[self].status, private[self].rusage
  end
  if not self.pid then
    return nil, "the process has not been started", 3
  end
  loop.check_wait("process:stop")
  self:kill(signal)
  self:kill("CONT")
  local status, rusage = self:wait(grace)
  if rusage == "timeout" then
    self:kill("KILL")
    status, rusage = self:wait()
  end
  return status, rusage
end

Process.__tostring = function(self)
  return ("process %s%s"):format(self.pid or "(not started)", self.name and " (" .. self.name .. ")" or "")
end

-- Ends of processes.

--- A death was told: wakes those who wait for it. Gives the coroutines that it woke and that wait again.
function process.ended(pid, status, rusage)
  local self = by_pid[pid]
  if not self then
    return {}
  end
  local state = private[self]
  local waiters = state.waiters
  by_pid[pid], state.newer = state.newer, nil
  state.status, state.rusage, state.waiters = status, rusage, {}
  if state.pidfd then
    core.close(state.pidfd)
    state.pidfd = nil
  end
  local still = {}
  for _, co in ipairs(waiters) do
    if not loop.wake(co, status, rusage) then
      still[#still + 1] = co
    end
  end
  return still
end

-- The main child.

--- reaper.main: its pid changes when it is started again.
process.main = nil
--- Of its last end: whether it was sent TERM, INT or QUIT before, and whether the stop had begun.
process.main_was_asked, process.main_ended_in_stop = false, false

local function set_main(pid, pidfd)
  local state = private[process.main]
  process.main.pid = pid
  state.pidfd, state.status, state.rusage = pidfd, nil, nil
  by_pid[pid] = process.main
end

--- Runs COMMAND again. True; or nil, message, errno.
local function start_main(self)
  if self ~= process.main then
    check.refuse("process:start", "self", "only reaper.main can be started again")
  end
  local pid, pidfd, errno = core.request(core.ORDER_MAIN_START)
  if not pid then
    return nil, pidfd, errno
  end
  set_main(pid, pidfd)
  return true
end

function process.make_main()
  process.main = new(nil, nil, "main")
  process.main.start = start_main
end

--- The engine has started COMMAND.
function process.main_started(pid, pidfd)
  if process.main and by_pid[pid] ~= process.main then
    set_main(pid, pidfd)
  elseif pidfd then
    core.close(pidfd)
  end
end

-- Children of an earlier script process.

local function adopt_output(self, key, fd)
  if not fd then
    return
  elseif self[key] then -- this script has spawned it itself while it was loaded, and reads it already
    return core.close(fd)
  end
  self[key] = stream.reader(self.pid, key, fd)
  adopted_outputs[#adopted_outputs + 1] = self[key]
end

--- The engine hands over a child that an earlier script process has spawned. It can come twice, with its outputs later.
function process.adopt(pid, name, dead, pidfd, stdout, stderr, ready)
  local self = by_pid[pid]
  if not self then
    self = new(pid, pidfd, name)
    if dead then
      by_pid[pid] = nil
    end
  elseif pidfd then -- of one that is known and dead the end is still to be told
    core.close(pidfd)
  end
  adopt_output(self, "stdout", stdout)
  adopt_output(self, "stderr", stderr)
  adopted_ready[pid] = ready
end

--- The descriptor on which such a child tells that it is ready, once; or nil.
function process.take_ready(pid)
  local fd = adopted_ready[pid]
  adopted_ready[pid] = nil
  return fd
end

--- The outputs that nobody has asked for yet of a child of an earlier script process, which may have ended: key →
-- reader.
function process.adopted_outputs(pid)
  local found = {}
  for _, reader in ipairs(adopted_outputs) do
    if reader.pid == pid then
      found[reader.key] = reader
    end
  end
  return found
end

--- What nobody reads goes on to where reaper-lua's own output goes: a child's pipe never breaks or fills up.
function process.pass_outputs_on()
  for _, output in ipairs(adopted_outputs) do
    stream.pass_on(output)
  end
  for _, fd in pairs(adopted_ready) do
    core.close(fd)
  end
  adopted_outputs, adopted_ready = {}, {}
end

--- reaper.children(): a list of the live children: the main child and those that scripts have spawned, by pid.
function process.children()
  local list = {}
  for _, self in pairs(by_pid) do
    while private[self].newer do
      self = private[self].newer
    end
    list[#list + 1] = self
  end
  table.sort(list, function(a, b)
    return a.pid < b.pid
  end)
  return list
end

-- Spawning.

local function attach_streams(self, spec, ours)
  if ours.stdin then
    self.stdin = stream.writer(ours.stdin)
  end
  for _, key in ipairs { "stdout", "stderr" } do
    if ours[key] then
      self[key] = stream.reader(self.pid, key, ours[key])
      if type(spec[key]) == "function" then
        self[key]:each(spec[key])
      end
    end
  end
end

-- spawn, under the name of the public function that was called. Wrong arguments raise before anything is opened.
local function spawn(where, spec, ready)
  local wanted = request.make(where, spec)
  plumbing.check(where, spec)
  if core.checking then
    return nil, "nothing is started with --check", 1
  end
  local pipes, message, errno = plumbing.lay(where, spec)
  if not pipes then
    return nil, message, errno
  end
  wanted.fds, wanted.tell_stdout, wanted.tell_stderr = pipes.fds, pipes.ours.stdout, pipes.ours.stderr
  wanted.tell_ready = ready
  local pid, pidfd, number = core.spawn(wanted)
  plumbing.close(pipes, not pid)
  if not pid then
    return nil, pidfd, number
  end
  local self = new(pid, pidfd, spec.name)
  attach_streams(self, spec, pipes.ours)
  return self
end

local NOT_FOUND, NOT_EXECUTABLE = 127, 126
local ENOENT, ENOTDIR = 2, 20

--- The status of what nobody has seen end.
process.unknown = setmetatable({ kind = "unknown", ok = false, core = false, exit_code = 255 }, {
  __tostring = function()
    return "unknown"
  end,
})

--- A start that came to no process, as an end with the code that a shell would give (spawn_exit_code in
-- src/common/spawn.c).
function process.not_started(errno)
  return core.status(((errno == ENOENT or errno == ENOTDIR) and NOT_FOUND or NOT_EXECUTABLE) << 8)
end

--- reaper.spawn{ "cmd", "arg", … }: a process; or nil, message, errno.
function process.spawn(spec)
  return spawn("reaper.spawn", request.check("reaper.spawn", spec, {}))
end

--- The same for a service; the engine keeps `ready`, where it tells that it is ready, for the next script process.
function process.spawn_service(spec, ready)
  local where = "supervisor.run " .. spec.name
  return spawn(where, request.check(where, spec, {}), ready)
end

--- reaper.run{ …, capture = true }: spawns and waits: status, rusage[, output]; or nil, message, errno.
function process.run(given)
  loop.check_wait("reaper.run")
  local spec = request.check("reaper.run", given, { "capture" })
  spec.stdout = spec.capture and "pipe" or spec.stdout
  local self, message, errno = spawn("reaper.run", spec)
  if not self then
    return nil, message, errno
  end
  local output = spec.capture and self.stdout:read_all() or nil
  local status, rusage = self:wait()
  return status, rusage, output
end

return process
