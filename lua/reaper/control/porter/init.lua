--- The porter: a process that answers HTTP requests (--control, --http) out of the pages, with Lua of ours only.

local core = require "reaper.core"
local change = require "reaper.control.change"
local connection = require "reaper.control.porter.connection"
local listening = require "reaper.control.porter.listening"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local routes = require "reaper.control.porter.routes"

local CONNECTIONS_MAX = 32
local REFUSED_MAX = 32 -- connections beyond these that are told so
local LOOK_SECONDS = 0.02 -- between two looks for somebody who waits for a change of the pages
local LAST_SECONDS = 0.05 -- for answers that are under way when the container ends

local count, busy = 0, {} -- connections; those to which an answer is owed, by their descriptors

local function answer(fd, porter, request, is_tcp)
  if request.status then
    return connection.answer(fd, connection.refusal(request.status, request.why))
  end
  busy[fd] = true
  local result = routes.answer(porter, request, is_tcp)
  busy[fd] = not result.stream or nil
  connection.answer(fd, result, request.method)
end

local function talk(fd, porter, is_tcp, may)
  local request
  if count > CONNECTIONS_MAX then
    request = { status = 503, why = ("there are %d connections already"):format(CONNECTIONS_MAX) }
  elseif not is_tcp and not may then
    request = { status = 403, why = "this socket answers root and its own user only" }
  else
    request = connection.read(fd)
  end
  if request then
    answer(fd, porter, request, is_tcp)
    busy[fd] = nil
    connection.finish(fd)
  end
end

local function serve(porter, is_tcp)
  return function(fd, may)
    count = count + 1
    if count > CONNECTIONS_MAX + REFUSED_MAX then
      count = count - 1
      return core.close(fd)
    end
    loop.run("connection", function(ok, message, traceback)
      count, busy[fd] = count - 1, nil
      loop.unwatch(fd)
      core.close(fd)
      if not ok then
        log.with_traceback("the porter: " .. (traceback or message))
      end
    end, talk, fd, porter, is_tcp, may)
  end
end

local function run(start)
  local pages, why = core.pages(start.engine, start.engine_fd, start.script_fd)
  if not pages then
    error(why, 0)
  end
  local porter, places, has_ended = { pages = pages }, {}, false
  change.await = function(_, _, seconds)
    loop.sleep(math.min(seconds, LOOK_SECONDS))
  end
  loop.watch(start.life_fd, "r", function()
    loop.unwatch(start.life_fd)
    has_ended = true
  end)
  places[1] = start.control and listening.unix(start.control, serve(porter, false))
  places[#places + 1] = start.http and listening.tcp(start.http, serve(porter, true))
  repeat
    loop.step()
  until has_ended
  for _, place in ipairs(places) do
    place:close()
  end
  local moment = core.now() + LAST_SECONDS
  while next(busy) and core.now() < moment do
    loop.step(moment - core.now())
  end
  return 0
end

--- Runs the porter until its engine tells it to end, or has gone. The exit code of its process.
return function(start)
  local ok, result = xpcall(run, debug.traceback, start)
  if not ok then
    log.with_traceback("the porter: " .. tostring(result))
  end
  return ok and result or 1
end
