-- What /proc of the machine tells of the processes in another PID namespace.

local uv = require "luv"

local processes = {}

local function read(pid, name)
  local file = io.open("/proc/" .. pid .. "/" .. name, "r")
  if not file then
    return nil
  end
  -- The process may end between open and read.
  local text = file:read("a")
  file:close()
  return text
end

local function pids()
  local list = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir("/proc")) do
    if name:match("^%d+$") then
      list[#list + 1] = tonumber(name)
    end
  end
  return list
end

-- A text that is equal for processes of one namespace, or nil.
function processes.namespace(pid)
  return (uv.fs_readlink("/proc/" .. pid .. "/ns/pid"))
end

local function innermost(status, key)
  return tonumber(status:match("\n" .. key .. ":[^\n]-(%d+)\n"))
end

-- True when it blocks all signals that can be blocked.
function processes.blocks_signals(pid)
  local mask = (read(pid, "status") or ""):match("\nSigBlk:%s*(%x+)")
  return mask == "fffffffffffbfeff"
end

-- True when it has opened a signalfd.
function processes.reads_signals(pid)
  local folder = "/proc/" .. pid .. "/fd"
  local entries = uv.fs_scandir(folder)
  local name = entries and uv.fs_scandir_next(entries)
  while name and uv.fs_readlink(folder .. "/" .. name) ~= "anon_inode:[signalfd]" do
    name = uv.fs_scandir_next(entries)
  end
  return name ~= nil
end

-- One process: pid and parent_pid as the machine counts, nspid, pgrp and sid as its own namespace does.
local function describe(pid)
  local stat, status = read(pid, "stat"), read(pid, "status")
  if not stat or not status then
    return nil
  end
  local comm, state, parent = stat:match("^%d+ %((.*)%) (%S) (%d+)")
  if not comm or not innermost(status, "NSpid") then
    return nil
  end
  local words = (read(pid, "cmdline") or ""):gsub("%z$", ""):gsub("%z", " ")
  return {
    pid = pid,
    parent_pid = tonumber(parent),
    nspid = innermost(status, "NSpid"),
    pgrp = innermost(status, "NSpgid"),
    sid = innermost(status, "NSsid"),
    state = state,
    comm = comm,
    args = words,
  }
end

-- ppid is the parent's pid inside, 0 where the parent is outside.
local function add_parents(list)
  local inside = {}
  for _, process in ipairs(list) do
    inside[process.pid] = process.nspid
  end
  for _, process in ipairs(list) do
    process.ppid = inside[process.parent_pid] or 0
  end
end

-- All processes of a namespace, in the order of their pids inside.
function processes.list(namespace)
  local list = {}
  for _, pid in ipairs(pids()) do
    if processes.namespace(pid) == namespace then
      list[#list + 1] = describe(pid)
    end
  end
  add_parents(list)
  table.sort(list, function(a, b)
    return a.nspid < b.nspid
  end)
  return list
end

function processes.find(namespace, nspid)
  for _, process in ipairs(processes.list(namespace)) do
    if process.nspid == nspid then
      return process
    end
  end
end

local function parent_of(pid)
  local stat = read(pid, "stat")
  return stat and tonumber(stat:match("^%d+ %(.*%) %S (%d+)"))
end

local function descends_from(pid, ancestor)
  while pid and pid > 1 do
    if pid == ancestor then
      return true
    end
    pid = parent_of(pid)
  end
  return false
end

-- The namespace that a descendant of the given process has entered.
function processes.namespace_below(ancestor)
  local own = processes.namespace("self")
  for _, pid in ipairs(pids()) do
    local namespace = processes.namespace(pid)
    if namespace and namespace ~= own and descends_from(pid, ancestor) then
      return namespace
    end
  end
end

-- A listing for a human, in the report of a failed expectation.
function processes.describe(namespace)
  local lines = {}
  for index, process in ipairs(namespace and processes.list(namespace) or {}) do
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
