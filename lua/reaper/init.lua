--- The table `reaper` that scripts see.

local core = require "reaper.core"
local check = require "reaper.check"
local hooks = require "reaper.hooks"
local log = require "reaper.log"
local loop = require "reaper.loop"
local process = require "reaper.process"

local reaper = {
  version = core.version,
  log = log,
  on = hooks.on,
  spawn = process.spawn,
  run = process.run,
  children = process.children,
  processes = core.processes,
  now = core.now,
}

-- Time.

local Timer = {}
Timer.__index = Timer
Timer.__name = "reaper.timer"

--- It will not fire (again). True when it was still to fire.
function Timer:cancel()
  local armed = self.entry ~= nil
  if armed then
    loop.remove_timer(self.entry)
    self.entry = nil
  end
  self.cancelled = true
  return armed
end

--- Waits so many seconds. Other hooks run meanwhile.
function reaper.sleep(seconds)
  check.seconds("reaper.sleep", "seconds", seconds)
  loop.check_wait("reaper.sleep")
  loop.wait(function(co)
    loop.add_timer(seconds, function()
      loop.wake(co)
    end)
  end)
end

--- Calls f() once after so many seconds. A timer.
function reaper.after(seconds, f)
  check.seconds("reaper.after", "seconds", seconds)
  check.type("reaper.after", "f", f, "function")
  local timer = setmetatable({}, Timer)
  timer.entry = loop.add_timer(seconds, function()
    timer.entry = nil
    hooks.run("after", f)
  end)
  return timer
end

--- Calls f() every so many seconds, the first time after that long; a call that is not over is not doubled. A timer.
function reaper.every(seconds, f)
  check.seconds("reaper.every", "seconds", seconds)
  check.type("reaper.every", "f", f, "function")
  if seconds == 0 then
    check.refuse("reaper.every", "seconds", "more than 0 expected")
  end
  local timer = setmetatable({}, Timer)
  local due = core.now()
  local busy = false
  local function fire()
    due = math.max(due + seconds, core.now())
    timer.entry = loop.add_timer(due - core.now(), fire)
    if busy then
      return
    end
    busy = true
    loop.run("every", function(ok, message, traceback)
      busy = false
      if ok == false then
        hooks.report("every", message, traceback)
      end
    end, f)
  end
  due = due + seconds
  timer.entry = loop.add_timer(seconds, fire)
  return timer
end

-- The engine.

--- Begins the stop; the container ends with `code`, or with the main child's.
function reaper.exit(code)
  if code ~= nil then
    code = check.integer("reaper.exit", "code", code, 0, 255)
  end
  core.order(core.ORDER_EXIT, 0, 0, code or -1)
end

--- Loads the script anew in a new policy process. Children live on; if it does not load, this one stays.
function reaper.reload()
  core.order(core.ORDER_RELOAD)
end

local list_settings = { rewrite = true, map_exit = true }

local function setting_text(key, value)
  if type(value) == "boolean" then
    return value and "1" or "0"
  elseif math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif type(value) == "number" then
    return ("%.9f"):format(value)
  end
  return check.type("reaper.configure", key, value, "string")
end

local function configure(key, text)
  local ok, json = core.configure(key, text)
  if not ok then
    check.refuse("reaper.configure", key, json)
  end
  log.json = json
end

local function configure_list(key, pairs_of)
  check.type("reaper.configure", key, pairs_of, "table")
  for from, to in pairs(pairs_of) do
    configure(key, setting_text(key, from) .. ":" .. setting_text(key, to == false and 0 or to))
  end
end

--- The settings of the command line, from the script. What the command line says itself stays in force.
function reaper.configure(settings)
  check.type("reaper.configure", "settings", settings, "table")
  local keys = {}
  for key in pairs(settings) do
    keys[#keys + 1] = check.type("reaper.configure", "key", key, "string")
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    if list_settings[key] then
      configure_list(key, settings[key])
    else
      configure(key, setting_text(key, settings[key]))
    end
  end
end

--- Counters: reaped, orphans, dropped, policy_restarts, zombies_peak, uptime (seconds).
function reaper.stats()
  return core.request(core.ORDER_STATS)
end

-- reaper.main is there when there is a COMMAND.
return setmetatable(reaper, {
  __index = function(_, key)
    if key == "main" then
      return process.main
    end
  end,
})
