--- Who has sent a message to the notify socket of a service: only what belongs to the service is heard.

local core = require "reaper.core"
local log = require "reaper.runtime.log"
local text = require "reaper.supervisor.probes.text"

local sender = {}

local VALID = 1 -- seconds for which what was found out of a pid is believed: to look costs a walk through /proc
local SAID_MOST = 16 -- strangers that are named

local ROOT = 0

-- The process of that pid is the leader, of its group or session, or descends from it.
local function descends(service, pid)
  local by_pid = {}
  for _, process in ipairs(core.processes() or {}) do
    by_pid[process.pid] = process
  end
  for _ = 1, 100 do -- pids are used again, so that the list may have a circle
    local process = by_pid[pid]
    if not process then
      return false
    elseif process.pid == service.pid or process.pgrp == service.pid or process.session == service.pid then
      return true
    end
    pid = process.ppid
  end
  return false
end

--- True for a process that lives and belongs to the service.
function sender.owns(service, pid)
  if pid == service.pid then
    return true
  elseif service.owns then
    return service:owns(pid)
  end
  return descends(service, pid)
end

-- Who ends right after a message, as many small programs do, may have gone when the message is read: nobody can tell
-- any more to whom it belonged. The kernel still tells its user, which is enough when that is root, who may do
-- anything, or the user of the leader, who could make the service say it by other means (ptrace(2)). Other users may
-- know the name of the socket, too, since /proc/net/unix shows it to all.
local function may_have_been(service, uid)
  local _, leader_uid = core.sender(service.pid)
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
    self.service.name, pid == 0 and "a process outside of the container"
      or ("process %d (%s)"):format(pid, name and text.clean(name) or "ended")))
end

local function look(self, pid, uid)
  local name, _, is_dead = core.sender(pid)
  local is_welcome
  if name and not is_dead then
    is_welcome = sender.owns(self.service, pid)
  else -- a zombie has lost what names its service, but may still be of its group
    is_welcome = may_have_been(self.service, uid) or (is_dead and sender.owns(self.service, pid))
  end
  if not is_welcome then
    say(self, pid, name)
  end
  return is_welcome
end

--- True when what this process has sent is to be heard. Names a stranger in the log, once.
function Senders:is_welcome(pid, uid)
  pid = pid or 0
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
