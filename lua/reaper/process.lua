--- Processes: spawn, wait, signal, and what they write.

local core = require "reaper.core"
local check = require "reaper.check"
local loop = require "reaper.loop"
local stream = require "reaper.stream"

local process = {}

local Process = {} -- the methods
Process.__index = Process
Process.__name = "reaper.process"

local private = setmetatable({}, { __mode = "k" }) -- process → { pidfd, status, rusage, waiters }
local by_pid = {} -- pid → live process
local adopted_outputs = {} -- streams of children of an earlier policy that nobody has asked for yet

-- Objects.

local function new(pid, pidfd, name)
  local self = setmetatable({ pid = pid, name = name ~= "" and name or nil }, Process)
  private[self] = { pidfd = pidfd, waiters = {} }
  if pid then
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
  local status, rusage = loop.wait(function(co)
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
  if not status then
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
  by_pid[pid] = nil
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

-- Children of an earlier policy.

local function adopt_output(self, key, fd)
  if not fd then
    return
  end
  self[key] = stream.reader(self.pid, key, fd)
  adopted_outputs[#adopted_outputs + 1] = self[key]
end

--- The engine hands over a child that an earlier policy has spawned. It can come twice, with its outputs later.
function process.adopt(pid, name, dead, pidfd, stdout, stderr)
  local self = by_pid[pid]
  if not self then
    self = new(pid, pidfd, name)
  elseif pidfd then
    core.close(pidfd)
  end
  if dead then
    by_pid[pid] = nil
  end
  adopt_output(self, "stdout", stdout)
  adopt_output(self, "stderr", stderr)
end

--- What nobody reads goes on to where reaper-lua's own output goes: a child's pipe never breaks or fills up.
function process.pass_outputs_on()
  for _, output in ipairs(adopted_outputs) do
    output:pass_on()
  end
  adopted_outputs = {}
end

--- reaper.children(): a list of the live children: the main child and those that scripts have spawned, by pid.
function process.children()
  local list = {}
  for _, self in pairs(by_pid) do
    list[#list + 1] = self
  end
  table.sort(list, function(a, b)
    return a.pid < b.pid
  end)
  return list
end

-- Spawning.

local spawn_keys = {
  "name", "env", "clear_env", "cwd", "user", "group", "umask", "nice", "rlimit", "oom_score_adj", "session", "fds",
  "stdin", "stdout", "stderr",
}

local limit_names = {}
for name in pairs(core.limits) do
  limit_names[#limit_names + 1] = name
end
table.sort(limit_names)

local function read_words(where, spec)
  local argv = {}
  for i = 1, #spec do
    local word = spec[i]
    if math.type(word) == "integer" then
      word = tostring(word)
    end
    argv[i] = check.text(where, ("[%d]"):format(i), word)
  end
  if #argv == 0 then
    check.fail(where, "[1]", "a command")
  end
  return argv
end

local function add_variables(where, variables, env)
  for name, value in pairs(env) do
    check.text(where, "env", name)
    if name == "" or name:find("=", 1, true) then
      check.refuse(where, "env", ("'%s' is not a name of a variable"):format(name))
    end
    if type(value) == "number" then
      value = tostring(value)
    end
    if value == false then
      variables[name] = nil
    else
      variables[name] = check.text(where, "env." .. name, value)
    end
  end
end

-- The environment as "NAME=value", in the order of the names.
local function read_env(where, spec)
  local variables = {}
  if not spec.clear_env then
    for _, line in ipairs(core.environment()) do
      local name, value = line:match("^([^=]+)=(.*)$")
      if name then
        variables[name] = value
      end
    end
    -- Socket activation and notification are meant for COMMAND, and REAPER_NAME would be a parent's.
    variables.LISTEN_PID, variables.LISTEN_FDS, variables.LISTEN_FDNAMES, variables.REAPER_NAME = nil, nil, nil, nil
  end
  if spec.user ~= nil then
    local name, home = core.find_user(spec.user)
    if name then
      variables.HOME = home
      variables.USER, variables.LOGNAME = name ~= "" and name or nil, name ~= "" and name or nil
    end
  end
  if spec.env ~= nil then
    add_variables(where, variables, check.type(where, "env", spec.env, "table"))
  end
  variables.REAPER_NAME = spec.name
  local list = {}
  for name, value in pairs(variables) do
    list[#list + 1] = name .. "=" .. value
  end
  table.sort(list)
  return list
end

local function read_limit(where, name, value)
  local soft, hard = value, value
  if type(value) == "table" then
    soft, hard = value[1], value[2]
  end
  local function amount(given)
    if given == math.huge then
      return -1
    end
    return check.integer(where, "rlimit." .. name, given, 0, math.maxinteger)
  end
  return amount(soft), amount(hard)
end

local function read_limits(where, rlimit)
  local flat = {}
  if rlimit == nil then
    return flat
  end
  check.type(where, "rlimit", rlimit, "table")
  check.keys(where .. " rlimit", rlimit, limit_names, false)
  for name, value in pairs(rlimit) do
    local soft, hard = read_limit(where, name, value)
    table.move({ core.limits[name], soft, hard }, 1, 3, #flat + 1, flat)
  end
  return flat
end

local function descriptor_of(where, name, value)
  local fd = math.type(value) == "integer" and value or core.fileno(value)
  if not fd or fd < 0 then
    check.fail(where, name, "an open file or a descriptor's number", value)
  end
  return fd
end

-- Descriptors that the new process gets (target, source, …), those of this side of pipes, and what to close afterwards.
local function new_plumbing()
  return { fds = {}, ours = {}, close_after = {}, close_on_failure = {} }
end

local function connect(plumbing, target, source)
  local fds = plumbing.fds
  fds[#fds + 1], fds[#fds + 2] = target, source
end

local function add_pipe(plumbing, key, target)
  local read_end, write_end, errno = core.pipe()
  if not read_end then
    return nil, write_end, errno
  end
  local ours, theirs = read_end, write_end
  if target == 0 then
    ours, theirs = write_end, read_end
  end
  connect(plumbing, target, theirs)
  plumbing.ours[key] = ours
  table.insert(plumbing.close_after, theirs)
  table.insert(plumbing.close_on_failure, ours)
  return true
end

local function add_file(plumbing, target, path)
  local fd, message, errno = core.open(path, target == 0 and "r" or "a")
  if not fd then
    return nil, message, errno
  end
  connect(plumbing, target, fd)
  table.insert(plumbing.close_after, fd)
  return true
end

local standard = { stdin = 0, stdout = 1, stderr = 2 }

local function add_standard(where, plumbing, key, value)
  local target = standard[key]
  if value == nil or value == "inherit" then
    connect(plumbing, target, target)
    return true
  elseif value == "null" then
    return add_file(plumbing, target, "/dev/null")
  elseif value == "pipe" or (type(value) == "function" and key ~= "stdin") then
    return add_pipe(plumbing, key, target)
  elseif value == "stdout" and key == "stderr" then
    plumbing.stderr_is_stdout = true
    return true
  elseif type(value) == "string" then
    return add_file(plumbing, target, value)
  end
  connect(plumbing, target, descriptor_of(where, key, value))
  return true
end

local function add_fds(where, plumbing, fds)
  for target, source in pairs(fds or {}) do
    connect(plumbing, target, descriptor_of(where, ("fds[%d]"):format(target), source))
  end
end

local stream_forms = {
  stdin = "\"inherit\", \"null\", \"pipe\", a path or a file",
  stdout = "\"inherit\", \"null\", \"pipe\", a path, a file or a function",
}
stream_forms.stderr = stream_forms.stdout

local function check_stream(where, key, value)
  if type(value) == "string" then
    check.text(where, key, value)
  elseif value ~= nil and not core.fileno(value) and (math.type(value) ~= "integer" or value < 0)
    and (type(value) ~= "function" or key == "stdin") then
    check.fail(where, key, stream_forms[key], value)
  end
end

-- Before anything is opened.
local function check_descriptors(where, spec)
  for _, key in ipairs { "stdin", "stdout", "stderr" } do
    check_stream(where, key, spec[key])
  end
  if spec.fds ~= nil then
    check.type(where, "fds", spec.fds, "table")
  end
  for target, source in pairs(spec.fds or {}) do
    check.integer(where, "fds", target, 0, 1 << 20)
    descriptor_of(where, ("fds[%d]"):format(target), source)
  end
end

local function close_all(list)
  for _, fd in ipairs(list) do
    core.close(fd)
  end
end

local function source_of(plumbing, target)
  for i = 1, #plumbing.fds, 2 do
    if plumbing.fds[i] == target then
      return plumbing.fds[i + 1]
    end
  end
end

-- The plumbing, or nil, message, errno.
local function lay_pipes(where, spec)
  local plumbing = new_plumbing()
  for _, key in ipairs { "stdin", "stdout", "stderr" } do
    local ok, message, errno = add_standard(where, plumbing, key, spec[key])
    if not ok then
      close_all(plumbing.close_after)
      close_all(plumbing.close_on_failure)
      return nil, message, errno
    end
  end
  if plumbing.stderr_is_stdout then
    connect(plumbing, 2, source_of(plumbing, 1))
  end
  add_fds(where, plumbing, spec.fds)
  return plumbing
end

local function check_spec(where, spec, extra)
  check.type(where, "options", spec, "table")
  local known = table.move(spawn_keys, 1, #spawn_keys, 1, {})
  table.move(extra, 1, #extra, #known + 1, known)
  check.keys(where, spec, known, true)
  for _, key in ipairs { "name", "cwd", "user", "group" } do
    if spec[key] ~= nil then
      if math.type(spec[key]) == "integer" and (key == "user" or key == "group") then
        spec[key] = tostring(spec[key])
      end
      check.text(where, key, spec[key])
    end
  end
  if spec.name and (#spec.name == 0 or #spec.name >= core.NAME_SIZE) then
    check.refuse(where, "name", ("1 to %d bytes expected"):format(core.NAME_SIZE - 1))
  end
  for _, key in ipairs { "session", "clear_env", "capture" } do
    if spec[key] ~= nil then
      check.type(where, key, spec[key], "boolean")
    end
  end
end

local function optional_integer(where, spec, key, least, most)
  return spec[key] ~= nil and check.integer(where, key, spec[key], least, most) or nil
end

local function make_request(where, spec, plumbing)
  return {
    argv = read_words(where, spec),
    env = read_env(where, spec),
    limits = read_limits(where, spec.rlimit),
    name = spec.name,
    cwd = spec.cwd,
    user = spec.user,
    group = spec.group,
    umask = optional_integer(where, spec, "umask", 0, 511),
    nice = optional_integer(where, spec, "nice", -20, 19),
    oom_score_adj = optional_integer(where, spec, "oom_score_adj", -1000, 1000),
    session = spec.session and 1 or 0,
    fds = plumbing.fds,
    tell_stdout = plumbing.ours.stdout,
    tell_stderr = plumbing.ours.stderr,
  }
end

local function attach_streams(self, spec, plumbing)
  local ours = plumbing.ours
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

-- spawn, under the name of the public function that was called.
local function spawn(where, spec, extra)
  check_spec(where, spec, extra)
  if core.checking then
    return nil, "nothing is started with --check", 1
  end
  -- Wrong arguments raise before anything is opened.
  make_request(where, spec, new_plumbing())
  check_descriptors(where, spec)
  local plumbing, message, errno = lay_pipes(where, spec)
  if not plumbing then
    return nil, message, errno
  end
  local pid, pidfd, number = core.spawn(make_request(where, spec, plumbing))
  close_all(plumbing.close_after)
  if not pid then
    close_all(plumbing.close_on_failure)
    return nil, pidfd, number
  end
  local self = new(pid, pidfd, spec.name)
  attach_streams(self, spec, plumbing)
  return self
end

--- reaper.spawn{ "cmd", "arg", … }: a process; or nil, message, errno.
function process.spawn(spec)
  return spawn("reaper.spawn", spec, {})
end

--- reaper.run{ …, capture = true }: spawns and waits: status, rusage[, output]; or nil, message, errno.
function process.run(spec)
  loop.check_wait("reaper.run")
  check_spec("reaper.run", spec, { "capture" })
  if not spec.capture then
    local self, message, errno = spawn("reaper.run", spec, { "capture" })
    if not self then
      return nil, message, errno
    end
    return self:wait()
  end
  local copy = {}
  for key, value in pairs(spec) do
    copy[key] = value
  end
  copy.stdout = "pipe"
  local self, message, errno = spawn("reaper.run", copy, { "capture" })
  if not self then
    return nil, message, errno
  end
  local output = self.stdout:read_all()
  local status, rusage = self:wait()
  return status, rusage, output
end

return process
