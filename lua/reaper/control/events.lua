--- reaperctl events: what has happened to services, and happens, as lines of JSON.

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local history = require "reaper.control.history"
local snapshot = require "reaper.control.snapshot"

local LOOK_EVERY = 1 -- seconds between looks whether reaper-lua still runs

-- A file of its /proc that can be read while the process is there; a later process of the same pid is not taken for it.
local function open_state(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if file then
    file:setvbuf "no"
  end
  return file
end

local function is_over(pages, state)
  local engine = core.engine_report(pages)
  if engine and engine.state == "done" then
    return true
  end
  local line = state and state:seek "set" and state:read "a"
  return not line or line == "" or line:find "%) [ZX] " ~= nil
end

-- Prints the events behind that number: the number to go on from; nil when nobody reads them.
local function print_events(pages, after)
  local lines, last = history.lines(pages, after)
  for _, line in ipairs(lines) do
    if not io.write(line, "\n") then
      return nil
    end
  end
  return io.flush() and last
end

local function follow(pages, engine, after)
  local state <close> = open_state(engine.pid_here)
  repeat
    local seen, over = core.page_changes(pages), is_over(pages, state)
    after = print_events(pages, after)
    if after and not over then
      core.await_change(pages, seen, LOOK_EVERY)
    end
  until over or not after
end

return function(options)
  local pages = snapshot.open(options)
  local taken = snapshot.take(pages)
  if not taken.script or not core.page_changes(pages) then
    failure.with(failure.NO_ANSWER, "there is no script process, which tells of events")
  end
  local after = options.since or 0
  if options.follow then
    follow(pages, taken.engine, after)
  else
    print_events(pages, after)
  end
  return 0
end
