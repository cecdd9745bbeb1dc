-- Processes of a virtual container that run a program: a Lua function in a coroutine, which gets the process and its
-- arguments. A file of the folder that begins with #!/bin/sh is run by shell.lua.

local files = require "spec.support.virtual.files"
local signals = require "spec.support.signals"

local program = {}

local Process = {}
Process.__index = Process

local ENOENT, EACCES = 2, 13
local IGNORED = { [17] = true, [18] = true, [23] = true, [28] = true } -- CHLD, CONT, URG, WINCH
local STOPS = { [19] = true, [20] = true, [21] = true, [22] = true }
local KILL, CONT, PIPE = 9, 18, 13

-- ---- Finding. ----

local builtins = {}
program.builtins = builtins

local function absolute(path, cwd)
  if path:sub(1, 1) == "/" then
    return path
  end
  return cwd .. "/" .. path:gsub("^%./", "")
end

local function of_file(machine, path, request)
  local text = machine.texts[path]
  local name = path:match "[^/]+$"
  if not text then
    return nil, ENOENT
  elseif not text:find "^#!/bin/sh\n" then
    return nil, EACCES
  end
  return function(self, ...)
    self.comm = name
    return builtins.sh(self, "-c", text, request.argv[1], ...)
  end
end

-- What the first word names: a function; or nil, message, errno.
function program.find(machine, request)
  if request.run then
    return request.run
  end
  local word = request.argv[1]
  local run, errno = nil, ENOENT
  local base = word:match "[^/]+$"
  local path = absolute(word, request.cwd or machine.folder)
  if machine.programs[base] and (not word:find "/" or machine.programs[base] == builtins[base]
    or path == machine.folder .. "/" .. base) then
    run = machine.programs[base]
  elseif word:find "/" then
    run, errno = of_file(machine, path, request)
    if not run and word:sub(1, #machine.folder) ~= machine.folder and io.open(word) then
      errno = EACCES
    end
  end
  if run then
    return run
  end
  return nil, ("cannot run \"%s\": %s"):format(word, errno == ENOENT and "No such file or directory"
    or "Permission denied"), errno
end

-- ---- Making. ----

local function main(self, run, argv)
  run(self, table.unpack(argv, 2))
  self:exit(0)
end

-- `request`: argv, environment (name -> value), cwd, descriptors (a table of its own), parent (nil: the engine), group,
-- handlers.
function program.new(machine, request, run)
  local self = setmetatable({
    machine = machine, pid = machine:new_pid(), parent = request.parent, argv = request.argv,
    comm = request.argv[1]:match("[^/]+$"):sub(1, 15), environment = request.environment or machine.environment,
    cwd = request.cwd or machine.folder, descriptors = request.descriptors or machine.descriptors:copy(),
    handlers = {}, pending = {}, zombies = {}, deadline = machine.now, maxrss = 1 << 20,
  }, Process)
  for number, handler in pairs(request.handlers or {}) do
    self.handlers[number] = handler == false and false or nil -- what is ignored stays so
  end
  self.group = request.group or self.pid
  self.coroutine = coroutine.create(function()
    main(self, run, request.argv)
  end)
  return self
end

-- ---- Turns. ----

--- A stopped process acts on a signal that ends it only when it goes on, but for KILL.
function Process:is_ending()
  return self.status ~= nil and (not self.is_stopped or self.status & 127 == KILL)
end

function Process:is_ready()
  if self.status or self.is_stopped then
    return false
  end
  return (self.pending[1] ~= nil and not self.is_deaf) or (self.condition ~= nil and self.condition())
    or self.machine.now >= (self.deadline or math.maxinteger)
end

function Process:run()
  if not self.status then
    self.condition, self.deadline = nil, nil
    local ok, message = coroutine.resume(self.coroutine)
    if not ok then
      error(("the program %s: %s"):format(self.comm, debug.traceback(self.coroutine, message)), 0)
    end
  end
  if self.status and not self.gone then
    self.machine:ended(self, self.status)
  end
end

local function take_signals(self)
  while self.pending[1] do
    self.handlers[table.remove(self.pending, 1)](self)
  end
end

--- Runs the handlers of signals that have come.
Process.take_signals = take_signals

--- Waits for a condition and at most until the moment `deadline`. Handlers run meanwhile, unless it is deaf.
function Process:wait_until(condition, deadline, is_deaf)
  while true do
    if not is_deaf then
      take_signals(self)
    end
    if condition and condition() then
      return true
    elseif self.machine.now >= (deadline or math.maxinteger) then
      return false
    end
    self.condition, self.deadline, self.is_deaf = condition, deadline, is_deaf
    coroutine.yield()
  end
end

-- ---- Signals. ----

--- A signal comes to it.
function Process:signal(number)
  if number == CONT then
    self.is_stopped = false
  end
  local handler = self.handlers[number]
  if number == 0 or self.status then
    return
  elseif handler and number ~= KILL then
    self.pending[#self.pending + 1] = number
  elseif handler == nil and STOPS[number] then
    self.is_stopped = true
  elseif handler == nil and not IGNORED[number] then
    self.status = number
    table.insert(self.machine.dying, self)
  end
end

--- f(process) for a signal; false: it is ignored; nil: the default.
function Process:on(signal, f)
  self.handlers[signals.number(signal)] = f
end

-- A process that has killed itself does nothing more.
local function stop_when_dead(self)
  while self.status do
    coroutine.yield()
  end
end

function Process:kill(signal, pid)
  local found = self.machine:kill(pid or self.pid, signals.number(signal))
  stop_when_dead(self)
  return found
end

-- ---- What programs do. ----

--- Ends with the code. Does not return.
function Process:exit(code)
  self.status = self.status or (code or 0) << 8
  stop_when_dead(self)
end

--- Waits so many seconds.
function Process:sleep(seconds)
  self:wait_until(nil, self.machine:after(seconds))
end

--- Writes to a descriptor; false when it is not open.
function Process:write(fd, text)
  local open = self.descriptors:get(fd)
  if not open or not open.write then
    return false
  elseif not open:write(text) then
    self:signal(PIPE)
    stop_when_dead(self)
    return false
  end
  return true
end

function Process:print(...)
  return self:write(1, table.concat({ ... }, "\t") .. "\n")
end

--- A message as sd_notify(3) sends it. False when nobody takes it.
function Process:notify(text)
  local socket = self.machine.sockets[self.environment.NOTIFY_SOCKET or ""]
  return socket ~= nil and socket:send(text, self.pid)
end

function Process:path(name)
  return absolute(name, self.cwd)
end

--- A file of the folder, or nil.
function Process:read_file(name)
  return self.machine.texts[self:path(name)]
end

function Process:write_file(name, text)
  self.machine.texts[self:path(name)] = text
end

function Process:open(name, mode)
  local path = self:path(name)
  if path == "/dev/null" then
    return files.null()
  elseif mode == "r" and not self.machine.texts[path] then
    return nil
  end
  return files.file(self.machine.texts, path, mode)
end

--- Waits until the file is there.
function Process:wait_for_file(name)
  self:wait_until(function()
    return self:read_file(name) ~= nil
  end)
end

--- Starts a child: a process; or nil, message, errno. `run` in place of a program is a fork.
function Process:spawn(argv, run)
  return self.machine:spawn {
    argv = argv, run = run, environment = self.environment, cwd = self.cwd, descriptors = self.descriptors:copy(),
    parent = self, group = self.group, handlers = self.handlers,
  }
end

--- It has a group and a session of its own from now on (setsid(2)); groups and sessions are the same here.
function Process:set_session()
  self.group = self.pid
end

--- It has no environment from now on, as by env -i.
function Process:clear_environment()
  self.environment = {}
end

local function take_zombie(self, child)
  for i, zombie in ipairs(self.zombies) do
    if not child or zombie.process == child then
      return table.remove(self.zombies, i)
    end
  end
end

--- Waits for the end of a child, or of any: its wait status; nil when a signal came first. Others that have ended are
-- collected, too.
function Process:wait(child, is_deaf)
  local taken, interrupted
  self:wait_until(function()
    interrupted = self.pending[1] ~= nil and not is_deaf
    taken = taken or take_zombie(self, child)
    return taken or interrupted
  end, nil, is_deaf or "until it is asked for")
  if not taken then
    take_signals(self)
  end
  self.zombies = {}
  return taken and taken.status
end

--- Becomes another program. Returns only where that cannot be: nil, message, errno.
function Process:exec(argv)
  local run, message, errno = program.find(self.machine, { argv = argv, cwd = self.cwd })
  if not run then
    return nil, message, errno
  end
  self.argv, self.comm = argv, argv[1]:match("[^/]+$"):sub(1, 15)
  for number, handler in pairs(self.handlers) do
    if handler ~= false then -- what is ignored stays so (execve(2))
      self.handlers[number] = nil
    end
  end
  main(self, run, argv)
end

return program
