--- The services of a script, in the order of their starts: who may start, who is restarted with whom, and what follows
-- a change of one of them.

local core = require "reaper.core"
local ending = require "reaper.supervisor.ending"
local log = require "reaper.runtime.log"
local memory = require "reaper.supervisor.memory"
local new_main = require "reaper.supervisor.main"
local new_service = require "reaper.supervisor.service"
local new_waiters = require "reaper.supervisor.waiters"
local phase = require "reaper.supervisor.phase"
local report = require "reaper.supervisor.report"
local restart = require "reaper.restart"

local Group = {}
Group.__index = Group

-- ---- Who may start. ----

local function is_ready_to_start(self, spec)
  for _, name in ipairs(spec.after) do
    local other = self.by_name[name]
    if not (other:is_satisfied() or (spec.is_default and other.state == "failed")) then
      return false
    end
  end
  return true
end

local function failed_need(self, spec)
  for _, name in ipairs(spec.after) do
    local other = self.by_name[name]
    if other.state == "failed" then
      return other
    end
  end
end

--- True while a service lives that starts after this one.
function Group:is_needed(service)
  for _, other in ipairs(self.needed_by[service.name] or {}) do
    if other:is_alive() then
      return true
    end
  end
  return false
end

-- The services of the restart set start again when all of them have ended. True when that is so.
local function has_restart_set_ended(self)
  for service in pairs(self.restart_set) do
    if service.state ~= "waiting" and service:is_up() then
      return false
    end
  end
  self.restart_set = {}
  return true
end

-- COMMAND comes last. Where the script does not say after whom, one that has failed is not waited for: had it been
-- needed, the container would end.
local function schedule_main(self)
  local main = self.main
  if not main or main.state ~= "waiting" then
    return
  end
  local failed = failed_need(self, main.spec)
  if failed and not main.spec.is_default then
    ending.end_with(self, failed, "failed, and COMMAND needs it")
  elseif is_ready_to_start(self, main.spec) then
    main:start()
  end
end

--- Starts those whose turn has come.
function Group:schedule()
  if self.phase ~= "running" then
    return
  end
  local have_all_ended = has_restart_set_ended(self)
  for _, service in ipairs(self) do
    if service.state == "waiting" and (have_all_ended or not self.restart_set[service]) then
      local failed = failed_need(self, service.spec)
      if failed then
        service.code = failed.code
        service:fire("give_up", failed.name .. ", which it needs, has failed")
      elseif is_ready_to_start(self, service.spec) then
        service:fire "start"
      end
    end
    if service.calendar and service:is_up() and service.calendar:arm() then
      service:save() -- for which time it waits
    end
  end
  schedule_main(self)
end

-- ---- Restarts. ----

-- More than `intensity` restarts within `period` are too many (OTP, stdlib, supervisor).
local function count_restart(self, service)
  local now, recent = core.now(), {}
  for _, at in ipairs(self.times) do
    recent[#recent + 1] = at > now - self.period and at or nil
  end
  recent[#recent + 1] = now
  self.times = recent
  if self.intensity and #recent > self.intensity then
    self.excess = service.name
  end
end

-- The others that a restart concerns (OTP, stdlib, supervisor).
local function concerned(self, service)
  local list, from = {}, false
  for _, other in ipairs(self) do
    if other ~= service and (self.strategy == "one_for_all" or (self.strategy == "rest_for_one" and from)) then
      list[#list + 1] = other
    end
    from = from or other == service
  end
  return list
end

local function add_to_restart_set(self, service)
  for _, other in ipairs(concerned(self, service)) do
    if other:is_up() or other.is_done then
      self.restart_set[other], self.restart_set[service] = "to stop", "stopped"
    end
  end
end

-- Stops those of the restart set that nobody needs any more, from the last to the first. What is never restarted is not
-- restarted then, either (a "temporary" child of OTP); but one that waits has its turn to come.
local function stop_restart_set(self)
  for i = #self, 1, -1 do
    local service = self[i]
    if self.restart_set[service] == "to stop" and not (service:is_alive() and self:is_needed(service)) then
      self.restart_set[service] = "stopped"
      local stays_down = service.spec.restart == restart.never and service.state ~= "waiting"
      if stays_down and service:is_up() then
        log("warning", service.name .. ": stays down, since it is never restarted; so does what waits for it")
      end
      if not service:fire(stays_down and "stop" or "requeue", "another service is restarted") then
        service:save() -- what follows its stop
      end
    end
  end
end

-- ---- What follows a change. ----

local function has_failed_for_good(service)
  return service.state == "failed" and service.spec.when_failed == "exit"
end

-- With COMMAND it is the end of that which counts.
local function have_all_finished(self)
  if self.main then
    return false
  end
  for _, service in ipairs(self) do
    if service:is_up() then
      return false
    end
  end
  return true
end

-- Ends the container for what has happened to a service, if that asks for it. True when it does.
local function end_for(self, service)
  if self.excess then
    ending.end_with(self, self.by_name[self.excess],
      ("more than %d restarts within %g s"):format(self.intensity, self.period))
    return true
  elseif has_failed_for_good(service) then
    ending.end_with(self, service, "failed: " .. tostring(service.detail))
    return true
  end
  return false
end

-- Those whose turn has come stop or start; when nothing is left to do, the container ends.
local function go_on(self)
  stop_restart_set(self)
  self:schedule()
  if self.has_begun and have_all_finished(self) then -- where all wait to be started by hand, nothing has begun
    ending.shutdown(self, 0)
  end
end

--- Does what an earlier script process would have done next, had it not been lost just then.
function Group:catch_up()
  for _, service in ipairs(self) do
    if end_for(self, service) then
      return
    end
  end
  go_on(self)
end

local function after_change(self, service)
  if phase.is_ending(self) then
    ending.go_on(self)
  elseif not end_for(self, service) then
    go_on(self)
  end
end

local level_of = { failed = "error", backoff = "warning" }

local function log_change(self, service, detail)
  local level = level_of[service.state]
  if level and (phase.is_ending(self) or not has_failed_for_good(service)) then
    log(level, ("%s: %s%s"):format(service.name, service.state, detail and ": " .. detail or ""))
  end
end

local function changed(self, service, detail)
  log_change(self, service, detail)
  if service.state == "backoff" and service.is_restart and not phase.is_ending(self) then
    -- And what follows from it, all before it is saved: a script process that is lost has done both or nothing.
    count_restart(self, service)
    add_to_restart_set(self, service)
  end
  memory.save(self, service)
  self.report:deliver(service.name, service.state, detail)
  self.waiters:look() -- before anything follows: a service that is restarted is down for this moment only
  after_change(self, service)
end

-- ---- A new group. ----

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

--- A group of the services that definitions.read gives. It has those in the order of their starts, and
--   strategy, intensity, period   as the script gives them
--   phase         how far it is (phase.lua)
--   code          the exit code with which the end was asked for
--   question      { wait =, done = }: answers the engine, which waits for the services to stop
--   by_name       name → service
--   needed_by     name → those that start after it
--   restart_set   those that are restarted at one time: service → "to stop", or "stopped" when it was told to
--   times         of the last restarts
--   excess        the name of the service that was restarted too often
--   has_begun     whether any service was started or stopped yet
--   removed       what is known of services that the script does not have any more, while they are stopped: by name
--   report        the calls of on_service
--   waiters       the calls of supervisor.wait
--   main          COMMAND, or nil
return function(definitions)
  local self = setmetatable({
    strategy = definitions.strategy, intensity = definitions.intensity, period = definitions.period,
    phase = phase.first, by_name = {}, restart_set = {}, times = {}, removed = {}, report = report.new(),
    waiters = new_waiters(),
  }, Group)
  local function on_change(service, detail)
    changed(self, service, detail)
  end
  local function save(service)
    memory.save(self, service)
  end
  for i, definition in ipairs(definitions) do
    self[i] = new_service(self, definition, on_change, save)
    self.by_name[definition.name] = self[i]
  end
  self.main = definitions.main and new_main(self, definitions.main)
  self.needed_by = needed_by(self)
  return self
end
