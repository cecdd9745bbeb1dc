--- sd_notify(3): what a service says of itself on $NOTIFY_SOCKET. The socket is open as long as its process lives: one
-- that has gone is an error for whoever sends more than READY=1.

local core = require "reaper.core"
local kind = require "reaper.supervisor.probes.kind"
local log = require "reaper.runtime.log"
local message = require "reaper.supervisor.probes.message"
local process = require "reaper.process"
local sender = require "reaper.supervisor.probes.sender"
local Watchdog = require "reaper.supervisor.probes.watchdog"

local MESSAGES_A_TURN = 64 -- who sends without end does not keep the loop from others

-- `fd` is our end of the socket until it is watched; then it is `watched`, and `close` ends that. `senders` are those
-- who send; `watchdog` is there as long as the socket is; `is_reloading` between RELOADING=1 and READY=1; `said` what
-- was complained about.
local Notify = kind.new()

-- ---- What a message leads to. ----

-- Complains once for each process of the service.
local function complain(self, what)
  if not self.said[what] then
    self.said[what] = true
    log("warning", ("%s: on its notify socket, %s"):format(self.service.name, what))
  end
end

local function take_main_pid(self, pid)
  if pid == self.service.pid then
    return
  elseif self.service:owns(pid) then
    return self.service:main_pid(pid)
  end
  complain(self, ("MAINPID=%d is dropped: that is no process of it"):format(pid))
end

local function take_ready(self)
  if self.is_reloading then
    self.is_reloading = false
    self.service:say(self.shown_status)
  end
  self.service:fire "ready"
end

-- What a key of a message leads to, in this order: a message may say that another process is the main one and that it
-- is ready. Not here, and therefore ignored, are those that only describe an end (ERRNO, BUSERROR, EXIT_STATUS), those
-- of the descriptor store, and BARRIER, for which core.notify_read does all.
local steps = {
  { "MAINPID", take_main_pid },
  { "STOPPING", function(self) self.service:stopping() end },
  { "RELOADING", function(self)
    self.is_reloading = true
    self.service:reloading()
  end },
  { "READY", take_ready },
  { "STATUS", function(self, text) self.status = text end },
  { "EXTEND_TIMEOUT_USEC", function(self, seconds) self.service:extend(seconds) end },
  { "WATCHDOG_USEC", function(self, seconds) self.watchdog:set_interval(seconds) end },
  { "WATCHDOG", function(self, what)
    if what == "trigger" then
      self.watchdog:trigger()
    else
      self.watchdog:ping()
    end
  end },
}

local function take(self, text)
  local found, why = message.read(text)
  if not found then
    return complain(self, why)
  end
  for _, step in ipairs(steps) do
    local value = found[step[1]]
    if value ~= nil and self.watchdog then -- an earlier step may have led to the end
      step[2](self, value)
    end
  end
end

-- Only the last status of a turn is shown, and only when it is another one. An empty one takes the last one back.
local function show_status(self)
  local status = self.status
  if status and status ~= (self.shown_status or "") then
    self.shown_status = status ~= "" and status or nil
    self.service:say(self.shown_status)
  end
  self.status = nil
end

-- Reads what is there, but not without end.
local function read_some(self, fd)
  for _ = 1, MESSAGES_A_TURN do
    local text, pid, uid = core.notify_read(fd)
    if text == nil then
      break
    elseif self.senders:is_welcome(pid, uid) then
      if text then
        take(self, text)
      else
        complain(self, "a message is dropped: it has more than 4096 bytes")
      end
    end
    if not self.watchdog then
      return
    end
  end
  show_status(self)
end

-- ---- The socket. ----

function Notify:prepare(request)
  self:ended() -- the start before may have come to no process
  local fd, name, errno = core.notify_open()
  if not fd then
    return nil, name, errno
  end
  self.fd = fd
  -- WATCHDOG_PID is not set, which means every process of the service (sd_watchdog_enabled(3)): the one that serves is
  -- often not the first one.
  local interval = self.service.spec.watchdog
  request.env = { NOTIFY_SOCKET = name, WATCHDOG_USEC = interval and ("%d"):format(interval * 1e6 // 1) }
  for variable, value in pairs(self.service.spec.spawn.env or {}) do
    request.env[variable] = value
  end
  return false
end

function Notify:watch()
  local fd = self.fd
  self.fd = nil
  if not fd then
    return
  end
  self.senders, self.said, self.is_reloading = sender.new(self.service), {}, false
  self.status, self.shown_status = nil, nil
  self.watched = fd
  self.close = kind.watch_descriptor(fd, function()
    read_some(self, fd)
  end)
  self.watchdog = Watchdog.new(self.service, function()
    read_some(self, fd)
  end)
end

function Notify:watch_life()
  return self.watchdog and self.watchdog:start()
end

function Notify:found()
  self.fd = process.take_ready(self.service.leader or self.service.pid)
  self:watch()
end

-- A daemon names its main process and ends: the message can be read after that.
function Notify:hear_out()
  if self.watched then
    read_some(self, self.watched)
  end
end

function Notify:ended()
  if self.close then
    self.close()
    self.watchdog:forget()
    self.close, self.watchdog, self.watched = nil, nil, nil
  end
end

return Notify
