--- The policy's life: loads the script, then hands events to its hooks until the engine has gone.

local core = require "reaper.core"
local hooks = require "reaper.hooks"
local log = require "reaper.log"
local loop = require "reaper.loop"
local process = require "reaper.process"

local LOAD_FAILED = 125

local started = false -- the engine has said START: hooks may run
local held = {} -- events that came before

local handlers = {}

-- Hooks run only after on_start.
local function when_started(kind, handler)
  handlers[kind] = function(...)
    if started then
      return handler(...)
    end
    held[#held + 1] = table.pack(handler, ...)
  end
end

local function answer(ask, kind, number)
  core.order(core.ORDER_ANSWER, ask, 0, number or 0, kind)
end

-- A hook that has not returned yet has said "wait for me".
local function wait_for(ask, ended)
  if not ended then
    core.order(core.ORDER_WAIT, ask)
  end
end

handlers[core.EVENT_CHILD] = process.adopt

handlers[core.EVENT_START] = function(pid, pidfd, again)
  started = true
  if pid then
    process.main_started(pid, pidfd)
  end
  hooks.call("on_start", nil, pid, again)
  process.pass_outputs_on()
  local events = held
  held = {}
  for _, event in ipairs(events) do
    event[1](table.unpack(event, 2, event.n))
  end
end

-- The main child's end decides whether the stop begins, once all that it has set in motion has come to an end.
local function decide_on_main(ask, pid, status, rusage, info)
  local left = 2
  local function one_less()
    left = left - 1
    if left == 0 then
      answer(ask, core.ANSWER_DEFAULT)
    end
  end
  for _, co in ipairs(process.ended(pid, status, rusage)) do
    left = left + 1
    loop.when_finished(co, one_less)
  end
  hooks.call("on_reap", one_less, pid, status, rusage, info)
  one_less()
  wait_for(ask, left == 0)
end

when_started(core.EVENT_REAP, function(pid, status, rusage, info, ask, flags)
  if ask ~= 0 then
    return decide_on_main(ask, pid, status, rusage, info)
  end
  process.ended(pid, status, rusage)
  if flags & core.FLAG_TOLD == 0 then
    hooks.call_reap(pid, status, rusage, info)
  end
end)

-- A script that is still being loaded may wait for a child that it has spawned.
local reap_when_started = handlers[core.EVENT_REAP]
handlers[core.EVENT_REAP] = function(pid, status, rusage, info, ask, flags)
  if not started and flags & core.FLAG_SPAWNED ~= 0 then
    process.ended(pid, status, rusage)
  end
  return reap_when_started(pid, status, rusage, info, ask, flags)
end

when_started(core.EVENT_OVERFLOW, function(count)
  log("warning", ("%d events were dropped, because the script was too slow"):format(count))
  hooks.call("on_overflow", nil, count)
end)

-- The engine waits for its end within the grace.
when_started(core.EVENT_STOP, function(ask, reason)
  hooks.call("on_stop", function()
    answer(ask, core.ANSWER_DEFAULT)
  end, reason)
end)

-- on_signal: nothing for the default, false to drop it, a signal to forward that one.
local function answer_signal(ask, value)
  if value == nil then
    return answer(ask, core.ANSWER_DEFAULT)
  elseif value == false then
    return answer(ask, core.ANSWER_DROP)
  end
  local number, message = core.signal(value)
  if number then
    return answer(ask, core.ANSWER_SIGNAL, number)
  end
  hooks.report("on_signal", "on_signal returned " .. message .. "; the default follows")
  answer(ask, core.ANSWER_DEFAULT)
end

when_started(core.EVENT_SIGNAL, function(ask, name, number)
  wait_for(ask, hooks.ask("on_signal", function(value)
    answer_signal(ask, value)
  end, name, number))
end)

local function answer_exit(ask, value)
  if value == nil then
    return answer(ask, core.ANSWER_DEFAULT)
  end
  local code = type(value) == "number" and math.tointeger(value)
  if code and code >= 0 and code <= 255 then
    return answer(ask, core.ANSWER_CODE, code)
  end
  hooks.report("on_exit", ("on_exit returned %s, which is not an exit code (an integer from 0 to 255); it is ignored")
    :format(type(value) == "number" and value or type(value)))
  answer(ask, core.ANSWER_DEFAULT)
end

when_started(core.EVENT_EXIT, function(ask, code, status)
  wait_for(ask, hooks.ask("on_exit", function(value)
    answer_exit(ask, value)
  end, code, status))
end)

when_started(core.EVENT_RELOAD, function(ask)
  local ended = false
  hooks.call("on_reload", function()
    ended = true
    answer(ask, core.ANSWER_DEFAULT)
  end)
  wait_for(ask, ended)
end)

-- Loading.

-- os.exit is an order to the engine: the policy has to stay for on_stop and on_exit.
local function replace_exit()
  function os.exit(code) -- luacheck: ignore 122
    if code == nil or code == true then
      code = 0
    elseif code == false then
      code = 1
    end
    core.exit(math.tointeger(code) or 1)
  end
end

-- Runs the main chunk to its end. True, and what it returned; false and a message; nil when the engine has gone.
local function load(chunk)
  local ended, ok, result, traceback
  loop.run("script", function(...)
    ended, ok, result, traceback = true, ...
  end, chunk, table.unpack(arg))
  while not ended do
    if not loop.step(handlers) then
      return nil
    end
  end
  if not ok then
    return ok, ok == false and (traceback or tostring(result))
  end
  return pcall(function()
    hooks.adopt(result)
  end)
end

local function fail(message)
  core.order(core.ORDER_FAILED) -- first, since nobody may be reading what is said
  log("error", "the script does not load: " .. message)
  return LOAD_FAILED
end

local function serve()
  local going = true
  while going do
    going = loop.step(handlers)
  end
end

--- Runs the policy.
-- @param chunk the script as a function, or nil and
-- @param message why it could not be compiled
-- @return the exit code of the policy process
return function(chunk, message)
  if not chunk then
    return fail(message)
  end
  replace_exit()
  if core.has_command then
    process.make_main()
  end
  local ok, why = load(chunk)
  if ok == false then
    return fail(why)
  end
  if core.checking then
    return 0
  end
  if ok then
    hooks.ready()
  end
  serve()
  return 0
end
