--- What start, stop, restart, reload and signal have in common: an order for each name, and the wait for what it is to
-- lead to.

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local following = require "reaper.control.following"
local request = require "reaper.control.request"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local steering = {}

local TIMEOUT = 30 -- seconds

local code_of = {
  done = 0, accepted = 0, refused = failure.NO, ["not done"] = failure.NO_ANSWER, unknown = failure.NO_ANSWER,
  ["no script"] = failure.NO_ANSWER, ["no right"] = failure.NOT_FOUND,
}

local prefix_of = { ["not done"] = "not done: ", unknown = "not known: " }

--- The time by which a command has to be over.
function steering.deadline(options)
  return core.now() + (options.timeout or TIMEOUT)
end

--- A line that says what has gone wrong.
function steering.complain(line)
  io.stderr:write("reaperctl: ", text.plain(line), "\n")
end

--- Gives an order: the exit code, and the result of request.send. What is not done is told.
-- @param label who it concerns, for the message
function steering.order(pages, label, verb, words, deadline, may_go_on)
  local result, why = request.send(pages, verb, words, math.max(0, deadline - core.now()), may_go_on)
  local code = code_of[result]
  if code ~= 0 then
    local names_itself = label and why:sub(1, #label + 1) == label .. " " -- "web is running already"
    steering.complain(("%s%s%s"):format(label and not names_itself and label .. ": " or "",
      prefix_of[result] or "", why))
  end
  return code, result
end

local function wait_for(pages, options, name, goal, deadline)
  local answer, line = following.goal(pages, name, goal, deadline)
  if answer == "yes" then
    print(line)
    return 0
  elseif answer == "no" then
    steering.complain(line)
    return failure.NO
  end
  steering.complain(("%s within %g s"):format(line, options.timeout or TIMEOUT))
  return failure.NO_ANSWER
end

--- Waits until the services have come to the goal, and prints how they are then. The exit code: the highest of all.
function steering.wait_for(pages, options, names, goal, deadline)
  local worst = 0
  for _, name in ipairs(names) do
    worst = math.max(worst, wait_for(pages, options, name, goal, deadline))
  end
  return worst
end

--- Gives the order to each name, then waits for the goal of those that have taken it. Without a goal it is done with
-- the order itself, and `done` is printed behind the name. The exit code: the highest of all.
function steering.run(options, names, verb, words_of, goal, done)
  local pages = snapshot.open(options)
  local deadline = steering.deadline(options)
  for _, name in ipairs(names) do
    snapshot.check_order(verb, name)
  end
  following.names(pages, names, deadline)
  local may_go_on = options["no-wait"] and not goal -- the others are soon at their end, and can be refused until then
  local worst, taken = 0, {}
  for _, name in ipairs(names) do
    local code, result = steering.order(pages, name, verb, words_of(name), deadline, may_go_on)
    worst = math.max(worst, code)
    if code == 0 and goal and not options["no-wait"] then
      taken[#taken + 1] = name
    elseif code == 0 then
      print(("%s: %s"):format(text.plain(name), not goal and result == "done" and done or verb .. " is under way"))
    end
  end
  return math.max(worst, steering.wait_for(pages, options, taken, goal, deadline))
end

local function only_name(name)
  return { name }
end

--- A command `verb NAME…`.
function steering.command(verb, goal, done)
  return function(options, names)
    return steering.run(options, names, verb, only_name, goal, done)
  end
end

return steering
