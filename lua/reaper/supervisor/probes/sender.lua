--- Who has sent a message to the notify socket of a service: only what belongs to the service is heard.

local core = require "reaper.core"
local log = require "reaper.runtime.log"
local text = require "reaper.supervisor.probes.text"

local sender = {}

local VALID = 1 -- seconds for which what was found out of a pid is believed: to look costs a walk through /proc
local SAID_MOST = 16 -- strangers that are named

local ROOT = 0 -- a user
local OUTSIDE = 0 -- the pid of who is in no PID namespace that is seen from here

-- Who ends right after a message, as many small programs do, may have gone when the message is read: nobody can tell
-- any more to whom it belonged. The kernel still tells its user, which is enough when that is root, who may do
-- anything, or the user of the leader, who could make the service say it by other means (ptrace(2)). Other users may
-- know the name of the socket, too, since /proc/net/unix shows it to all.
local function may_have_been(service, uid)
  local _, leader_uid = core.sender(service.pid or 0)
  return uid == ROOT or (uid ~= nil and uid == leader_uid)
end

local Senders = {}
Senders.__index = Senders

local function say(self, pid, name)
  if self.said[pid] or self.said_count >= SAID_MOST then
    return
  end
  self.said[pid], self.said_count = true, self.said_count + 1
  log("warning", ("%s: what %s writes to its notify socket is dropped, since that is no process of it"):format(
    self.service.name, pid == OUTSIDE and "a process outside of the container"
      or ("process %d (%s)"):format(pid, name and text.clean(name) or "ended")))
end

local function look(self, pid, uid)
  if self.service:owns(pid) then
    return true
  end
  local name, _, is_dead = core.sender(pid) -- after that: it may have ended meanwhile
  if pid ~= OUTSIDE and (not name or is_dead) and may_have_been(self.service, uid) then
    return true
  end
  say(self, pid, name)
  return false
end

--- True when what this process has sent is to be heard. Names a stranger in the log, once.
function Senders:is_welcome(pid, uid)
  pid = pid or OUTSIDE
  if pid == self.service.pid then
    return true
  end
  local now = core.now()
  if now >= self.valid_until then
    self.known, self.valid_until = {}, now + VALID
  end
  if self.known[pid] == nil then
    self.known[pid] = look(self, pid, uid)
  end
  return self.known[pid]
end

--- Those who send to a service.
function sender.new(service)
  return setmetatable({ service = service, known = {}, valid_until = 0, said = {}, said_count = 0 }, Senders)
end

return sender
