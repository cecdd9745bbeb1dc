--- Probes: is a service ready, is it healthy? Each belongs to one service, and fires "ready" or "unhealthy" there.

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local log = require "reaper.runtime.log"
local process = require "reaper.process"
local timers = require "reaper.runtime.timers"

local probes = {}

-- Calls f when the descriptor is readable. Gives a function that ends that, and closes it.
local function watch(fd, f)
  loop.watch(fd, "r", f)
  return function()
    loop.unwatch(fd)
    core.close(fd)
  end
end

-- ---- Commands. ----

--- Ends the process of a probe and what it has started, which is its process group.
function probes.kill(child)
  if child:alive() then
    core.kill(nil, -child.pid, core.signal "KILL")
  end
  child:kill "KILL"
end

-- Runs a command for a service, for at most so many seconds: answer(true) for exit 0, else answer(false, why). Gives a
-- function that breaks it off.
local function run(service, command, timeout, answer)
  local request = table.move(command, 1, #command, 1,
    { name = service.name .. "/probe", stdin = "null", stdout = "null" })
  local child, message = process.spawn(request)
  local over = false
  if not child then
    return timers.after(0, function()
      answer(false, message)
    end)
  end
  local function finish(...)
    if not over then
      over = true
      answer(...)
    end
  end
  hooks.run("probe of " .. service.name, function()
    local status = child:wait(timeout)
    if status then
      return finish(status.ok, tostring(status))
    end
    probes.kill(child)
    finish(false, ("it took longer than %g s"):format(timeout))
  end)
  return function()
    if not over then
      over = true
      probes.kill(child)
    end
  end
end

-- Runs a command for the first time after so many seconds, and again as long as step(ok, why) gives the seconds until
-- then.
local function repeatedly(service, command, first, timeout, step)
  local stop
  local function ask()
    stop = run(service, command, timeout, function(ok, why)
      local again = step(ok, why)
      stop = again and timers.after(again, ask)
    end)
  end
  stop = timers.after(first, ask)
  return function()
    if stop then
      stop()
    end
  end
end

-- ---- Readiness. ----

-- What a kind of readiness does, unless it has something of its own. Its `service` is the one that it belongs to, its
-- `options` are what that has under the key "ready".
local Readiness = {}

--- Changes the spawn table before a start. Gives what is to be closed after that, or false; or nil, message, errno.
function Readiness.prepare(_, _)
  return false
end

--- Fires "ready" in time. Gives a function that stops that, or nil.
function Readiness.watch(_) end

--- The service has written a line.
function Readiness.take_line(_, _) end

--- A process of the service that an earlier script process has started was found.
function Readiness.found(_) end

--- The process of the service has gone.
function Readiness.ended(_) end

local function new_kind()
  local kind = setmetatable({}, { __index = Readiness })
  kind.__index = kind
  return kind
end

-- It is ready at once.
local Immediate = new_kind()

function Immediate:watch()
  return timers.after(0, function()
    self.service:fire "ready"
  end)
end

function Immediate:ended() -- it ran, however short that was
  self.service:fire "ready"
end

-- It has lived for a while.
local Delay = new_kind()

function Delay:watch()
  local due = self.service.past.started_at + self.options.delay
  return timers.after(math.max(0, due - core.now()), function()
    self.service:fire "ready"
  end)
end

-- A command ends well. `last_failure` is what the last one has said.
local Exec = new_kind()

function Exec:watch()
  self.last_failure = nil
  return repeatedly(self.service, self.options.exec, 0, self.options.timeout, function(ok, why)
    if not ok then
      self.last_failure = why
      return self.options.interval
    end
    self.service:fire "ready"
  end)
end

-- A line that it writes matches a pattern, which is awaited as long as `pattern` is there.
local Line = new_kind()

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
local Descriptor = new_kind()

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
  return fd and watch(fd, function()
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

-- READY=1 comes on $NOTIFY_SOCKET (sd_notify(3)). The socket is open as long as the process lives: one that has gone is
-- an error for whoever sends more than that. `fd` is our end, until it is watched; `close` then ends that.
local Notify = new_kind()

function Notify:prepare(request)
  self:ended() -- the start before may have come to no process
  local fd, name, errno = core.notify_open()
  if not fd then
    return nil, name, errno
  end
  self.fd = fd
  request.env = { NOTIFY_SOCKET = name }
  for variable, value in pairs(self.service.spec.spawn.env or {}) do
    request.env[variable] = value
  end
  return false
end

function Notify:watch()
  local fd = self.fd
  self.fd = nil
  self.close = fd and watch(fd, function()
    local text = core.notify_read(fd)
    while text do
      if ("\n" .. text .. "\n"):find("\nREADY=1\n", 1, true) then
        self.service:fire "ready"
      end
      text = core.notify_read(fd)
    end
  end) or self.close
end

function Notify:found()
  self.fd = process.take_ready(self.service.pid)
  self:watch()
end

function Notify:ended()
  if self.close then
    self.close()
    self.close = nil
  end
end

-- By the key that names them.
local kinds = { delay = Delay, exec = Exec, line = Line, fd = Descriptor, notify = Notify }

local function kind_of(options)
  for key, kind in pairs(kinds) do
    if options[key] then
      return kind
    end
  end
end

--- The probe that says when a service is ready.
function probes.readiness(service)
  local options = service.spec.ready
  return setmetatable({ service = service, options = options }, options and kind_of(options) or Immediate)
end

-- ---- Health. ----

--- Looks after the health of a service as Docker's HEALTHCHECK does: `retries` failures in a row are too many; those
-- within `start_period` seconds of its start do not count until it was healthy once. Fires "unhealthy" then. Gives a
-- function that stops that.
function probes.watch_health(service)
  local health = service.spec.health
  if not health then
    return function() end
  end
  local failures, was_healthy = 0, false
  return repeatedly(service, health.exec, health.interval, health.timeout, function(ok, why)
    if ok then
      failures, was_healthy = 0, true
    elseif was_healthy or core.now() - service.past.started_at >= health.start_period then
      failures = failures + 1
    end
    if failures < health.retries then
      return health.interval
    end
    service:fire("unhealthy", ("health: %d failure%s: %s"):format(failures, failures == 1 and "" or "s", why))
  end)
end

return probes
