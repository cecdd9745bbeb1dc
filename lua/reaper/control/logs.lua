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

local function show(lines)
  if lines ~= "" then
    io.stdout:write(core.terminal_size(1) and plain(lines) or lines)
    if not io.stdout:flush() then
      failure.with(failure.NO, "logs: its lines cannot be written")
    end
  end
end

local function tell_loss(bytes)
  if bytes > 0 then
    io.stderr:write(("… %d bytes lost\n"):format(bytes))
  end
end

local function pause(pages, seconds)
  core.await_change(pages, core.page_changes(pages), seconds)
end

-- Goes on until the reaper-lua has ended.
local function follow(pages, name, position)
  local nap, looked_at = SHORTEST_NAP, core.now()
  while true do
    local lines, next, lost = rings.read(pages, name, position)
    if lines and next ~= position then
      tell_loss(lost)
      show(lines)
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
  local name = words[1]
  if not name or words[2] then
    failure.usage "logs: the name of one service expected"
  end
  local pages = snapshot.open(options)
  local lines, position = rings.read(pages, name)
  if not lines then
    failure.with(failure.NO, text.plain(rings.elsewhere(snapshot.find(snapshot.take(pages), name))))
  end
  show(options.count and rings.last(lines, options.count) or lines)
  if options.follow then
    follow(pages, name, position)
  end
  return 0
end
