--- Waiting, by a look at the pages whenever they change: no script process has to help.

local core = require "reaper.core"
local change = require "reaper.control.change"
local failure = require "reaper.control.failure"
local goals = require "reaper.control.goals"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local following = {}

local LOOK_EVERY = 0.1 -- seconds: what the engine writes is not announced
local BEGIN = 1 -- seconds for which a script that has just been loaded may not have shown its services yet

--- Calls look(taken) until it gives something, which this gives, too; nil when the time is over, or reaper-lua has
-- ended: then the second value is "ended".
function following.until_known(pages, deadline, look)
  while true do
    local seen = core.page_changes(pages)
    local found = table.pack(look(snapshot.take(pages)))
    if found[1] ~= nil then
      return table.unpack(found, 1, found.n)
    elseif core.now() >= deadline then
      return nil
    elseif not core.is_engine_alive(pages) then
      return nil, "ended"
    end
    change.await(pages, seen, math.max(0.001, math.min(LOOK_EVERY, deadline - core.now())))
  end
end

-- A script that is being loaded, or has just been, may still tell of more services.
local function may_show_more(taken)
  local script, state = taken.script, taken.engine.script_state -- which says of one that is blocked what it does
  if not script or state == "gone" then
    return false
  end
  return state == "loading" or state == "down" or taken.now - (script.since or taken.now) < BEGIN
end

local function has(taken, name)
  for _, row in ipairs(taken.services) do
    if row.name == name then
      return true
    end
  end
  return false
end

local function check_names(taken, names)
  for _, name in ipairs(names) do
    if not has(taken, name) and may_show_more(taken) then
      failure.with(failure.NO_ANSWER, ("%s: no script process has shown its services yet; that of now is %s"):format(
        name, taken.script.state))
    end
    snapshot.find(taken, name)
  end
end

--- Waits until the names are known. Ends the command when there is no such service.
function following.names(pages, names, deadline)
  local last
  following.until_known(pages, deadline, function(taken)
    last = taken
    for _, name in ipairs(names) do
      if not has(taken, name) then
        return not may_show_more(taken) or nil
      end
    end
    return true
  end)
  check_names(last, names)
end

local words_of_goal = { started = "ready", stopped = "down" }

--- Waits until the service has come to the goal: "yes", "no" or "late", and a line, which ends with "not ready" or the
-- like when it is late. A row that is missing for a moment, while a script is loaded, is waited for.
function following.goal(pages, name, goal, deadline)
  local label = text.plain(name)
  local last = label .. ": it is not shown"
  local answer, line = following.until_known(pages, deadline, function(taken)
    if not has(taken, name) then
      if may_show_more(taken) then
        return nil
      end
      return false, label .. ": it is not there any more"
    end
    local row = snapshot.find(taken, name)
    last = goals.describe(row)
    return goals.answer(goal, row, taken.engine.stop_reason ~= "")
  end)
  if answer == nil and line == "ended" then
    return goal == "down" and "yes" or "no", label .. ": reaper-lua has ended"
  elseif answer == nil then
    return "late", ("%s; not %s"):format(last, words_of_goal[goal] or goal)
  end
  return answer and "yes" or "no", line
end

return following
