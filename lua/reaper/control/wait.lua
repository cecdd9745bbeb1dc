--- reaperctl wait NAME… [--for GOAL]: waits until services have come to a state.

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local following = require "reaper.control.following"
local goals = require "reaper.control.goals"
local snapshot = require "reaper.control.snapshot"
local steering = require "reaper.control.steering"

local function check_goal(goal)
  for _, name in ipairs(goals.names) do
    if goal == name then
      return goal
    end
  end
  local nearest = core.nearest(goal, goals.names)
  failure.usage(("--for %s: one of %s expected%s"):format(goal, table.concat(goals.names, ", "),
    nearest and ("; did you mean '%s'?"):format(nearest) or ""))
end

return function(options, names)
  local goal = check_goal(options["for"] or "ready")
  local pages = snapshot.open(options)
  local deadline = steering.deadline(options)
  following.names(pages, names, deadline)
  local worst = 0
  for _, name in ipairs(names) do
    worst = math.max(worst, steering.wait_for(pages, options, name, goal, deadline))
  end
  return worst
end
