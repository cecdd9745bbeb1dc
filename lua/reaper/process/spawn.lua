--- Starts children of the engine: reaper.spawn, reaper.run, and the processes of services.

local core = require "reaper.core"
local descriptors = require "reaper.process.descriptors"
local loop = require "reaper.runtime.loop"
local object = require "reaper.process.object"
local request = require "reaper.process.request"
local stream = require "reaper.process.stream"

local spawn = {}

local function attach_streams(self, spec, pipe_ends)
  if pipe_ends.stdin then
    self.stdin = stream.writer(pipe_ends.stdin)
  end
  for _, key in ipairs { "stdout", "stderr" } do
    if pipe_ends[key] then
      self[key] = stream.reader(self.pid, key, pipe_ends[key])
      if type(spec[key]) == "function" then
        self[key]:each(spec[key])
      end
    end
  end
end

-- Starts a child for the public function `where`. Wrong arguments raise before anything is opened.
-- `takes_terminal` gives it the terminal's foreground.
local function start(where, spec, ready_fd, takes_terminal)
  local wanted = request.make(where, spec)
  descriptors.check(where, spec)
  if core.checking then
    return nil, "nothing is started with --check", 1
  end
  local opened, message, errno = descriptors.open(where, spec)
  if not opened then
    return nil, message, errno
  end
  wanted.pipes = opened.pipes
  wanted.fds, wanted.tell_stdout, wanted.tell_stderr = opened.fds, opened.pipe_ends.stdout, opened.pipe_ends.stderr
  wanted.tell_ready, wanted.terminal = ready_fd, takes_terminal and 1 or 0
  local pid, pidfd, number = core.spawn(wanted)
  descriptors.close(opened, not pid)
  if not pid then
    return nil, pidfd, number
  end
  local self = object.new(pid, pidfd, spec.name)
  attach_streams(self, spec, opened.pipe_ends)
  return self
end

--- reaper.spawn{ "cmd", "arg", … }: a process; or nil, message, errno.
function spawn.child(spec)
  return start("reaper.spawn", request.check("reaper.spawn", spec, {}))
end

--- The same for a service. The engine holds `ready_fd`, which says that it is ready, for the next script process. With
-- `takes_terminal` it gets the foreground of the terminal, where the engine leads the terminal's session.
function spawn.service(spec, ready_fd, takes_terminal)
  local where = "supervisor.run " .. spec.name
  return start(where, request.check(where, spec, {}), ready_fd, takes_terminal)
end

--- reaper.run{ …, capture = true }: spawns and waits: status, rusage[, output]; or nil, message, errno.
function spawn.run(given)
  loop.check_wait("reaper.run")
  local spec = request.check("reaper.run", given, { "capture" })
  spec.stdout = spec.capture and "pipe" or spec.stdout
  local self, message, errno = start("reaper.run", spec)
  if not self then
    return nil, message, errno
  end
  local output = spec.capture and self.stdout:read_all() or nil
  local status, rusage = self:wait()
  return status, rusage, output
end

return spawn
