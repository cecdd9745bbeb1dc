-- A model of the engine (src/): deaths, questions and their deadlines, orders, the life of the script process, and the
-- stop. spec/virtual_spec.lua runs scripts over this model and over the engine itself, and compares what they print.

local core = require "spec.support.virtual.core"
local files = require "spec.support.virtual.files"
local script = require "spec.support.virtual.script"

local real = core.real

local engine = {}

local Engine = {}
Engine.__index = Engine

local NEVER = math.maxinteger
local DELAY_FIRST, DELAY_MAX, STABLE_AFTER = 0.1, 10, 10 -- src/keeper.c
local KILL_PATIENCE = 2 -- src/stop.c
local KILL, TERM = 9, 15
local LOAD_FAILED = 125

-- `options`: what script.new takes, and grace, hook_timeout.
function engine.new(machine, options)
  local self = setmetatable({
    machine = machine, options = options, state = "loading", threshold = 2, children = {}, asks = {}, last_ask = 0,
    collected = {}, leaving = {}, early = {}, interrupts = 0, interrupted_at = 0, restarts = 0, delay = 0,
    hooks = 0, start_at = NEVER, take_up_at = NEVER, leaving_deadline = NEVER, state_deadline = NEVER,
    settings = { grace = 5, hook_timeout = 1 },
  }, Engine)
  for key, value in pairs(options.settings or {}) do
    self.settings[key] = value
  end
  machine.engine = self
  return self
end

function Engine:log(level, message)
  self.machine.descriptors:get(2):write("reaper-lua: " .. (level == "warning" and "warning: " or "") .. message .. "\n")
end

function Engine:after(seconds)
  return self.machine:after(seconds)
end

local function describe(status)
  return tostring(real.status(status))
end

-- ---- Starting script processes. ----

local function event(kind, ...)
  return table.pack(kind, ...)
end

local function put(process, told)
  for _, open in pairs(told.open or {}) do
    open:hold()
  end
  table.insert(process.queue, told)
end

-- pid, name, dead, pidfd, stdout, stderr, readiness
local function hand_over_children(self, process, with_outputs)
  local pids = {}
  for pid in pairs(self.children) do
    pids[#pids + 1] = pid
  end
  table.sort(pids)
  for _, pid in ipairs(pids) do
    local child = self.children[pid]
    local told = event(real.EVENT_CHILD, pid, child.name, child.is_dead, nil, nil, nil, nil)
    told.open = {}
    told.open[5] = not child.is_dead and files.pidfd(child.process) or nil
    for i = 1, with_outputs and 3 or 0 do
      told.open[5 + i] = child.kept[i]
    end
    put(process, told)
  end
end

local function start(self, reason)
  local process = script.new(self.machine, self, self.options.script())
  process.reason, process.state, process.hooks = reason, "loading", 0
  for key, value in pairs(self.settings) do
    process.settings[key] = value
  end
  hand_over_children(self, process, reason ~= "reload")
  return process
end

function Engine:start_first()
  self.policy = start(self, nil)
end

local function next_delay(self)
  return self.delay > 0 and self.delay or DELAY_FIRST
end

local function schedule_start(self)
  local delay = next_delay(self)
  self.start_at, self.delay = self:after(delay), math.min(delay * 2, DELAY_MAX)
end

local function start_again(self)
  self.start_at = NEVER
  self.policy = start(self, "crash")
  self.restarts = self.restarts + 1
end

local function is_asked(self, kind, process)
  for _, ask in ipairs(self.asks) do
    if (not kind or ask.kind == kind) and (not process or ask.asked == process) then
      return true
    end
  end
  return false
end

local function reload_is_under_way(self)
  return self.candidate ~= nil or self.take_up_at < NEVER or is_asked(self, "reload")
end

local function reload(self)
  self.is_to_reload = reload_is_under_way(self)
  if not self.is_to_reload then
    self.candidate = start(self, "reload")
  end
end

local function reload_again(self)
  if self.is_to_reload and self.state == "running" and not reload_is_under_way(self)
    and not is_asked(self, "signal", self.policy) then
    reload(self)
  end
end

-- ---- Questions. ----

local answered -- kind -> function(self, ask, answer, number)

local function forget(self, matches)
  local left = {}
  for _, ask in ipairs(self.asks) do
    if not matches(ask) then
      left[#left + 1] = ask
    end
  end
  self.asks = left
end

local function forget_kind(self, kind)
  forget(self, function(ask) return ask.kind == kind end)
end

local function put_ask(self, ask)
  if ask.asked ~= self.policy then
    ask.asked = self.policy
    put(self.policy, ask.event)
  end
end

-- `told` gets the number of the question as its second value, or where `index` says.
local function ask_policy(self, kind, told, index)
  if self.settings.hook_timeout == 0 then
    return false
  end
  self.last_ask = self.last_ask + 1
  told[index or 2] = self.last_ask
  local ask = { kind = kind, serial = self.last_ask, event = told, deadline = self:after(self.settings.hook_timeout) }
  table.insert(self.asks, ask)
  if self.policy and self.policy.state == "ready" then
    put_ask(self, ask)
  end
  return ask
end

local function resolve(self, ask, answer, number)
  forget(self, function(other) return other == ask end)
  answered[ask.kind](self, ask, answer, number)
  reload_again(self)
end

local function find_ask(self, serial)
  for _, ask in ipairs(self.asks) do
    if ask.serial == serial then
      return ask
    end
  end
end

local HOOKS = { signal = "on_signal", main = "on_reap", stop = "on_stop", exit = "on_exit", reload = "on_reload" }

local function expire(self)
  for _, ask in ipairs(table.move(self.asks, 1, #self.asks, 1, {})) do
    if ask.deadline <= self.machine.now and find_ask(self, ask.serial) then
      self:log("warning", ("%s has not answered within %g s: taking the default"):format(HOOKS[ask.kind],
        self.settings.hook_timeout))
      resolve(self, ask, real.ANSWER_DEFAULT, 0)
    end
  end
end

local function policy_has_gone(self)
  for _, ask in ipairs(self.asks) do
    if ask.is_waiting then
      ask.is_waiting, ask.deadline = false, self:after(self.settings.hook_timeout)
    end
  end
end

-- ---- Deaths. ----

local function has(self, bit)
  return self.hooks & bit ~= 0
end

local function put_to_listener(self, told)
  if self.policy and self.policy.state == "ready" then
    put(self.policy, told)
  else
    table.insert(self.collected, told)
  end
end

local function put_spawned(self, told)
  if self.policy and self.policy.state == "loading" and self.take_up_at == NEVER then
    put(self.policy, told)
  else
    put_to_listener(self, told)
  end
  if self.candidate then
    local copy = table.move(told, 1, told.n, 1, { n = told.n })
    copy[7] = copy[7] | real.FLAG_TOLD
    put(self.candidate, copy)
  end
end

local function usage_of(process)
  return { utime = 0, stime = 0, maxrss = process.maxrss, minflt = 0, majflt = 0, inblock = 0, oublock = 0, nvcsw = 0,
    nivcsw = 0 }
end

-- pid, status, rusage, info, ask, flags
local function reap_event(self, process, status, flags, name)
  local is_looked_at = has(self, real.HOOK_REAP_INFO) or self.state == "loading"
  local info = {
    comm = is_looked_at and process.comm or nil, name = name, main = flags & real.FLAG_MAIN ~= 0, oom = false,
    lifetime = is_looked_at and (self.machine.now - process.started) / 1e9 or nil,
    orphan = flags & (real.FLAG_MAIN | real.FLAG_SPAWNED) == 0,
  }
  return event(real.EVENT_REAP, process.pid, real.status(status), usage_of(process), info, 0, flags)
end

local function reaped(self, child)
  child.is_dead = true
  if child.kept[3] then
    child.kept[3]:drop()
    child.kept[3] = nil
  end
  if not child.kept[1] and not child.kept[2] then
    self.children[child.process.pid] = nil
  end
end

local begin_stop

local function main_ended(self, process, status)
  local told = reap_event(self, process, status, real.FLAG_MAIN)
  self.main, self.main_status = nil, status
  if self.state == "running" and ask_policy(self, "main", told, 6) then
    return
  end
  put_spawned(self, told)
  if self.state == "running" then
    begin_stop(self, "main")
  end
end

-- A process has ended that no program waits for.
function Engine:died(process, status)
  self.has_died = true
  local child = self.children[process.pid]
  if process == self.main then
    main_ended(self, process, status)
  elseif child and not child.is_dead then
    local told = reap_event(self, process, status, real.FLAG_SPAWNED, child.name)
    reaped(self, child)
    put_spawned(self, told)
  elseif has(self, real.HOOK_REAP) or self.state == "loading" then
    put_to_listener(self, reap_event(self, process, status, 0))
  end
end

-- A script process has started a child. `outputs` are held for the next one: stdout, stderr, readiness.
function Engine:spawned(process, name, outputs)
  for _, open in pairs(outputs) do
    open:hold()
  end
  self.children[process.pid] = { process = process, name = name or "", kept = outputs }
end

-- ---- The script is loaded. ----

local function begin(self)
  self.state = "running"
  local command = self.options.command
  if not command then
    return
  end
  local message
  self.main, message = self.machine:spawn { argv = command }
  if not self.main then
    self:log("error", message)
    self.main_code = message:find "No such" and 127 or 126
    begin_stop(self, "main")
  end
end

-- pid or nil, pidfd, nil or "crash" or "reload"
local function hand_over_start(self, process)
  local told = event(real.EVENT_START, self.main and self.main.pid, nil, process.reason)
  told.open = { [3] = self.main and files.pidfd(self.main) }
  put(process, told)
end

local function take_up(self, process)
  process.state, process.ready_at = "ready", self.machine.now
  self.settings = process.settings
  hand_over_start(self, process)
  for _, ask in ipairs(self.asks) do
    if ask.kind ~= "reload" then
      put_ask(self, ask)
    end
  end
  for _, told in ipairs(self.collected) do
    put(process, told)
  end
  self.collected = {}
end

-- Deaths that a script process has not read are told to the next one.
local function salvage(self, process)
  for _, told in ipairs(process:drop_queue()) do
    if told[1] == real.EVENT_REAP and not (told[6] ~= 0 and find_ask(self, told[6])) then
      told[6] = 0
      table.insert(self.collected, told)
    end
  end
end

local function patience(self)
  return self.settings.hook_timeout > 0 and self.settings.hook_timeout or 1
end

local function leave(self, process)
  process.is_closed = true
  self.leaving[process] = true
  self.leaving_deadline = self:after(patience(self))
end

local function promoted(self)
  self.take_up_at = NEVER
  if not self.policy or self.policy.state ~= "loading" then
    return
  end
  hand_over_children(self, self.policy, true)
  take_up(self, self.policy)
  self:log("info", "the script was reloaded")
  reload_again(self)
end

local function promote(self)
  if not self.candidate then
    return
  end
  if self.policy then
    salvage(self, self.policy)
    leave(self, self.policy)
    policy_has_gone(self)
  end
  self.start_at = NEVER
  self.policy, self.candidate, self.delay = self.candidate, nil, 0
  self.hooks = self.policy.hooks
  self.take_up_at = self:after(patience(self) + 1)
  if not next(self.leaving) then
    promoted(self)
  end
end

local forward

local function ready(self, process, order)
  if process.state ~= "loading" or process.ready_at then
    return
  end
  process.hooks = order.number
  if process == self.candidate then
    process.ready_at = self.machine.now
    if not (self.policy and self.policy.state == "ready" and has(self, real.HOOK_RELOAD)
      and ask_policy(self, "reload", event(real.EVENT_RELOAD, 0))) then
      promote(self)
    end
    return
  end
  self.hooks = order.number
  process.state, self.settings = "ready", process.settings
  if self.state == "loading" then
    begin(self)
  end
  take_up(self, process)
  local early = self.early
  self.early = {}
  for _, number in ipairs(early) do
    forward(self, number)
  end
end

-- ---- The script process has ended. ----

local function load_failed(self, code)
  if self.state == "loading" or self.state == "running" then
    self.exit_code = code
    if self.policy then
      self.policy:signal(KILL)
      self.policy = nil
    end
    self:enter "stopping"
  end
end

local function policy_lost(self, process, how)
  if process.ready_at and self.machine.now - process.ready_at > STABLE_AFTER * 1e9 then
    self.delay = 0
  end
  self.take_up_at = NEVER
  salvage(self, process)
  self.policy = nil
  policy_has_gone(self)
  if self.state == "loading" then
    if not process.has_failed then
      self:log("error", ("the policy ended (%s) while it loaded the script"):format(how))
    end
    return load_failed(self, LOAD_FAILED)
  end
  self:log("error", ("the policy %s (%s); starting it again in %g s"):format(
    process.has_failed and "could not load the script" or "ended", how, next_delay(self)))
  schedule_start(self)
  if self.candidate and self.candidate.ready_at then
    forget_kind(self, "reload")
    promote(self)
  end
end

-- A script process has ended, by itself or not.
function Engine:script_ended(process, status)
  self.has_died = true
  if self.leaving[process] then
    self.leaving[process] = nil
    if not next(self.leaving) then
      self.leaving_deadline = NEVER
      if self.take_up_at < NEVER then
        promoted(self)
      end
    end
  elseif process == self.policy then
    policy_lost(self, process, describe(status))
  elseif process == self.candidate then
    self.candidate = nil
    process:drop_queue()
    forget_kind(self, "reload")
    self:log("error", ("the reload failed (%s): the old script stays"):format(describe(status)))
    reload_again(self)
  end
end

-- ---- Signals. ----

local STOPS = { [2] = true, [3] = true, [15] = true }

local function deliver(self, number)
  if number == 0 then
    return
  elseif self.main then
    self.main:signal(number)
  elseif STOPS[number] and self.state == "running" then
    begin_stop(self, select(2, real.signal(number)))
  elseif number == 1 and self.state == "running" then
    reload(self)
  end
end

local function interrupted(self)
  self.interrupts, self.interrupted_at = self.interrupts + 1, self.machine.now
  if self.interrupts < 2 then
    return
  elseif self.state == "stopping" then
    self:enter "killing"
  elseif self.state == "leaving" and is_asked(self, "exit") then
    forget_kind(self, "exit")
    self:dismiss()
  elseif self.state == "leaving" then
    self:kill_leaving()
  end
end

function forward(self, number)
  if self.state == "loading" then
    if STOPS[number] then
      load_failed(self, 128 + number)
    else
      table.insert(self.early, number)
    end
    return
  end
  if number == TERM or number == 2 then
    interrupted(self)
  end
  local told = event(real.EVENT_SIGNAL, 0, select(2, real.signal(number)), number)
  if not (has(self, real.HOOK_SIGNAL) and ask_policy(self, "signal", told)) then
    deliver(self, number)
  end
end

-- A signal from outside.
function Engine:signal(number)
  if self.state ~= "done" then
    forward(self, number)
  end
end

-- ---- Orders. ----

local orders = {}

orders[real.ORDER_READY] = ready

orders[real.ORDER_FAILED] = function(_, process)
  process.has_failed = true
end

orders[real.ORDER_HOOKS] = function(self, process, order)
  process.hooks = order.number
  if process == self.policy then
    self.hooks = order.number
  end
end

orders[real.ORDER_ANSWER] = function(self, _, order)
  local ask = find_ask(self, order.ask)
  if ask then
    resolve(self, ask, order.flags, order.number)
  end
end

orders[real.ORDER_WAIT] = function(self, _, order)
  local ask = find_ask(self, order.ask)
  if ask then
    ask.is_waiting, ask.deadline = true, NEVER
  end
end

orders[real.ORDER_OUTPUT_CLOSED] = function(self, _, order)
  local child = self.children[order.pid]
  if child and child.kept[order.number] then
    child.kept[order.number]:drop()
    child.kept[order.number] = nil
    if child.is_dead then
      reaped(self, child)
    end
  end
end

orders[real.ORDER_EXIT] = function(self, process, order)
  if order.number >= 0 then
    self.exit_code, self.left_code = order.number & 255, order.number & 255
  end
  if self.state == "loading" and process == self.policy then
    load_failed(self, math.max(0, order.number) & 255)
  else
    begin_stop(self, "exit")
  end
end

orders[real.ORDER_RELOAD] = function(self, process)
  if self.state ~= "running" or (process.state == "loading" and not process.ready_at) then
    return
  elseif is_asked(self, "signal", process) then
    self.is_to_reload = true
  else
    reload(self)
  end
end

-- An order without a reply, from a script process that may have been dismissed.
function Engine:order(process, kind, order)
  if not process.is_closed then
    orders[kind](self, process, order)
  end
end

local function start_main(self)
  if not self.options.command then
    return { nil, "there is no COMMAND to start", 22 }
  elseif self.main or self.state ~= "running" then
    return { nil, self.main and "the main child is still alive" or "reaper-lua is stopping", 16 }
  end
  local message, errno
  self.main, message, errno = self.machine:spawn { argv = self.options.command }
  if not self.main then
    return { nil, message, errno }
  end
  forget_kind(self, "main")
  return { self.main.pid, pidfd = files.pidfd(self.main) }
end

-- One with a reply: its values.
function Engine:request(_, kind)
  if kind == real.ORDER_MAIN_START then
    return start_main(self)
  end
  return { { reaped = 0, orphans = 0, dropped = 0, policy_restarts = self.restarts, zombies_peak = 0,
    uptime = self.machine:seconds() } }
end

-- ---- The stop. ----

-- Every process but those of scripts.
local function remains(self)
  local list = {}
  for _, process in ipairs(self.machine.order) do
    if process.engine ~= self then
      list[#list + 1] = process
    end
  end
  return list
end

local function signal_remains(self, number)
  for _, process in ipairs(remains(self)) do
    process:signal(number)
    if process.is_stopped and number == TERM then
      process:signal(18)
    end
  end
end

local function code_to_leave_with(self)
  if self.exit_code then
    return self.exit_code
  end
  return self.main_code or (self.main_status and real.status(self.main_status).exit_code) or 0
end

local entries = {}

function Engine:enter(state)
  if state == "stopping" and self.settings.grace == 0 then
    state = "killing"
  end
  self.state, self.state_deadline = state, NEVER
  entries[state](self)
end

function entries.stopping(self)
  self.state_deadline = self:after(self.settings.grace)
  self.has_died = true
  signal_remains(self, TERM)
end

function entries.killing(self)
  self.state_deadline = self:after(KILL_PATIENCE)
  self.has_died = true
  forget_kind(self, "stop")
  signal_remains(self, KILL)
end

function entries.leaving(self)
  self.left_code = code_to_leave_with(self)
  self.has_died = true
  local told = event(real.EVENT_EXIT, 0, self.left_code, self.main_status and real.status(self.main_status))
  if not has(self, real.HOOK_EXIT) or (not self.policy and self.start_at == NEVER)
    or not ask_policy(self, "exit", told) then
    self:dismiss()
  end
end

function begin_stop(self, reason)
  if self.state ~= "loading" and self.state ~= "running" then
    return
  end
  local is_recent = self.machine.now - self.interrupted_at <= self.settings.grace * 1e9
  self.interrupts = self.interrupts > 0 and is_recent and 1 or 0
  self:enter "stopping"
  if not has(self, real.HOOK_STOP) then
    return
  end
  local told = event(real.EVENT_STOP, 0, reason)
  local ask = self.state == "stopping" and self.policy and self.policy.state == "ready"
    and ask_policy(self, "stop", told)
  if ask then
    ask.deadline, ask.is_waiting = NEVER, true
  elseif self.policy and self.policy.state == "ready" then
    put(self.policy, told)
  end
end

function Engine:kill_leaving()
  for process in pairs(self.leaving) do
    process:signal(KILL)
  end
  self.leaving_deadline = NEVER
end

-- The end: the script processes are told to go.
function Engine:dismiss()
  self.start_at, self.has_died = NEVER, true
  if self.candidate then
    self.candidate:signal(KILL)
  end
  if self.policy then
    leave(self, self.policy)
    self.policy = nil
  end
end

-- A process has ended: what follows in the stop.
local function check(self)
  if self.state == "stopping" or self.state == "killing" then
    if not remains(self)[1] and not is_asked(self, "stop") then
      self:enter "leaving"
    elseif self.state == "killing" then
      signal_remains(self, KILL)
    end
  end
  if self.state == "leaving" and not is_asked(self, "exit") and not next(self.leaving) then
    self.state, self.code = "done", self.left_code
    signal_remains(self, KILL)
  end
end

answered = {
  signal = function(self, ask, answer, number)
    if answer ~= real.ANSWER_DROP then
      deliver(self, answer == real.ANSWER_SIGNAL and number or ask.event[4])
    end
  end,
  main = function(self, ask)
    ask.event[6] = 0
    if not self.policy or self.policy.state ~= "ready" then
      put_spawned(self, ask.event)
    end
    if not self.main then
      begin_stop(self, "main")
    end
  end,
  stop = function(self)
    self.has_died = true
  end,
  exit = function(self, _, answer, number)
    if answer == real.ANSWER_CODE then
      self.left_code = number & 255
    end
    self:dismiss()
  end,
  reload = function(self)
    promote(self)
  end,
}

-- ---- Turns. ----

local DEADLINES = {
  { "start_at", start_again }, { "leaving_deadline", Engine.kill_leaving }, { "take_up_at", promoted },
  { "state_deadline", function(self)
    if self.state == "stopping" then
      self:log("info", ("the grace period of %g s is over: killing what is left"):format(self.settings.grace))
    end
    self:enter(self.state == "stopping" and "killing" or "leaving")
  end },
}

-- What is due, or follows from a death. True when there was something.
function Engine:turn()
  if self.state == "done" then
    return false
  end
  local died, is_due = self.has_died, self:deadline() <= self.machine.now
  self.has_died = false
  if died then
    check(self)
  end
  if is_due then
    expire(self)
    for _, row in ipairs(DEADLINES) do
      if self[row[1]] <= self.machine.now then
        self[row[1]] = NEVER
        row[2](self)
      end
    end
  end
  return died or is_due
end

function Engine:deadline()
  local nearest = NEVER
  for _, row in ipairs(DEADLINES) do
    nearest = math.min(nearest, self[row[1]])
  end
  for _, ask in ipairs(self.asks) do
    nearest = math.min(nearest, ask.deadline)
  end
  return nearest
end

return engine
