--- reaperctl wait NAME… [--for GOAL]: waits until services have come to a state.

local check = require "reaper.runtime.check"
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
  failure.usage(("--for %s: one of %s expected%s"):format(goal, table.concat(goals.names, ", "),
    check.hint(goal, goals.names)))
end

return function(options, names)
  local goal = check_goal(options["for"] or "ready")
  local pages = snapshot.open(options)
  local deadline = steering.deadline(options)
  following.names(pages, names, deadline)
  return steering.wait_for(pages, options, names, goal, deadline)
end
