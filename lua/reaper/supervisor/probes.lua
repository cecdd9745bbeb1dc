--- Is a service ready? Is it healthy?

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"
local timers = require "reaper.runtime.timers"

local probes = {}

local function watch(fd, f)
  loop.watch(fd, "r", f)
  return function()
    loop.unwatch(fd)
    core.close(fd)
  end
end

--- Ends a probe and what it has started, which is its process group.
function probes.kill(child)
  if child:alive() then
    core.kill(nil, -child.pid, core.signal "KILL")
  end
  child:kill "KILL"
end

-- Runs a command for a service, for at most so many seconds: answer(true) for exit 0, else answer(false, why). Gives a
-- function that breaks it off.
local function run(self, command, timeout, answer)
  local request = table.move(command, 1, #command, 1, { name = self.name .. "/probe", stdin = "null", stdout = "null" })
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
  hooks.run("probe of " .. self.name, function()
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

-- Asks for the first time after so many seconds, and again as long as step(ok, why) gives the seconds until then.
local function repeatedly(self, command, first, timeout, step)
  local stop
  local function ask()
    stop = run(self, command, timeout, function(ok, why)
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

-- For each kind: prepare(self, ready, request) changes the spawn table before a start and gives what is to be closed
-- after it, or nil, message, errno; watch(self, ready) fires "ready" in time and gives a function that stops it.
local kinds = {}

kinds.delay = {
  watch = function(self, ready)
    return timers.after(math.max(0, self.past.started_at + ready.delay - core.now()), function()
      self:fire "ready"
    end)
  end,
}

kinds.exec = {
  watch = function(self, ready)
    self.last_probe = nil
    return repeatedly(self, ready.exec, 0, ready.timeout, function(ok, why)
      if not ok then
        self.last_probe = why
        return ready.interval
      end
      self:fire "ready"
    end)
  end,
}

-- The service looks at each line for it (service.lua).
kinds.line = {
  watch = function(self, ready)
    self.awaited_line = ready.line
    return function()
      self.awaited_line = nil
    end
  end,
}

-- A newline on a descriptor (s6, "Service startup notifications").
kinds.fd = {
  prepare = function(self, ready, request)
    local read_end, write_end, errno = core.pipe()
    if not read_end then
      return nil, write_end, errno
    end
    self.ready_fd = read_end
    request.fds = {}
    for target, source in pairs(self.spec.spawn.fds or {}) do
      request.fds[target] = source
    end
    request.fds[ready.fd] = write_end
    return write_end
  end,
  watch = function(self)
    local fd = self.ready_fd
    self.ready_fd = nil
    return fd and watch(fd, function()
      local bytes = core.read(fd)
      if bytes == "" then
        loop.unwatch(fd) -- closed without a newline: the timeout decides
      elseif bytes and bytes:find("\n", 1, true) then
        self:fire "ready"
      end
    end)
  end,
}

-- READY=1 on $NOTIFY_SOCKET (sd_notify(3)). The socket is open as long as the process lives: one that has gone is an
-- error for whoever sends more than that.
kinds.notify = {
  prepare = function(self, _, request)
    probes.ended(self) -- the start before may have come to no process
    local fd, name, errno = core.notify_open()
    if not fd then
      return nil, name, errno
    end
    self.ready_fd = fd
    request.env = { NOTIFY_SOCKET = name }
    for variable, value in pairs(self.spec.spawn.env or {}) do
      request.env[variable] = value
    end
    return false
  end,
  watch = function(self)
    local fd = self.ready_fd
    self.ready_fd = nil
    self.close_notify = fd and watch(fd, function()
      local text = core.notify_read(fd)
      while text do
        if ("\n" .. text .. "\n"):find("\nREADY=1\n", 1, true) then
          self:fire "ready"
        end
        text = core.notify_read(fd)
      end
    end) or self.close_notify
  end,
}

--- Its process has gone.
function probes.ended(self)
  if self.close_notify then
    self.close_notify()
    self.close_notify = nil
  end
end

--- The kinds of readiness, by the key that names them.
probes.kinds = kinds

local function kind_of(ready)
  for key, kind in pairs(kinds) do
    if ready[key] then
      return kind
    end
  end
end

--- Prepares a start: gives what is to be closed after the spawn (or false); or nil, message, errno.
function probes.prepare(self, request)
  local kind = self.spec.ready and kind_of(self.spec.ready)
  if kind and kind.prepare then
    return kind.prepare(self, self.spec.ready, request)
  end
  return false
end

--- Its process was found again.
function probes.found(self)
  local ready = self.spec.ready or {}
  if ready.notify or (ready.fd and self.state == "starting") then
    self.ready_fd = process.take_ready(self.pid)
  end
  if ready.notify then
    kinds.notify.watch(self)
  end
end

--- Waits for it to be ready: self:fire "ready". Gives a function that stops that.
function probes.watch_ready(self)
  local ready = self.spec.ready
  if not ready then
    return timers.after(0, function()
      self:fire "ready"
    end)
  end
  return kind_of(ready).watch(self, ready) or function() end
end

-- ---- Health. ----

--- Looks after it as Docker's HEALTHCHECK does: `retries` failures in a row are too many; those within `start_period`
-- seconds of its start do not count until it was healthy once. self:fire("unhealthy", why) then.
function probes.watch_health(self)
  local health = self.spec.health
  if not health then
    return function() end
  end
  local failures, was_healthy = 0, false
  return repeatedly(self, health.exec, health.interval, health.timeout, function(ok, why)
    if ok then
      failures, was_healthy = 0, true
    elseif was_healthy or core.now() - self.past.started_at >= health.start_period then
      failures = failures + 1
    end
    if failures < health.retries then
      return health.interval
    end
    self:fire("unhealthy", ("health: %d failure%s: %s"):format(failures, failures == 1 and "" or "s", why))
  end)
end

return probes
