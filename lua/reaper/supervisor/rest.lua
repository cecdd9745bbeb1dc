--- A service is more than its first process. What is left of it when that has ended is ended, too: what belongs to it
-- by its group, its session, its environment or its descent (src/common/members.h), never what belongs to another one.

local core = require "reaper.core"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"
local timers = require "reaper.runtime.timers"

local rest = {}

local SHORTEST = 1 -- seconds that what is left has between TERM and KILL, whatever the leader has used of the grace
local KILL_PATIENCE = 5 -- seconds for what KILL does not end, such as a process in uninterruptible sleep
local AGAIN = 0.05 -- seconds until the next look at processes that cannot be watched, or that were killed
local NAMES_MOST = 5 -- in a message
local KEPT_MOST = 200 -- processes that are remembered from one look to the next

local hooks_of_service = { "pre_start", "post_stop" }

-- ---- Who belongs to whom. ----

-- The entries of a service in core.members: itself, and its commands before and after, which have names of their own.
local function add_subject(list, service)
  list[#list + 1] = { name = service.name, leader = service.leader, alive = service.process ~= nil }
  for _, hook in ipairs(hooks_of_service) do
    if service.spec[hook] then
      list[#list + 1] = { name = service.name .. "/" .. hook }
    end
  end
end

-- What the script has started by itself, and COMMAND, are no part of a service, whatever their names and groups.
local function add_others(list, is_of_service)
  for _, child in ipairs(process.children()) do
    if not is_of_service[child] then
      list[#list + 1] = { name = ("child %d"):format(child.pid), leader = child.pid, alive = true }
    end
  end
end

local function subjects(group)
  local list, known, is_of_service = {}, {}, {}
  local function add(service)
    add_subject(list, service)
    table.move(service.members, 1, #service.members, #known + 1, known)
    is_of_service[service.process or false] = true
  end
  for _, service in ipairs(group) do
    add(service)
  end
  for _, service in pairs(group.removed) do
    add(service)
  end
  add_others(list, is_of_service)
  return list, known
end

--- Looks which processes belong to the service now: a list of { pid =, start =, comm = }, without its first process.
-- Those are remembered, since a process is known by its descent only as long as its parents live.
function rest.look(service)
  local found = core.members(subjects(service.group))
  local list = {}
  for _, key in ipairs { "", "/pre_start", "/post_stop" } do
    for _, member in ipairs(found and found[service.name .. key] or {}) do
      if member.pid ~= service.leader or not service.process then
        member.name = service.name
        list[#list + 1] = member
      end
    end
  end
  list.group = found and found[service.name] and found[service.name].group
  service.members = table.move(list, 1, math.min(#list, KEPT_MOST), 1, {})
  return list
end

--- The same for a service whose first process has ended; nil when nothing is left, or it is to live on.
function rest.left(service)
  if service.spec.stop.leaves_rest then
    return nil
  end
  local list = rest.look(service)
  if list[1] or list.group then
    return list
  end
  service.leader = nil -- from now on its number can be that of another process, or of another group
end

--- What rest.look says of a process that belongs to the service beside its first one, or nil.
function rest.find(service, pid)
  for _, member in ipairs(rest.look(service)) do
    if member.pid == pid then
      return member
    end
  end
end

--- "2 processes are left: sh, python3".
function rest.text(list)
  local names = {}
  for i = 1, math.min(#list, NAMES_MOST) do
    names[i] = list[i].comm
  end
  return ("%d process%s left: %s%s"):format(#list, #list == 1 and " is" or "es are", table.concat(names, ", "),
    #list > NAMES_MOST and ", …" or "")
end

-- ---- Ending it. ----

-- HUP is for interactive shells, which ignore TERM, and goes to what has a terminal of its own: it would end others
-- before they have dealt with TERM. Also to the group of the leader, where /proc hides members of it.
local function signal(list, names, done)
  for _, member in ipairs(list) do
    local key = ("%d/%s"):format(member.pid, member.start)
    for _, name in ipairs(done[key] and {} or names) do
      if name ~= "HUP" or member.terminal then
        core.kill_member(member.pid, member.start, core.signal(name))
      end
    end
    done[key] = true
  end
  for _, name in ipairs(list.group and not done[list.group] and names or {}) do
    if name ~= "HUP" then
      core.kill(nil, -list.group, core.signal(name))
    end
  end
  done[list.group or ""] = true
end

-- Calls f when the process has ended, or after a moment where that cannot be seen. Gives a function that ends that.
local function when_ended(member, f)
  local fd = member and core.pidfd(member.pid, member.start)
  if not fd then
    return timers.after(AGAIN, f)
  end
  local is_open = true
  local function close()
    if is_open then
      is_open = false
      loop.unwatch(fd)
      core.close(fd)
    end
  end
  loop.watch(fd, "r", function()
    close()
    f()
  end)
  return close
end

--- The time by which what is left gets KILL: what remains of the grace of the stop, but a second at least.
function rest.deadline(service)
  local grace = service.spec.stop.grace
  local from_now = core.now() + math.min(grace, SHORTEST)
  return service.stopped_at and math.max(service.stopped_at + grace, from_now) or core.now() + grace
end

-- One end of what is left.
local Clearing = {}
Clearing.__index = Clearing

function Clearing:stop()
  for _, f in ipairs(self.undo) do
    f()
  end
  self.undo = {}
end

function Clearing:finish()
  self:stop()
  self.done()
end

-- Signals what has not been signalled yet, and looks again when the first of them has ended.
function Clearing:go_on()
  self:stop()
  local list, now = rest.left(self.service), core.now()
  if not list then
    return self:finish()
  elseif now < self.deadline then
    signal(list, { "TERM", "HUP", "CONT" }, self.terminated)
    self.undo = { when_ended(list[1], function() self:go_on() end),
      timers.after(self.deadline - now, function() self:go_on() end) }
  elseif now < self.deadline + KILL_PATIENCE then
    signal(list, { "KILL" }, {})
    self.undo = { timers.after(AGAIN, function() self:go_on() end) }
  else
    log("warning", ("%s: KILL has not ended what is left of it: %s"):format(self.service.name, rest.text(list)))
    self.service.leader = nil
    return self:finish()
  end
end

--- Ends what is left of the service: TERM (CONT, and HUP on a terminal), then KILL at service.clear_by. Calls done()
-- when nothing is left. Gives a function that breaks it off.
function rest.clear(service, done)
  local self = setmetatable({ service = service, deadline = service.clear_by, done = done, undo = {}, terminated = {} },
    Clearing)
  self.undo = { timers.after(0, function() self:go_on() end) }
  return function()
    self:stop()
  end
end

return rest
