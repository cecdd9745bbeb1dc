--- After a crash of the script or a reload: a new script process goes on where the earlier one was.

local core = require "reaper.core"
local ending = require "reaper.supervisor.ending"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local memory = require "reaper.supervisor.memory"
local phase = require "reaper.supervisor.phase"
local probes = require "reaper.supervisor.probes"
local process = require "reaper.process"
local rest = require "reaper.supervisor.rest"
local timers = require "reaper.runtime.timers"

-- States in which the process of a service can be too new for its pid to be known, and what its name has then.
local suffix_of = { starting = "", pre_start = "/pre_start", post_stop = "/post_stop" }

-- The living process of each service. A script may give other children the same name, so the pid has the last word;
-- but a start can be too new for its pid to be known: then it is the newest child of that name.
local function living_services(saved)
  local found, by_pid, by_name = {}, {}, {}
  for _, child in ipairs(process.children()) do
    if child ~= process.main and child.name then
      by_pid[child.pid], by_name[child.name] = child, child
    end
  end
  for name, known in pairs(saved.services) do
    local child = by_pid[known.pid]
    if child and child.name:gsub("/%a+_%a+$", "") == name then
      found[name] = child
    elseif not known.pid and suffix_of[known.state] then
      found[name] = by_name[name .. suffix_of[known.state]]
    elseif known.other and known.other.pid == known.pid then
      found[name] = process.watch_other(known.pid, known.other.start, name)
    end
  end
  return found
end

-- ---- Services that the script does not have any more. ----

local REMOVED = "the script does not have it any more"

local function forget(group, name, how)
  group.removed[name] = nil
  log("info", ("%s: finished: %s"):format(name, how))
  memory.forget(name)
  group.report:deliver(name, "finished", how)
end

-- What rest.lua wants to know of such a service.
local function remains_of(group, name, known)
  return {
    group = group, name = name, members = known.members or {}, leader = known.leader,
    spec = { stop = known.stop, pre_start = true, post_stop = true }, -- it can have had those
  }
end

-- Ends what is left of it, and forgets it.
local function clear_removed(group, name, known, how)
  local remains = remains_of(group, name, known)
  group.removed[name] = remains
  remains.known, remains.stopped_at = known, known.since
  local function done()
    forget(group, name, how)
    ending.go_on(group)
  end
  if rest.left(remains) then
    remains.clear_by = rest.deadline(remains)
    rest.clear(remains, done)
  else
    done()
  end
end

-- Sends it the stop signal, unless an earlier script process has. What is known of it is saved before.
local function ask_removed_to_end(group, remains, was_stopping)
  local known, child = remains.known, remains.process
  rest.look(remains)
  known.members = remains.members
  memory.save_removed(remains.name, known)
  if not was_stopping then
    group.report:deliver(remains.name, "stopping", REMOVED)
  end
  child:kill(known.stop.signal)
  child:kill "CONT"
  known.is_asked = true
end

-- Waits for its process: how that has ended. Its post_stop has the time that it was given.
local function await_end(child, known)
  local status = child:wait(ending.removed_takes(known))
  if status then
    return tostring(status)
  end
  child:kill "KILL"
  child:wait()
  return ("stopped by SIGKILL after %g s of grace"):format(ending.removed_grace(known))
end

-- Stops such a service; a later script may have it again.
local function stop_removed(group, name, child, known)
  local was_stopping = known.state == "stopping"
  known.is_asked = known.state == "post_stop" or (was_stopping and known.is_asked) or nil
  if not was_stopping and not known.is_asked then
    log("info", ("%s: stopping: %s"):format(name, REMOVED))
    known.state, known.since = "stopping", core.now()
  end
  known.after_stop, known.pid = "waiting", child.pid
  local remains = remains_of(group, name, known)
  remains.known, remains.process, remains.pid = known, child, child.pid
  group.removed[name] = remains
  hooks.run("supervisor", function()
    if not known.is_asked then
      ask_removed_to_end(group, remains, was_stopping)
    end
    clear_removed(group, name, known, await_end(child, known))
  end)
end

local function is_up(known)
  return known.state ~= "finished" and known.state ~= "failed"
end

local function remove_services(group, saved, found)
  for name, known in pairs(saved.services) do
    if not group.by_name[name] and found[name] then
      stop_removed(group, name, found[name], known)
    elseif not group.by_name[name] and is_up(known) then
      clear_removed(group, name, known, REMOVED)
    end
  end
end

-- Nobody waits for the probes of an earlier script process.
local function kill_probes()
  for _, child in ipairs(process.children()) do
    if child.name and child.name:find("/probe$") then
      probes.kill(child)
    end
  end
end

-- ---- Ends that nobody was there to see. ----

-- They are delivered right after the start; what does not come then will never come. In `due`:
--   by_pid     pid → service whose process has gone
--   by_name    name → service that was being started: only the name of a process connects that with it
--   not_seen   services whose end was delivered, but the earlier script process was lost before it had dealt with it
local function expect_ends(group, due)
  local by_pid, by_name = due.by_pid, due.by_name
  local stop = hooks.on("on_reap", function(pid, status, rusage, info)
    local service = by_pid[pid] or (info and by_name[info.name])
    if service then
      by_pid[pid], by_name[info and info.name or ""] = nil, nil
      service:ended(status, rusage)
    end
  end)
  local function give_up()
    local has_read_all = core.has_read_all()
    if has_read_all == false then
      return timers.add(0, give_up)
    elseif has_read_all == nil then -- this script process has been replaced: what it does not get, the next one does
      return
    end
    stop()
    for _, service in pairs(by_pid) do
      service:ended(nil)
    end
    for _, service in ipairs(due.not_seen) do
      service:ended(nil)
    end
    for _, service in pairs(by_name) do
      service:was_not_started()
    end
    group:schedule()
  end
  timers.add(0, give_up)
end

local function note_due(due, service, known)
  if known.pid then
    due.by_pid[known.pid] = service
  elseif suffix_of[service.state] then
    due.by_name[service.name .. suffix_of[service.state]] = service
  elseif service:has_process() then
    table.insert(due.not_seen, service)
  end
end

-- ---- The takeover. ----

-- Goes on with the services that were known. Gives those whose ends are to be expected.
local function resume_services(group, saved, found)
  local due = { by_pid = {}, by_name = {}, not_seen = {} }
  for _, service in ipairs(group) do
    local known, child = saved.services[service.name], found[service.name]
    if known then
      service:resume(known, child)
      if not child then
        note_due(due, service, known)
      end
    end
  end
  return due
end

local function resume(group, saved)
  group.times, group.has_begun, group.code = saved.times, saved.has_begun, saved.code
  group.excess = group.intensity and group.by_name[saved.excess] and saved.excess
  phase.advance(group, saved.is_ending and "leaving" or "running")
  local found = living_services(saved)
  local due = resume_services(group, saved, found)
  for name, what in pairs(saved.restart_set) do
    if group.by_name[name] then
      group.restart_set[group.by_name[name]] = what
    end
  end
  kill_probes()
  remove_services(group, saved, found)
  expect_ends(group, due)
end

-- What the new script wants of services that were known.
local function follow_script(group, saved)
  for _, service in ipairs(group) do
    if saved.services[service.name] then
      service:follow_script()
    end
  end
end

--- Begins when the engine has sent START: from the beginning, or where an earlier script process was.
-- @param in_stop whether the stop had begun by then
return function(group, in_stop)
  local saved = memory.recall()
  if saved then
    resume(group, saved)
  else
    phase.advance(group, phase.is_ending(group) and "leaving" or "running")
  end
  if group.main then
    group.main:begin()
  end
  if group.code then -- the order may have been lost with who was about to give it
    core.order(core.ORDER_EXIT, 0, 0, group.code)
  end
  if in_stop then
    phase.advance(group, "leaving")
  end
  memory.save_all(group)
  if phase.is_ending(group) then
    return
  elseif saved then
    follow_script(group, saved)
    group:catch_up()
  else
    group:schedule()
  end
end
