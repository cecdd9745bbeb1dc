--- The end: the services are stopped, dependants first, and then the container ends.

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local memory = require "reaper.supervisor.memory"
local output = require "reaper.runtime.output"
local phase = require "reaper.supervisor.phase"
local report = require "reaper.supervisor.report"

local ending = {}

local SLACK = 10 -- seconds that a stop may take beyond what its graces allow, before the engine stops all by itself
local PATIENCE = 0.3 -- seconds for which no line may come: others can have a pipe open, or block one
local NO_LIMIT = 0 -- what the engine takes for a step that may last for ever

-- Waits until all that the services wrote has been written on.
local function wait_for_last_words(group)
  local before, since = -1, core.now()
  while core.now() - since < PATIENCE do
    local count, over = 0, output.stdout:is_empty() and output.stderr:is_empty()
    for _, service in ipairs(group) do
      local read, all = service:lines_read()
      count, over = count + read, over and all
    end
    if over then
      return
    elseif count ~= before then
      before, since = count, core.now()
    end
    loop.sleep(0.005)
  end
end

-- Everything is down: that is what the engine has waited for.
local function finish(group)
  group.report:wait()
  wait_for_last_words(group)
  group.question.done()
end

--- How many seconds the process of a service that the script does not have any more has for its end: the stop, or
-- post_stop.
function ending.removed_grace(known)
  return known.state == "post_stop" and known.stop.post_stop or known.stop.grace
end

--- How many of them are left.
function ending.removed_takes(known)
  return math.max(0, known.since + ending.removed_grace(known) - core.now())
end

-- Says to the engine how long the next step takes at most. A grace can be infinite.
local function announce_duration(group)
  local longest = report.PATIENCE
  for _, service in ipairs(group) do
    longest = math.max(longest, service:stop_takes())
  end
  for _, remains in pairs(group.removed) do
    longest = math.max(longest, ending.removed_takes(remains.known))
  end
  longest = longest + SLACK
  group.question.wait(longest < 0x7fffffff and math.ceil(longest) or NO_LIMIT)
end

--- Goes on with the stop, once it is the services' turn: stops those that nobody needs any more, from the last to the
-- first.
function ending.go_on(group)
  if not phase.is_their_turn(group) then
    return
  end
  local is_down = next(group.removed) == nil
  for i = #group, 1, -1 do
    local service = group[i]
    if service:is_up() then
      is_down = false
      if service.after_stop ~= "finished" and not group:is_needed(service) then
        service:fire "stop"
      end
    end
  end
  announce_duration(group)
  if is_down and group.phase == "stopping" then
    phase.advance(group, "down")
    hooks.run("supervisor", finish, group)
  end
end

--- The engine asks the services to stop, for whatever reason. While COMMAND ends, nothing is started any more; then it
-- is the services' turn. `wait` and `done` answer, see hooks.on_stop_of_services.
function ending.stop_services(group, is_their_turn, wait, done)
  group.question = { wait = wait, done = done }
  phase.advance(group, "leaving")
  memory.save(group)
  if is_their_turn then
    phase.advance(group, "stopping")
    ending.go_on(group)
  else
    wait(NO_LIMIT)
  end
end

--- Stops all services, dependants first; the container ends with `code` then.
function ending.shutdown(group, code)
  if phase.is_ending(group) then
    return
  end
  phase.advance(group, phase.has_started(group) and "leaving" or "cancelled")
  group.code = code
  memory.save(group)
  core.order(core.ORDER_EXIT, 0, 0, code)
end

--- Ends with the exit code of what has failed. That is not 0, also where the service has ended with 0 too often.
function ending.end_with(group, service, why)
  core.give_reason(("%s: %s"):format(service.name, why))
  log("error", ("%s: %s; stopping all"):format(service.name, why))
  ending.shutdown(group, service.code ~= 0 and service.code or 1)
end

return ending
