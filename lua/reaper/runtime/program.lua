--- What a Lua program has of its own: it makes the engine by itself, and deals with the events when it likes.

require "reaper.runtime.events"

local core = require "reaper.core"
local caller = require "reaper.runtime.caller"
local check = require "reaper.runtime.check"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local settings = require "reaper.runtime.settings"
local statuses = require "reaper.runtime.statuses"

local EX_SOFTWARE = 70 -- sysexits.h: an error in the program
local POLL_MOST = 100000 -- things that one poll deals with

local program = { statuses = statuses }

loop.is_program = true

-- Starting.

-- Hooks and settings that only a script can have, and why.
local of_scripts = {
  on_reload = "a program is not loaded anew",
  user = "it says as whom COMMAND runs, and this program runs already",
  env = "it is the environment of COMMAND, and this program runs already",
  hook_memory = "a program has its Lua state for itself",
  script_timeout = "a program that reads nothing is not replaced",
}

local own_keys = { "pid", "options", "debug", "disable_pid1_check", "enable_child_subreaper" }

local known_keys = {}
for _, list in ipairs { own_keys, hooks.names, settings.names } do
  table.move(list, 1, #list, #known_keys + 1, known_keys)
end

local function check_flag(where, config, key)
  return config[key] ~= nil and check.type(where, key, config[key], "boolean")
end

-- The engine never waits for one process alone and sees every kind of child, so these change nothing.
local harmless = core.wait_options.WNOHANG | core.wait_options.__WALL | core.wait_options.__WNOTHREAD

local function check_options(where, value)
  value = check.integer(where, "options", value == nil and 0 or value, 0, 0xffffffff)
  if value & ~harmless ~= 0 then
    check.refuse(where, "options", "WNOHANG, __WALL and __WNOTHREAD expected: only deaths are told, of every kind of "
      .. "child; for stops use reaper.wait4")
  end
end

-- Splits a config by what its keys are for; raises for wrong ones.
local function read_config(where, config)
  config = config == nil and {} or check.type(where, "config", config, "table")
  check.keys(where, config, known_keys)
  local found = { hooks = {}, settings = {} }
  for key, why in pairs(of_scripts) do
    if config[key] ~= nil then
      check.refuse(where, key, why)
    end
  end
  check_options(where, config.options)
  found.pid = check.integer(where, "pid", config.pid == nil and -1 or config.pid, -0x7fffffff, 0x7fffffff)
  found.subreaper = check_flag(where, config, "enable_child_subreaper")
  found.anywhere = check_flag(where, config, "disable_pid1_check") or found.subreaper
  if check_flag(where, config, "debug") then
    found.settings.verbose = 2
  end
  for _, name in ipairs(hooks.names) do
    if config[name] ~= nil then
      found.hooks[name] = check.type(where, name, config[name], "function")
    end
  end
  for _, name in ipairs(settings.names) do
    if config[name] ~= nil then
      found.settings[name] = config[name]
    end
  end
  return found
end

-- Why the engine cannot be started, or nil.
local function obstacle(where, found)
  local connected, forked = core.is_connected()
  if connected then
    return where .. (loop.gone and ": the engine has gone, and cannot be started again" or ": reaping runs already")
  elseif forked then
    return where .. ": this process was forked from a program whose orphans are reaped already"
  elseif core.getpid() ~= 1 and not found.anywhere then
    return ("%s: this is process %d, not 1: set enable_child_subreaper to adopt orphans all the same, or "
      .. "disable_pid1_check"):format(where, core.getpid())
  end
end

-- The settings as a flat list of keys and texts; raises for wrong ones.
local function read_settings(where, given)
  local flat = {}
  for _, setting in ipairs(settings.texts(where, given)) do
    local key, text = setting[1], setting[2]
    local ok, why = core.check_setting(key, text)
    if not ok then
      check.refuse(where, key, why)
    end
    flat[#flat + 1], flat[#flat + 2] = key, text
  end
  return flat
end

local function start(where, config)
  local found = read_config(where, config)
  local texts = read_settings(where, found.settings)
  local why = obstacle(where, found)
  if why then
    return nil, why
  end
  local take_back = {}
  for name, f in pairs(found.hooks) do
    take_back[#take_back + 1] = hooks.on(name, f)
  end
  local ok, message, errno = core.start(texts, hooks.begin(), found.pid, found.subreaper)
  if not ok then
    for _, remove in ipairs(take_back) do
      remove()
    end
    return nil, where .. ": " .. message, errno
  end
  return true
end

--- reaper.start(config): from here on the parent of this process reaps, forwards signals, and ends with the program's
-- code. True; or nil, message[, errno] where it cannot be done and nothing has changed.
function program.start(config)
  return start("reaper.start", config)
end

--- reaper.reap(): reaper.start with the defaults.
function program.reap()
  return start("reaper.reap", nil)
end

--- reaper.run_forked(config): what reaper.start does, under go-reaper's name.
function program.run_forked(config)
  return start("reaper.run_forked", config)
end

-- What a function that stands for the whole program has returned, as an exit code.
local function code_of(value)
  if value == nil or value == true then
    return 0
  elseif value == false then
    return 1
  end
  local code = math.type(value) and math.tointeger(value)
  if code and code >= 0 and code <= 255 then
    return code
  end
  log("error", ("reaper.with_reaper: the function returned %s, which is no exit code (an integer from 0 to 255)")
    :format(math.type(value) and value or type(value)))
  return EX_SOFTWARE
end

--- reaper.with_reaper(config, fn): starts, calls fn() and ends the program with the code that it returns (nothing: 0).
-- An error in fn goes to stderr, with exit code 70. Comes back only where it cannot start: nil, message[, errno].
function program.with_reaper(config, fn)
  check.type("reaper.with_reaper", "fn", fn, "function")
  local ok, why, errno = start("reaper.with_reaper", config)
  if not ok then
    return nil, why, errno
  end
  local fine, result = xpcall(fn, function(message)
    return debug.traceback(tostring(message), 2)
  end)
  if not fine then
    log.with_traceback("reaper.with_reaper: " .. caller.traceback(result))
  end
  os.exit(fine and code_of(result) or EX_SOFTWARE, true)
end

-- Events.

local function check_outside(where)
  if loop.in_hook() then
    check.raise(where .. " cannot be called in a hook or timer, which it has called itself; to wait, use reaper.sleep")
  end
end

--- reaper.poll([timeout]): deals with all that has happened, and waits for something first at most so many seconds
-- (default 0). How many things there were; or nil, message when the engine has gone.
function program.poll(timeout)
  timeout = timeout == nil and 0 or check.seconds("reaper.poll", "timeout", timeout, true)
  check_outside("reaper.poll")
  local deadline = core.now() + timeout
  local total = 0
  while not loop.gone do
    local count = loop.step(total == 0 and math.max(0, deadline - core.now()) or 0)
    if not count then
      break -- another event loop will not call again: the descriptor is not readable any more
    end
    total = total + count
    if total >= POLL_MOST or count == 0 and (total > 0 or core.now() >= deadline) then
      return total
    end
  end
  loop.drain()
  return nil, "the engine has gone"
end

--- reaper.loop(): deals with what happens, until reaper.exit has stopped everything else. True.
function program.loop()
  check_outside("reaper.loop")
  while not loop.gone do
    loop.step()
  end
  loop.drain()
  return true
end

--- reaper.fd(): a descriptor that is readable when reaper.poll has something to do; or nil, message, errno.
function program.fd()
  return loop.fd()
end

-- The table of scripts, for a program.

local function needs_engine(where, f)
  return function(...)
    local connected, forked = core.is_connected()
    if not connected then
      check.raise(forked and where .. ": this process was forked from the program that the engine belongs to"
        or where .. ": there is no engine; call reaper.start first")
    end
    return f(...)
  end
end

-- reaper.configure without the settings that are a script's only.
local function program_settings(configure)
  return function(given)
    for key, why in pairs(type(given) == "table" and of_scripts or {}) do
      if given[key] ~= nil then
        check.refuse("reaper.configure", key, why)
      end
    end
    return configure(given)
  end
end

--- Adds to the table `reaper` what a program has.
return function(reaper)
  for name, f in pairs(program) do
    reaper[name] = f
  end
  reaper.configure = program_settings(reaper.configure)
  function reaper.on(hook, f)
    if of_scripts[hook] then
      check.refuse("reaper.on", "hook", hook .. ": " .. of_scripts[hook])
    end
    return hooks.on(hook, f)
  end
  for _, name in ipairs { "spawn", "run", "exit", "stats", "configure", "poll", "loop", "fd", "statuses" } do
    reaper[name] = needs_engine("reaper." .. name, reaper[name])
  end
  function reaper.reload()
    check.raise("reaper.reload: a program is not loaded anew, only a script of reaper-lua is")
  end
  return reaper
end
