--- The script process's life: loads the script, then hands events to its hooks until the engine has gone.

require "reaper.runtime.events"

local core = require "reaper.core"
local caller = require "reaper.runtime.caller"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"

reaper = require "reaper" -- luacheck: globals reaper

local LOAD_FAILED = 125

-- Loading.

-- os.exit is an order to the engine: the script process has to stay for on_stop and on_exit.
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

-- Runs the main chunk to its end. True, and whether all its hooks are known; false and a message; nil when the engine
-- has gone.
local function load(chunk)
  local ended, ok, result, traceback
  loop.run("script", function(...)
    ended, ok, result, traceback = true, ...
  end, chunk, table.unpack(arg))
  while not ended do
    if not loop.step() then
      return nil
    end
  end
  if not ok then
    return ok, ok == false and (traceback and caller.traceback(traceback) or tostring(result))
  end
  return pcall(hooks.adopt, result)
end

local function fail(message)
  core.give_reason(message)
  core.order(core.ORDER_FAILED) -- first, since nobody may be reading what is said
  log.with_traceback(message)
  return LOAD_FAILED
end

local function does_not_load(message)
  return fail("the script does not load: " .. message)
end

local function serve()
  while not loop.gone do -- it may have gone while the script was loading
    loop.step()
  end
  loop.drain()
end

-- --restart: a function that begins it, nil without that, or nil and why not.
local function supervision()
  if not core.restart then
    return nil
  end
  local policy, why = require "reaper.restart".parse(core.restart)
  return policy and function()
    require "reaper.restart.option"(policy)
  end, why and "--restart: " .. why
end

--- Runs the script process.
-- @param chunk the script as a function, or nil and
-- @param message why it could not be compiled
-- @return the exit code of the script process
return function(chunk, message)
  if not chunk then
    return does_not_load(message)
  end
  collectgarbage "generational" -- each hook leaves garbage that is young: the heap stays a third smaller in a storm
  replace_exit()
  if core.has_command then
    process.make_main()
  end
  local supervise, why = supervision()
  if why then
    return fail(why)
  end
  local ok, result = load(chunk)
  if ok == false then
    return does_not_load(result)
  end
  if supervise then
    supervise()
  end
  if core.checking then
    if core.has_command then
      require "reaper.process.command".warn("COMMAND", arg[1], core.environment())
    end
    return result and 0 or LOAD_FAILED
  end
  if ok then
    hooks.ready()
  end
  serve()
  return 0
end
