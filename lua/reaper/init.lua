--- The table `reaper` that scripts see.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"
local settings = require "reaper.runtime.settings"
local timers = require "reaper.runtime.timers"

-- A function that is its module, which is loaded at the first call: most scripts do not need it.
local function loaded_later(module)
  return function(...)
    return require(module)(...)
  end
end

local reaper = {
  version = core.version,
  configure = settings.configure,
  log = setmetatable({ lines = log.lines, file = loaded_later "reaper.runtime.log_file" }, getmetatable(log)),
  on = hooks.on,
  spawn = process.spawn,
  run = process.run,
  kill = process.kill,
  children = process.children,
  processes = process.all,
  now = core.now,
  watch = loaded_later "reaper.runtime.watch",
}

for name, value in pairs(core.wait_options) do
  reaper[name] = value
end

-- Time.

local Timer = {}
Timer.__index = Timer
Timer.__name = "reaper.timer"

--- It will not fire (again). True when it was still to fire.
function Timer:cancel()
  local armed = self.entry ~= nil
  if armed then
    timers.remove(self.entry)
    self.entry = nil
  end
  self.cancelled = true
  return armed
end

--- Waits so many seconds. Other hooks run meanwhile.
function reaper.sleep(seconds)
  check.seconds("reaper.sleep", "seconds", seconds)
  loop.check_wait("reaper.sleep")
  loop.sleep(seconds)
end

--- Calls f() once after so many seconds. A timer.
function reaper.after(seconds, f)
  check.seconds("reaper.after", "seconds", seconds)
  check.type("reaper.after", "f", f, "function")
  local timer = setmetatable({}, Timer)
  timer.entry = timers.add(seconds, function()
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
    timer.entry = timers.add(due - core.now(), fire)
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
  timer.entry = timers.add(seconds, fire)
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

--- Loads the script again in a new script process. Children live on; if it does not load, this one stays.
function reaper.reload()
  core.order(core.ORDER_RELOAD)
end

--- Counters: reaped, orphans, dropped, script_restarts, zombies_peak, uptime (seconds).
function reaper.stats()
  return core.request(core.ORDER_STATS)
end

-- Waiting without an engine.

--- wait4(2): pid, status, rusage; 0 with WNOHANG when nothing has ended; or nil, message, errno (10: no child).
function reaper.wait4(pid, options)
  pid = check.integer("reaper.wait4", "pid", pid == nil and -1 or pid, -0x80000000, 0x7fffffff)
  options = check.integer("reaper.wait4", "options", options == nil and 0 or options, 0, 0xffffffff)
  return core.wait4(pid, options)
end

--- prctl(PR_SET_CHILD_SUBREAPER): whether orphans below this process are adopted by it. True; or nil, message, errno.
function reaper.set_child_subreaper(on)
  return core.set_child_subreaper(check.type("reaper.set_child_subreaper", "on", on, "boolean"))
end

-- What few use is loaded when it is asked for. In a script reaper.main is there when there is a COMMAND.
setmetatable(reaper, {
  __index = function(_, key)
    if key == "schedule" then
      return require "reaper.schedule"
    elseif key == "main" and not core.start then
      return process.main
    end
  end,
})

-- In a program there is more, and no main child.
return core.start and require "reaper.runtime.program"(reaper) or reaper
