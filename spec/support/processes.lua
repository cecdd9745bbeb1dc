-- The processes in a container's PID namespace, seen from outside. Nothing here grows with the number of processes that
-- the machine has besides: what is looked for is found downwards, from a process of our own, and what the namespace
-- holds is read from its own /proc.

local uv = require "luv"

local processes = {}

-- All of a file, or nil. Below /proc a process may end between open and read.
local function read(path)
  local file = io.open(path, "r")
  if not file then
    return nil
  end
  local text = file:read("a")
  file:close()
  return text
end

processes.read = read

-- The names in a folder below /proc; none when it has gone.
local function entries(folder)
  local scan = uv.fs_scandir(folder)
  return function()
    return scan and uv.fs_scandir_next(scan) or nil
  end
end

-- A text that is equal for the processes of one namespace, or nil.
function processes.namespace(pid)
  return (uv.fs_readlink("/proc/" .. pid .. "/ns/pid"))
end

-- The pids of the children of all threads of a process (proc_pid_children(5)), as the machine counts.
local function children(pid)
  local list = {}
  local folder = "/proc/" .. pid .. "/task/"
  for thread in entries(folder) do
    for child in (read(folder .. thread .. "/children") or ""):gmatch("%d+") do
      list[#list + 1] = tonumber(child)
    end
  end
  return list
end

-- Calls visit(pid) for a process and all below it, the nearest first, until that gives something, and gives that.
local function walk(pid, visit)
  local queue, at = { pid }, 1
  while queue[at] do
    local found = visit(queue[at])
    if found then
      return found
    end
    for _, child in ipairs(children(queue[at])) do
      queue[#queue + 1] = child
    end
    at = at + 1
  end
end

-- The pid that a process has in its own namespace, or nil.
local function inner_pid(pid)
  return tonumber((read("/proc/" .. pid .. "/status") or ""):match("\nNSpid:[^\n]-(%d+)\n"))
end

local View = {}
View.__index = View

--- The view of the namespace that a descendant of the given process has made, whose process 1 is that one's child. Nil
-- while there is none. Call it only when that namespace has its own /proc.
function processes.below(ancestor)
  local own = processes.namespace("self")
  local parents = {}
  local first = walk(ancestor, function(pid)
    local namespace = processes.namespace(pid)
    if namespace and namespace ~= own then
      return pid
    end
    for _, child in ipairs(children(pid)) do
      parents[child] = pid
    end
  end)
  if not first or not parents[first] then
    return nil
  end
  -- Its parent has the same mounts, and stays as long as anything is left in the namespace.
  return setmetatable({
    first = first, namespace = processes.namespace(first), proc = ("/proc/%d/root/proc/"):format(parents[first]),
    outer_pids = {},
  }, View)
end

--- True when a process, given as the machine counts, is in the namespace.
function View:has(pid)
  return self.namespace ~= nil and processes.namespace(pid) == self.namespace
end

local function is_outer_pid(self, pid, nspid)
  return pid ~= nil and self:has(pid) and inner_pid(pid) == nspid
end

-- What nsenter has brought in has its parent outside.
local function search_machine(self, nspid)
  for name in entries("/proc") do
    if name:match("^%d+$") and is_outer_pid(self, tonumber(name), nspid) then
      return tonumber(name)
    end
  end
end

--- True when nothing is left in there: process 1 ends as the last one (pid_namespaces(7)).
function View:is_over()
  local state = (read("/proc/" .. self.first .. "/stat") or ""):match("%) (%S)")
  return state == nil or state == "Z" or state == "X" or not self:has(self.first)
end

--- The pid by which the machine knows a process of the namespace, or nil when it has gone.
function View:outer_pid(nspid)
  local known = self.outer_pids[nspid]
  if is_outer_pid(self, known, nspid) then
    return known
  elseif not uv.fs_stat(self.proc .. nspid) then
    return nil
  end
  local pid = walk(self.first, function(pid)
    return is_outer_pid(self, pid, nspid) and pid
  end) or search_machine(self, nspid)
  self.outer_pids[nspid] = pid
  return pid
end

-- What costs more than a look at stat is looked up when it is asked for.
local lazy = {}

function lazy.pid(process)
  return process.view:outer_pid(process.nspid)
end

function lazy.args(process)
  return ((read(process.view.proc .. process.nspid .. "/cmdline") or ""):gsub("%z$", ""):gsub("%z", " "))
end

local Process = {
  __index = function(process, key)
    local value = lazy[key] and lazy[key](process)
    rawset(process, key, value)
    return value
  end,
}

-- The state is that of the first thread. When that has ended while others live on, it is that of one that lives.
local function live_state(folder, state, threads)
  if (state == "Z" or state == "X") and threads > 1 then
    for thread in entries(folder .. "/task") do
      local its = (read(folder .. "/task/" .. thread .. "/stat") or ") Z"):match(".*%) (%S)")
      if its ~= "Z" and its ~= "X" then
        return its
      end
    end
  end
  return state
end

--- One process by its pid in there, or nil: nspid, ppid, pgrp and sid as its namespace counts (0: outside), state,
-- comm, args (the words with spaces between them), and pid as the machine counts.
function View:find(nspid)
  local stat = read(self.proc .. nspid .. "/stat") or ""
  local comm, state, ppid, pgrp, sid, more = stat:match("^%d+ %((.*)%) (%S) (%d+) (%d+) (%d+)(.*)")
  return comm and setmetatable({
    view = self, nspid = nspid, comm = comm,
    state = live_state(self.proc .. nspid, state, tonumber(more:match("^" .. (" %S+"):rep(13) .. " (%d+)"))),
    ppid = tonumber(ppid), pgrp = tonumber(pgrp), sid = tonumber(sid),
  }, Process)
end

--- All of them, in the order of their pids in there.
function View:list()
  local list = {}
  for name in entries(self.proc) do
    list[#list + 1] = name:match("^%d+$") and self:find(tonumber(name)) or nil
  end
  table.sort(list, function(a, b)
    return a.nspid < b.nspid
  end)
  return list
end

--- True when a process blocks all signals that can be blocked.
function View:blocks_signals(nspid)
  local mask = (read(self.proc .. nspid .. "/status") or ""):match("\nSigBlk:%s*(%x+)")
  return mask == "fffffffffffbfeff" or self:waits_for_signals(nspid)
end

--- True when a process waits in sigtimedwait, in which those that it waits for are not shown as blocked.
function View:waits_for_signals(nspid)
  return (read(self.proc .. nspid .. "/wchan") or ""):find("sigtimedwait", 1, true) ~= nil
end

--- A listing for a human, in the report of a failed expectation.
function View:describe()
  local lines = {}
  for index, process in ipairs(self:list()) do
    if index > 30 then
      lines[#lines + 1] = "..."
      break
    end
    lines[#lines + 1] = ("%d (parent %d) %s %s: %s"):format(process.nspid, process.ppid, process.state,
      process.comm, process.args)
  end
  return table.concat(lines, "\n")
end

return processes
