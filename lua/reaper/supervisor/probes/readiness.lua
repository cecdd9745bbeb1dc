--- When a service is ready: one kind for each key of `ready`. READY=1 is in notify.lua.

local core = require "reaper.core"
local ask = require "reaper.supervisor.probes.ask"
local kind = require "reaper.supervisor.probes.kind"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local Notify = require "reaper.supervisor.probes.notify"
local process = require "reaper.process"
local timers = require "reaper.runtime.timers"

-- It is ready at once.
local Immediate = kind.new()

function Immediate:watch()
  return timers.after(0, function()
    self.service:fire "ready"
  end)
end

function Immediate:ended() -- it ran, however short that was
  self.service:fire "ready"
end

-- It has lived for a while.
local Delay = kind.new()

function Delay:watch()
  local due = self.service.past.started_at + self.options.delay
  return timers.after(math.max(0, due - core.now()), function()
    self.service:fire "ready"
  end)
end

-- A command ends well, or a server answers. `last_failure` is what the last time has given.
local Asked = kind.new()

function Asked:watch()
  self.last_failure = nil
  return ask(self.service, self.options, 0, function(ok, why)
    if not ok then
      self.last_failure = why
      return self.options.interval
    end
    self.service:fire "ready"
  end, function(why)
    self.last_failure = why
  end)
end

-- A line that it writes matches a pattern, which is awaited as long as `pattern` is there.
local Line = kind.new()

function Line:watch()
  self.pattern = self.options.line
  return function()
    self.pattern = nil
  end
end

function Line:take_line(line)
  if not self.pattern then
    return
  end
  local fine, found = pcall(string.find, line, self.pattern)
  if not fine then -- string.find raises for a wrong pattern only where it comes to the wrong part
    log("error", ("%s: its ready.line is no pattern: %s"):format(self.service.name, found))
    self.pattern = nil
  elseif found then
    self.service:fire "ready"
  end
end

-- A newline comes on a descriptor (s6, "Service startup notifications"). `fd` is our end, until it is watched.
local Descriptor = kind.new()

function Descriptor:prepare(request)
  local read_end, write_end, errno = core.pipe()
  if not read_end then
    return nil, write_end, errno
  end
  self.fd = read_end
  request.fds = {}
  for target, source in pairs(self.service.spec.spawn.fds or {}) do
    request.fds[target] = source
  end
  request.fds[self.options.fd] = write_end
  return write_end
end

function Descriptor:watch()
  local fd = self.fd
  self.fd = nil
  return fd and kind.watch_descriptor(fd, function()
    local bytes = core.read(fd)
    if bytes == "" then
      loop.unwatch(fd) -- closed without a newline: the timeout decides
    elseif bytes and bytes:find("\n", 1, true) then
      self.service:fire "ready"
    end
  end)
end

function Descriptor:found()
  if self.service.state == "starting" then
    self.fd = process.take_ready(self.service.pid)
  end
end

-- By the key that names them.
local kinds = {
  delay = Delay, exec = Asked, http = Asked, tcp = Asked, line = Line, fd = Descriptor, notify = Notify,
}

local function kind_of(options)
  for key, found in pairs(kinds) do
    if options[key] then
      return found
    end
  end
end

--- The probe that says when a service is ready.
return function(service)
  local options = service.spec.ready
  return setmetatable({ service = service, options = options }, options and kind_of(options) or Immediate)
end
