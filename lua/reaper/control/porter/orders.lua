--- What the porter answers to POST: orders to the script process, and the wait for what they lead to.

local core = require "reaper.core"
local arguments = require "reaper.control.arguments"
local connection = require "reaper.control.porter.connection"
local following = require "reaper.control.following"
local json = require "reaper.control.json"
local reloading = require "reaper.control.reloading"
local request = require "reaper.control.request"
local snapshot = require "reaper.control.snapshot"

local orders = {}

local refusal = connection.refusal

local TAKEN_SECONDS = 10 -- within which the script process has to take an order, where the client names no time
local WAIT_MAX = 3600

local statuses = { refused = 409, unknown = 504, ["no script"] = 503, ["no right"] = 503 }

local function done(result, detail)
  return { status = 200, type = "application/json",
    body = json.text(json.object("result", result, "detail", detail ~= "" and detail or nil)) .. "\n" }
end

-- How long the client wants to wait for the goal; nil when it names no time, false when it names a wrong one.
local function wait_of(query)
  if query.wait == nil then
    return nil
  end
  local seconds = arguments.seconds(query.wait)
  return seconds and seconds <= WAIT_MAX and seconds or false
end

-- Nobody has taken it: there is no script process now, or it does not read.
local function status_of(porter, result)
  if result ~= "not done" then
    return statuses[result]
  end
  local engine = core.engine_report(porter.pages)
  return engine and engine.script_state == "working" and 504 or 503
end

-- Gives an order. What is answered at once; or nil, the result, and the text of the reply.
local function give(porter, verb, words, timeout, may_go_on)
  local result, why = request.send(porter.pages, verb, words, timeout, may_go_on)
  if result == "done" or result == "accepted" then
    return nil, result, why
  end
  return refusal(status_of(porter, result), why)
end

-- An order, and the wait for its end where one is asked for: `follow` gives the answer then. With `begin_is_enough`
-- that wait begins when the order does.
local function order(porter, query, verb, words, follow, begin_is_enough)
  local seconds = wait_of(query)
  if seconds == false then
    return refusal(400, ("wait=SECONDS expected, at most %d"):format(WAIT_MAX))
  end
  local timeout = seconds or TAKEN_SECONDS
  local moment = core.now() + timeout
  local answer, result, detail = give(porter, verb, words, timeout, seconds == nil or begin_is_enough)
  if answer or not seconds or not follow then
    return answer or done(result, detail)
  end
  return follow(moment)
end

local goal_of = { start = "started", stop = "stopped", restart = "started" }

local function words_of(verb, name, query)
  if verb ~= "signal" then
    return { name }
  end
  local text = query.signal
  if not text then
    return nil, "signal=NAME expected, such as signal=HUP"
  end
  local number, signal = core.signal(math.tointeger(tonumber(text)) or text)
  if not number or number == 0 then
    return nil, "signal=NAME: " .. (number and "0 is not a signal" or signal)
  end
  return { signal, name }
end

local function follow_service(porter, name, goal)
  return function(moment)
    local answer, line = following.goal(porter.pages, name, goal, moment)
    if answer == "yes" then
      return done("done", line)
    end
    return answer == "no" and refusal(409, line) or refusal(504, line .. " in time")
  end
end

--- What answers POST /v1/services/NAME/VERB.
function orders.service(verb)
  return function(porter, name, query)
    local words, why = words_of(verb, name, query)
    if not words then
      return refusal(400, why)
    end
    snapshot.check_order(verb, name)
    following.names(porter.pages, { name }, core.now() + TAKEN_SECONDS)
    return order(porter, query, verb, words, goal_of[verb] and follow_service(porter, name, goal_of[verb]))
  end
end

--- POST /v1/reload
function orders.reload(porter, _, query)
  local before = reloading.begin(porter.pages)
  return order(porter, query, "reload", {}, function(moment)
    local found, pid = reloading.wait(porter.pages, before, moment)
    if found == "loaded" then
      return done("done", ("script process %d works"):format(pid))
    end
    return refusal(found and 409 or 504, reloading.texts[found or "late"])
  end, true)
end

--- POST /v1/shutdown
function orders.shutdown(porter, _, query)
  local code = arguments.natural(query.code or "0")
  if not code or code > 255 then
    return refusal(400, "code=NUMBER expected, from 0 to 255")
  end
  return order(porter, query, "shutdown", { query.code and code }, nil)
end

return orders
