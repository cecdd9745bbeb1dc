--- Probes by the network: does a server take connections, and does it answer a question of HTTP?

local core = require "reaper.core"
local http = require "reaper.supervisor.probes.http"
local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local network = {}

local EAGAIN = 11
local READ_MAX = 1 << 16 -- bytes of an answer that are read before the connection is closed
local PATIENCE = 0.5 -- seconds that the rest of a good or bad answer may take: who sends it sees no broken connection

-- One try. `target` is an address of address.lua, `next_host` the number of the host that comes next, `fd` the
-- connection to the one before it; `result` is there when the answer is known and only the rest of it is read.
local Try = {}
Try.__index = Try

local function disconnect(self)
  if self.fd then
    loop.unwatch(self.fd)
    core.close(self.fd)
    self.fd = nil
  end
end

-- Ends the try without an answer.
local function stop(self)
  disconnect(self)
  self.stop_timer()
  self.stop_start()
  self.is_over = true
end

local function finish(self, ok, why)
  if not self.is_over then
    stop(self)
    self.answer(ok, not ok and ("%s: %s"):format(self.target.label, why) or nil)
  end
end

-- Calls f as soon as the connection is readable ("r") or writable ("w").
local function when(self, mode, f)
  local fd = self.fd
  loop.watch(fd, mode, function()
    loop.unwatch(fd)
    f(self)
  end)
end

-- A failure without the name of the system call.
local function plain(message)
  return (message:gsub("^%l+: ", ""))
end

-- The answer is known. The rest of it is read, for a moment.
local function settle(self, ok, why)
  self.result = { ok, why }
  self.stop_timer()
  self.stop_timer = timers.after(math.max(0, math.min(PATIENCE, self.due - core.now())), function()
    finish(self, ok, why)
  end)
end

local function read(self)
  local bytes, message, errno = core.read(self.fd)
  if not bytes and errno == EAGAIN then
    return when(self, "r", read)
  elseif self.result and (not bytes or bytes == "") then
    return finish(self, table.unpack(self.result, 1, 2))
  elseif not bytes then
    return finish(self, false, plain(message))
  end
  self.size = self.size + #bytes
  if not self.result then
    self.text = self.text .. bytes
    local ok, why = http.read(self.text, bytes == "")
    if ok ~= nil then
      settle(self, ok, why)
    end
  end
  if self.result and (bytes == "" or self.size >= READ_MAX) then
    return finish(self, table.unpack(self.result, 1, 2))
  end
  when(self, "r", read)
end

local function write(self)
  local done, message, errno = core.write(self.fd, self.request, self.at)
  if done then
    self.at = self.at + done
  elseif errno ~= EAGAIN then
    return finish(self, false, plain(message))
  end
  if self.at <= #self.request then
    return when(self, "w", write)
  end
  self.text, self.size = "", 0
  when(self, "r", read)
end

local connect

-- The host cannot be reached: the next one is tried. The first one's reason is told.
local function refused(self, why)
  disconnect(self)
  self.why = self.why or why
  if self.target.hosts[self.next_host] then
    return connect(self)
  end
  finish(self, false, self.why)
end

local function connected(self)
  local ok, why = core.connected(self.fd)
  if not ok then
    return refused(self, why)
  elseif not self.target.path then
    return finish(self, true)
  end
  if self.note then
    self.note(self.target.label .. ": no answer yet")
  end
  self.request, self.at = http.request(self.target), 1
  write(self)
end

function connect(self)
  local host = self.target.hosts[self.next_host]
  self.next_host = self.next_host + 1
  local fd, why = core.connect(host, self.target.port)
  if not fd then
    return refused(self, why)
  end
  self.fd = fd
  when(self, "w", connected)
end

--- Asks a server once, for at most so many seconds: answer(true), or answer(false, why), later. `note`, if given, is
-- called with a text when the server is there, but has not answered yet. Gives a function that breaks it off.
function network.ask(target, timeout, note, answer)
  local self = setmetatable({
    target = target, note = note, answer = answer, next_host = 1, due = core.now() + timeout, is_over = false,
  }, Try)
  self.stop_timer = timers.after(timeout, function()
    finish(self, false, ("it took longer than %g s"):format(timeout))
  end)
  self.stop_start = timers.after(0, function()
    connect(self)
  end)
  return function()
    if not self.is_over then
      stop(self)
    end
  end
end

return network
