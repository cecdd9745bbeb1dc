--- reaperctl logs: the last lines of a service, and those that follow.

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local rings = require "reaper.control.rings"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

-- Seconds between two looks while nothing comes, and at once after something has come. The writer tells nobody of its
-- lines, since that would be a system call for each.
local LONGEST_NAP, SHORTEST_NAP = 0.1, 0.005
local LOOK_AFTER_IT = 1 -- seconds after which it is looked whether the reaper-lua is still there

-- A terminal gets nothing that it would obey.
local function plain(lines)
  return (lines:gsub("[^\t\n]+", text.plain))
end

-- False when they cannot be written.
local function show(lines)
  return io.stdout:write(core.terminal_size(1) and plain(lines) or lines) and io.stdout:flush()
end

local function tell_loss(bytes)
  if bytes > 0 then
    io.stderr:write(("… %d bytes lost\n"):format(bytes))
  end
end

local function pause(pages, seconds)
  core.await_change(pages, core.page_changes(pages), seconds)
end

-- Goes on until the reaper-lua has ended, or nobody reads.
local function follow(pages, name, position)
  local nap, looked_at = SHORTEST_NAP, core.now()
  while true do
    local lines, next, lost = rings.read(pages, name, position)
    if lines and next ~= position then
      tell_loss(lost)
      if not show(lines) then
        return
      end
      position, nap = next, SHORTEST_NAP
    else
      nap = math.min(2 * nap, LONGEST_NAP)
    end
    pause(pages, nap)
    if core.now() - looked_at >= LOOK_AFTER_IT then
      looked_at = core.now()
      if not core.is_engine_alive(pages) then
        return
      end
    end
  end
end

return function(options, words)
  local name, pages = words[1], snapshot.open(options)
  local lines, position = rings.read(pages, name)
  if not lines then
    failure.with(failure.NO, rings.elsewhere(snapshot.find(snapshot.take(pages), name)))
  end
  if show(options.count and rings.last(lines, options.count) or lines) and options.follow then
    follow(pages, name, position)
  end
  return 0
end
