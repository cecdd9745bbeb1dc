--- Services that are started in order, restarted by their policies and stopped in the reverse order.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local new_service = require "reaper.supervisor.service"
local output = require "reaper.runtime.output"
local probes = require "reaper.supervisor.probes"
local process = require "reaper.process"
local restart = require "reaper.restart"
local services = require "reaper.supervisor.definitions"
local store = require "reaper.runtime.store"
local timers = require "reaper.runtime.timers"

local supervisor = {}

local group -- what supervisor.run was given; a list of services in the order of their starts

-- ---- Who may start. ----

local function by_name(name)
  return group.by_name[name]
end

-- A service that has done its work and ended well is as good as one that runs.
local function is_satisfied(other)
  return other.state == "running" or (other.state == "finished" and other.is_done)
end

local function is_ready_to_start(service)
  for _, name in ipairs(service.spec.after) do
    if not is_satisfied(by_name(name)) then
      return false
    end
  end
  return true
end

local function failed_need(service)
  for _, name in ipairs(service.spec.after) do
    local other = by_name(name)
    if other.state == "failed" then
      return other
    end
  end
end

-- Those that are restarted together start when all of them have ended.
local function together_is_over()
  for service in pairs(group.together) do
    if service.state ~= "waiting" and service:is_up() then
      return false
    end
  end
  group.together = {}
  return true
end

local function schedule()
  if group.is_stopping or not group.started then
    return
  end
  local over = together_is_over()
  for _, service in ipairs(group) do
    if service.state == "waiting" and (over or not group.together[service]) then
      local failed = failed_need(service)
      if failed then
        service.code = failed.code
        service:fire("give_up", failed.name .. ", which it needs, has failed")
      elseif is_ready_to_start(service) then
        service:fire "start"
      end
    end
  end
end

-- ---- The end. ----

local function is_needed(service)
  for _, other in ipairs(group.needed_by[service.name] or {}) do
    if other:is_alive() then
      return true
    end
  end
  return false
end

local SLACK = 10 -- seconds that a stop may take beyond what its graces allow, before the engine stops all by itself
local LAST_CALLS = 5 -- seconds that the end waits for on_service
local PATIENCE = 0.3 -- seconds for which last words may make no progress: others can hold a pipe open, or block one

-- Waits until all that the services wrote has been written on.
local function wait_for_last_words()
  local before, since = -1, core.now()
  while core.now() - since < PATIENCE do
    local count, over = 0, output.stdout:is_empty() and output.stderr:is_empty()
    for _, service in ipairs(group) do
      local read, all = service:lines_read()
      count, over = count + read, over and all
    end
    if over then
      return
    elseif count ~= before then
      before, since = count, core.now()
    end
    loop.sleep(0.005)
  end
end

local function wake_finisher()
  local co = group.finisher
  group.finisher = nil
  if co then
    loop.wake_later(co)
  end
end

-- An alert that on_service sends is to arrive, so the end waits for it.
local function wait_for_hooks()
  local is_over = false
  local stop = timers.after(LAST_CALLS, function()
    log("warning", ("on_service has not returned within %g s: the end goes on without it"):format(LAST_CALLS))
    is_over = true
    wake_finisher()
  end)
  while group.telling > 0 and not is_over do
    loop.wait(function(co)
      group.finisher = co
    end)
  end
  stop()
end

local function tell(name, state, detail)
  group.telling = group.telling + 1
  hooks.call("on_service", function()
    group.telling = group.telling - 1
    wake_finisher()
  end, name, state, detail)
end

-- Everything is down: that is what the engine has waited for.
local function finish()
  wait_for_hooks()
  wait_for_last_words()
  group.done()
end

-- How many seconds the stop of `known` may still take before it is killed; one that the script has no more.
local function stranger_takes(known)
  return math.max(0, known.since + known.stop.grace - core.now())
end

-- Tells the engine how long the next step takes at most. 0: without a limit, as a grace can be.
local function say_how_long()
  local longest = LAST_CALLS
  for _, service in ipairs(group) do
    longest = math.max(longest, service:stop_takes())
  end
  for _, known in pairs(group.strangers) do
    longest = math.max(longest, stranger_takes(known))
  end
  longest = longest + SLACK
  group.wait(longest < 0x7fffffff and math.ceil(longest) or 0)
end

-- Stops those that nobody needs any more, from the last to the first.
local function stop_some()
  local up = next(group.strangers) ~= nil
  for i = #group, 1, -1 do
    local service = group[i]
    if service:is_up() then
      up = true
      if service.after_stop ~= "finished" and not is_needed(service) then
        service:fire "stop"
      end
    end
  end
  say_how_long()
  if not up and not group.is_over then
    group.is_over = true
    hooks.run("supervisor", finish)
  end
end

-- Goes on with the stop, once it is the services' turn.
local function go_on_stopping()
  if group.done then
    stop_some()
  end
end

local function key_of(name)
  return "service " .. name
end

-- What the next script process has to know: of the group, and of the service that has changed.
local function save(service)
  if not group.started then
    return
  end
  group.has_begun = group.has_begun or service ~= nil
  local values = { supervisor = {
    is_stopping = group.is_stopping, code = group.code, times = group.times, excess = group.excess,
    has_begun = group.has_begun, together = {},
  } }
  for other, what in pairs(group.together) do
    values.supervisor.together[other.name] = what
  end
  if service then
    values[key_of(service.name)] = service:memory()
  end
  store.set(values)
end

local function save_all()
  local names = {}
  local values = { services = names }
  for _, service in ipairs(group) do
    names[#names + 1] = service.name
    values[key_of(service.name)] = service:memory()
  end
  for name, known in pairs(group.strangers) do
    names[#names + 1] = name
    values[key_of(name)] = known
  end
  store.set(values)
  save()
end

-- What an earlier script process has saved, or nil.
local function recall()
  local memory = store.get "supervisor"
  if memory then
    memory.services = {}
    for _, name in ipairs(store.get "services") do
      memory.services[name] = store.get(key_of(name)) or nil
    end
  end
  return memory
end

-- The stop begins, for whatever reason. While COMMAND ends, nothing is started any more; then it is the services' turn.
local function stop_services(_, is_their_turn, wait, done)
  group.is_stopping, group.wait = true, wait
  save()
  if is_their_turn then
    group.done = done
    stop_some()
  else
    wait(0)
  end
end

--- Stops all services, dependants first; the container ends with `code` then (default 0).
function supervisor.shutdown(code)
  code = code == nil and 0 or check.integer("supervisor.shutdown", "code", code, 0, 255)
  if not group or group.is_stopping then
    return
  end
  group.is_stopping, group.code = true, code
  save()
  core.order(core.ORDER_EXIT, 0, 0, code)
end

-- With the exit code of what has failed. That is not 0, also where the service has ended with 0 too often.
local function end_with(service, why)
  log("error", ("%s: %s; stopping all"):format(service.name, why))
  supervisor.shutdown(service.code ~= 0 and service.code or 1)
end

-- ---- Restarts. ----

-- More than `intensity` restarts within `period` are too many (OTP, stdlib, supervisor).
local function count_restart(service)
  local now, recent = core.now(), {}
  for _, at in ipairs(group.times) do
    recent[#recent + 1] = at > now - group.period and at or nil
  end
  recent[#recent + 1] = now
  group.times = recent
  if group.intensity and #recent > group.intensity then
    group.excess = service.name
  end
end

local function end_by_excess()
  end_with(by_name(group.excess), ("more than %d restarts within %g s"):format(group.intensity, group.period))
end

-- The others that a restart concerns (OTP, stdlib, supervisor).
local function concerned(service)
  local list, from = {}, false
  for _, other in ipairs(group) do
    if other ~= service and (group.strategy == "one_for_all" or (group.strategy == "rest_for_one" and from)) then
      list[#list + 1] = other
    end
    from = from or other == service
  end
  return list
end

-- Stops those that are to be restarted together, and that nobody needs any more, from the last to the first. What is
-- never restarted is not restarted then, either (a "temporary" child of OTP); but one that waits has its turn to come.
local function hold_some()
  for i = #group, 1, -1 do
    local service = group[i]
    if group.together[service] == "due" and not (service:is_alive() and is_needed(service)) then
      group.together[service] = "held"
      local stays_down = service.spec.restart == restart.never and service.state ~= "waiting"
      if stays_down and service:is_up() then
        log("warning", service.name .. ": stays down, since it is never restarted; so does what waits for it")
      end
      service:fire(stays_down and "stop" or "hold", "another service is restarted")
    end
  end
end

local function note_together(service)
  for _, other in ipairs(concerned(service)) do
    if other:is_up() or other.is_done then
      group.together[other], group.together[service] = "due", "held"
    end
  end
end

-- ---- What follows a change. ----

local function all_finished()
  for _, service in ipairs(group) do
    if service:is_up() then
      return false
    end
  end
  return true
end

local function has_failed_for_good(service)
  return service.state == "failed" and service.spec.when_failed == "exit"
end

local function end_as_failed(service)
  return end_with(service, "failed: " .. tostring(service.detail))
end

-- Those whose turn has come start; when nothing is left to do, the container ends.
local function go_on()
  schedule()
  if group.has_begun and all_finished() then -- where all wait to be started by hand, nothing has
    supervisor.shutdown(0)
  end
end

local function after_change(service)
  if group.is_stopping then
    return go_on_stopping()
  end
  if group.excess then
    return end_by_excess()
  elseif has_failed_for_good(service) then
    return end_as_failed(service)
  end
  hold_some()
  go_on()
end

local level_of = { failed = "error", backoff = "warning" }

local function changed(service, detail)
  if level_of[service.state] and (group.is_stopping or not has_failed_for_good(service)) then
    log(level_of[service.state], ("%s: %s%s"):format(service.name, service.state, detail and ": " .. detail or ""))
  end
  if service.state == "backoff" and service.is_restart and not group.is_stopping then
    -- And what follows from it, all before it is saved: a script process that is lost has done both or nothing.
    count_restart(service)
    note_together(service)
  end
  save(service)
  tell(service.name, service.state, detail)
  after_change(service)
end

-- ---- After a lost script process, or a reload. ----

-- The living process of each service. A script may give other children the same name, so the pid has the last word;
-- but a start can be too new for its pid to be known: then it is the newest child of that name.
local function living_services(memory)
  local found = {}
  for _, child in ipairs(process.children()) do
    local known = memory.services[child.name]
    if known and child ~= process.main
      and (child.pid == known.pid or (known.state == "starting" and not known.pid)) then
      found[child.name] = child
    end
  end
  return found
end

local GONE = "the script does not have it any more"

local function tell_of_stranger(name, state, detail)
  log("info", ("%s: %s: %s"):format(name, state, detail))
  tell(name, state, detail)
end

local function forget_stranger(name, how)
  group.strangers[name] = nil
  store.set { [key_of(name)] = false }
  tell_of_stranger(name, "finished", how)
end

-- Stops a service that the new script does not have any more; a later one may have it again.
local function dismiss(name, child, known)
  local is_told = known.state == "stopping"
  known.state, known.since = "stopping", is_told and known.since or core.now()
  known.after_stop, known.pid = "waiting", child.pid
  group.strangers[name] = known
  hooks.run("supervisor", function()
    if not is_told then
      tell_of_stranger(name, "stopping", GONE)
      child:kill(known.stop.signal)
      child:kill "CONT"
    end
    local status, how = child:wait(stranger_takes(known)), nil
    if not status then
      child:kill "KILL"
      status, how = child:wait(), ("stopped by SIGKILL after %g s of grace"):format(known.stop.grace)
    end
    forget_stranger(name, how or tostring(status))
    go_on_stopping()
  end)
end

local function is_up(known)
  return known.state ~= "finished" and known.state ~= "failed"
end

-- Services that the new script does not have any more, and probes that nobody waits for.
local function stop_strangers(found, memory)
  for _, child in ipairs(process.children()) do
    if child.name and child.name:find("/probe$") then
      probes.kill(child)
    end
  end
  for name, known in pairs(memory.services) do
    if not by_name(name) and found[name] then
      dismiss(name, found[name], known)
    elseif not by_name(name) and is_up(known) then
      forget_stranger(name, GONE)
    end
  end
end

-- Ends that nobody was there to see are told right after the start; what is not told then will never be.
-- Those of `missing` are known by their pids, those of `unborn` only by the names of their processes.
local function expect_ends(missing, unborn, lost)
  local stop = hooks.on("on_reap", function(pid, status, rusage, info)
    local service = missing[pid] or (info and unborn[info.name])
    if service then
      missing[pid], unborn[service.name] = nil, nil
      service:ended(status, rusage)
    end
  end)
  local is_heard = core.request(core.ORDER_STATS) -- all that was told before its reply has been read then
  timers.add(0, function()
    if not is_heard then -- this script process has been replaced already: what it does not hear of, the next one does
      return
    end
    stop()
    for _, service in pairs(missing) do
      service:ended(nil)
    end
    for _, service in ipairs(lost) do
      service:ended(nil)
    end
    for _, service in pairs(unborn) do
      service:not_born()
    end
    schedule()
  end)
end

local function resume(memory)
  local found, missing, unborn, lost = living_services(memory), {}, {}, {}
  group.times, group.has_begun = memory.times, memory.has_begun
  group.is_stopping, group.code = memory.is_stopping, memory.code
  group.excess = group.intensity and by_name(memory.excess) and memory.excess
  for _, service in ipairs(group) do
    local known = memory.services[service.name]
    if known then
      service:resume(known, found[service.name])
      if known.pid and not found[service.name] then
        missing[known.pid] = service
      elseif service.is_unborn then
        unborn[service.name] = service
      elseif service:is_alive() and not found[service.name] then -- its end was being dealt with
        lost[#lost + 1] = service
      end
    end
  end
  for name, what in pairs(memory.together) do
    if by_name(name) then
      group.together[by_name(name)] = what
    end
  end
  stop_strangers(found, memory)
  expect_ends(missing, unborn, lost)
end

-- What the earlier script process would have done next, had it not been lost just then.
local function catch_up(memory)
  for _, service in ipairs(group) do
    if memory.services[service.name] then
      service:catch_up()
    end
  end
  if group.excess then
    return end_by_excess()
  end
  for _, service in ipairs(group) do
    if has_failed_for_good(service) then
      return end_as_failed(service)
    end
  end
  hold_some()
  go_on()
end

local function begin(in_stop)
  local memory = recall() -- of a script process that was lost or replaced
  group.started = true
  if memory then
    resume(memory)
  end
  if group.code then -- the order may have been lost with who was about to give it
    core.order(core.ORDER_EXIT, 0, 0, group.code)
  end
  group.is_stopping = group.is_stopping or in_stop
  save_all()
  if group.is_stopping then
    return
  elseif memory then
    return catch_up(memory)
  end
  schedule()
end

-- ---- What scripts call. ----

-- name → those that start after it
local function needed_by(list)
  local needed = {}
  for _, service in ipairs(list) do
    for _, name in ipairs(service.spec.after) do
      needed[name] = needed[name] or {}
      table.insert(needed[name], service)
    end
  end
  return needed
end

--- Supervises services from the start of the container on. Call it once, while the script is loaded or in on_start.
function supervisor.run(given)
  if group then
    check.raise "supervisor.run: it supervises already; give all services in one table"
  end
  local found = services.read(given)
  found.by_name, found.together, found.times, found.telling = {}, {}, {}, 0
  found.strangers = {} -- what is known of services that are not in the group any more, while they are stopped
  for i, spec in ipairs(found) do
    found[i] = new_service(spec, changed, save)
    found.by_name[spec.name] = found[i]
  end
  found.needed_by = needed_by(found)
  group = found
  hooks.on_stop_of_services(stop_services)
  hooks.when_started(begin)
end

local STOPPING = "the container is stopping"

local function find(where, name)
  check.type(where, "name", name, "string")
  local service = group and by_name(name)
  if not service then
    local names = {}
    for _, other in ipairs(group or {}) do
      names[#names + 1] = other.name
    end
    check.refuse(where, "name", ("there is no service '%s'%s"):format(name, check.hint(name, names)))
  end
  return service
end

--- Starts a service that has come to its end, or was not started yet. True; or nil, message when it is up already.
function supervisor.start(name)
  local service = find("supervisor.start", name)
  if group.is_stopping then
    return nil, STOPPING
  elseif not service:fire "again" then
    return nil, ("%s is %s already"):format(name, service.state)
  end
  return true
end

--- Stops a service; it stays so. True; or nil, message when it is down already.
function supervisor.stop(name)
  local service = find("supervisor.stop", name)
  if not service:is_up() then
    return nil, ("%s is %s already"):format(name, service.state)
  end
  service:fire "stop"
  save(service) -- of one that is being stopped only what comes afterwards has changed
  return true
end

--- Stops a service and starts it again, whatever its restart policy says. True; or nil, message when all are stopped.
function supervisor.restart(name)
  local service = find("supervisor.restart", name)
  if group.is_stopping then
    return nil, STOPPING
  end
  service:fire "restart"
  save(service)
  return true
end

local function status_of(service)
  return {
    name = service.name, state = service.state, since = core.now() - service.since, pid = service.pid,
    restarts = service.past.restarts, status = service.status, detail = service.detail,
  }
end

--- A table of one service: name, state, since (seconds), pid, restarts, status (of its last end), detail; without a
-- name a list of all, in the order of their starts.
function supervisor.status(name)
  if name ~= nil then
    return status_of(find("supervisor.status", name))
  end
  local list = {}
  for i, service in ipairs(group or {}) do
    list[i] = status_of(service)
  end
  return list
end

return supervisor
