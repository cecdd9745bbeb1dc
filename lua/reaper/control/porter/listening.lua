--- Where the porter listens. What cannot be listened on is told, and tried again: the container runs on without it.

local core = require "reaper.core"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local Place = {}
Place.__index = Place

local FIRST_DELAY, LAST_DELAY = 1, 30 -- seconds between two tries
local REST = 1 -- seconds after a connection could not be taken

local ECONNABORTED, EAGAIN = 103, 11

-- Without descriptors or memory the connection stays in the queue, and would wake us without end.
local function rest(place, message)
  log("warning", ("%s %s: %s"):format(place.option, place.address, message))
  loop.unwatch(place.fd)
  timers.add(REST, function()
    if place.fd then
      place:watch()
    end
  end)
end

-- One a turn, so that those that have gone are counted no more before the next one comes.
local function accept(place)
  local fd, may, errno = core.accept(place.fd)
  if fd then
    place.serve(fd, may)
  elseif errno ~= EAGAIN and errno ~= ECONNABORTED then
    rest(place, may)
  end
end

function Place:watch()
  local ok, message = loop.try_watch(self.fd, "r", function()
    accept(self)
  end)
  if not ok then
    rest(self, message)
  end
end

-- The same message is not told twice.
local function try(place)
  local fd, what = place.open()
  if fd then
    place.fd, place.identity = fd, what
    log(place.told and "info" or "debug", ("%s: listening on %s"):format(place.option, place.address))
    return place:watch()
  elseif what ~= place.told then
    place.told = what
    log("error", ("%s %s: %s; trying again"):format(place.option, place.address, what))
  end
  timers.add(place.delay, function()
    try(place)
  end)
  place.delay = math.min(2 * place.delay, LAST_DELAY)
end

local function start(place)
  place.delay = FIRST_DELAY
  try(setmetatable(place, Place))
  return place
end

local listening = {}

--- Listens on a unix socket. serve(fd, may) gets each connection for its own; `may`: its other end is
-- root, or this user.
function listening.unix(path, serve)
  local directory, name = path:match "^(.*)/([^/]+)$"
  return start { option = "--control", address = path, serve = serve, name = name, open = function()
    return core.listen_unix(directory == "" and "/" or directory, name)
  end }
end

--- Listens on TCP: serve(fd).
function listening.tcp(address, serve)
  local host, port = address:match "^%[?(.-)%]?:(%d+)$"
  return start { option = "--http", address = address, serve = serve, open = function()
    return core.listen_tcp(host, math.tointeger(tonumber(port)))
  end }
end

--- Listens no more, and takes the socket away.
function Place:close()
  if self.fd then
    if self.name then
      core.remove_socket(self.name, self.identity)
    end
    loop.unwatch(self.fd)
    core.close(self.fd)
    self.fd = nil
  end
end

return listening
