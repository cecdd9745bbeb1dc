--- Hooks: who listens to which, and which of them the engine knows to have listeners.

local core = require "reaper.core"
local caller = require "reaper.runtime.caller"
local check = require "reaper.runtime.check"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"

local hooks = {}

hooks.names = {
  "on_start", "on_reap", "on_signal", "on_stop", "on_exit", "on_error", "on_overflow", "on_reload",
  "on_service",
}

-- The engine sends these only when somebody listens.
local bits = {
  on_reap = core.HOOK_REAP,
  on_signal = core.HOOK_SIGNAL,
  on_stop = core.HOOK_STOP,
  on_exit = core.HOOK_EXIT,
  on_reload = core.HOOK_RELOAD,
}

local listeners = {}
for _, name in ipairs(hooks.names) do
  listeners[name] = {}
end

local announced = false -- the engine knows the set, so it has to learn each change
local starts_main = false -- COMMAND is started by the script

-- on_reap with a fourth parameter, or with "...", wants to know more of each death.
local function wants_info(f)
  local info = debug.getinfo(f, "u")
  return info.nparams >= 4 or info.isvararg
end

--- The hooks that have listeners, as a set of the bits of enum hook_bit.
function hooks.mask()
  local mask = 0
  for name, bit in pairs(bits) do
    if listeners[name][1] then
      mask = mask | bit
    end
  end
  if hooks.stop_services then
    mask = mask | core.HOOK_SERVICES
  end
  if starts_main then
    mask = mask | core.HOOK_STARTS_MAIN
  end
  local info = false
  for _, f in ipairs(listeners.on_reap) do
    info = info or wants_info(f)
  end
  core.want_info(info)
  core.read_deaths(listeners.on_reap[1] ~= nil)
  return info and mask | core.HOOK_REAP_INFO or mask
end

local function announce()
  if announced then
    core.order(core.ORDER_HOOKS, 0, 0, hooks.mask())
  end
end

--- There are services: f(reason, is_their_turn, wait, done) stops them when the stop begins. Before it is their turn
-- COMMAND ends, and nothing is to be started any more. With wait(seconds) f says how long the stop may take at most (0:
-- no limit), with done() that it is over.
function hooks.on_stop_of_services(f)
  hooks.stop_services = f
  announce()
end

--- The engine leaves the first start of COMMAND to the script: on_start gets no pid, and COMMAND is started by
-- reaper.main:start(). To be called while the script is being loaded.
function hooks.start_main_by_hand()
  starts_main = true
  announce()
end

--- Gives the set, which the engine is about to learn: from now on it learns each change.
function hooks.begin()
  announced = true
  return hooks.mask()
end

--- The script is loaded.
function hooks.ready()
  core.order(core.ORDER_READY, 0, 0, hooks.begin())
end

-- Lists of listeners are replaced, not changed: a call that is going on uses the list that it began with.
local function replace(name, list)
  listeners[name] = list
  announce()
end

local function check_name(where, name)
  check.type(where, "hook", name, "string")
  if not listeners[name] then
    check.refuse(where, "hook", ("there is no hook '%s'%s"):format(name, check.hint(name, hooks.names)))
  end
end

--- reaper.on(hook, f): a further listener. Gives a function that takes it away again.
function hooks.on(name, f)
  check_name("reaper.on", name)
  check.type("reaper.on", "f", f, "function")
  local list = table.move(listeners[name], 1, #listeners[name], 1, {})
  list[#list + 1] = f
  replace(name, list)
  return function()
    local left = {}
    for _, other in ipairs(listeners[name]) do
      if other == f then
        f = nil -- taken away, and only once
      else
        left[#left + 1] = other
      end
    end
    replace(name, left)
  end
end

-- With --check this is an error, since it is the reason for the exit code.
local function complain(message)
  log(core.checking and "error" or "warning", message)
end

-- Takes one hook of the script. Gives false when there is no hook of that name.
local function adopt_one(name, value)
  if not name:find "^on_" then
    complain(("the script returns '%s', which is not a hook%s"):format(name, check.hint("on_" .. name, hooks.names)))
    return false
  elseif not listeners[name] then
    complain(("unknown hook '%s'%s"):format(name, check.hint(name, hooks.names)))
    return false
  elseif type(value) ~= "function" then
    error(("the hook '%s' is a %s, not a function"):format(name, type(value)), 0)
  else
    table.insert(listeners[name], 1, value)
  end
  return true
end

--- Takes the script's hooks: those of the table that it returned, and global functions for the rest.
-- @return true, or false when there is a name that is no hook's
function hooks.adopt(returned)
  local found = {}
  for name, value in pairs(_G) do
    if type(name) == "string" and name:find "^on_" then
      found[name] = value
    end
  end
  for name, value in pairs(type(returned) == "table" and returned or {}) do
    found[tostring(name)] = value
  end
  local names = {}
  for name in pairs(found) do
    names[#names + 1] = name
  end
  table.sort(names)
  local known = true
  for _, name in ipairs(names) do
    known = adopt_one(name, found[name]) and known
  end
  return known
end

-- Errors.

local function print_error(message, name, traceback)
  log.with_traceback(name .. ": " .. (traceback or message))
end

--- Reports an error of the script: to on_error, or on stderr. An on_error that fails is reported on stderr.
function hooks.report(name, message, traceback)
  message = tostring(message)
  traceback = traceback and caller.traceback(traceback)
  local first = listeners.on_error[1]
  if not first or name == "on_error" then
    return print_error(message, name, traceback)
  end
  for _, f in ipairs(listeners.on_error) do
    loop.run("on_error", function(ok, why, where)
      if ok == false then
        hooks.report("on_error", why, where)
      end
    end, f, message, name, traceback)
  end
end

local starters = {} -- functions for START; nil when it has come

--- Calls f(in_stop) when the engine has sent START, before on_start, or at once if it has already. `in_stop` says
-- whether the stop had begun by then.
function hooks.when_started(f)
  if starters then
    starters[#starters + 1] = f
  else
    f(false)
  end
end

--- The engine has sent START.
function hooks.started(in_stop)
  local list = starters
  starters = nil
  for _, f in ipairs(list) do
    hooks.run("on_start", f, in_stop)
  end
end

--- Runs something of the script that nobody waits for, with its errors reported.
function hooks.run(name, f, ...)
  return loop.run(name, function(ok, message, traceback)
    if ok == false then
      hooks.report(name, message, traceback)
    end
  end, f, ...)
end

--- Calls all listeners of a hook. `done`, if given, is called when the last has returned.
function hooks.call(name, done, ...)
  local list = listeners[name]
  if #list == 0 then
    return done and done()
  end
  local left = #list
  local function finished(ok, message, traceback)
    if ok == false then
      hooks.report(name, message, traceback)
    end
    left = left - 1
    if left == 0 and done then
      done()
    end
  end
  for i = 1, #list do
    loop.run(name, finished, list[i], ...)
  end
end

-- on_reap runs for every death, so it takes the short way: one function for all calls that reports what fails.
local function reap_finished(ok, message, traceback)
  if ok == false then
    hooks.report("on_reap", message, traceback)
  end
end

local without_listener = function() end

--- Calls f(pid, status, rusage) for a death that comes when nobody listens to on_reap.
function hooks.on_reap_without_listener(f)
  without_listener = f
end

--- Calls on_reap for a death about which the engine asks nothing.
function hooks.call_reap(pid, status, rusage, info)
  local list = listeners.on_reap
  if not list[1] then
    without_listener(pid, status, rusage)
  end
  for i = 1, #list do
    loop.run("on_reap", reap_finished, list[i], pid, status, rusage, info)
  end
end

--- Calls the listeners one after the other until one gives something.
-- @param answer called with that value, or with nil
-- @return false when the answer comes later
function hooks.ask(name, answer, ...)
  local list, index = listeners[name], 0
  local arguments = table.pack(...)
  local function next_one()
    index = index + 1
    local f = list[index]
    if not f then
      answer(nil)
      return true
    end
    local ended
    local asked = loop.run(name, function(ok, value, traceback)
      if ok == false then
        hooks.report(name, value, traceback)
        value = nil
      end
      if value ~= nil then
        answer(value)
      else
        ended = next_one()
      end
    end, f, table.unpack(arguments, 1, arguments.n))
    return asked and ended ~= false
  end
  return next_one()
end

return hooks
