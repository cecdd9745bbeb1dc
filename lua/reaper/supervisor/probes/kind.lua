--- What a kind of readiness does, unless it has something of its own. Its `service` is the one that it belongs to, its
-- `options` are what that has under the key "ready".

local core = require "reaper.core"
local loop = require "reaper.runtime.loop"

local Readiness = {}

--- Changes the spawn table before a start. Gives what is to be closed after that, or false; or nil, message, errno.
function Readiness.prepare(_, _)
  return false
end

--- Fires "ready" in time. Gives a function that stops that, or nil.
function Readiness.watch(_) end

--- The service runs: fires "unhealthy" when it gives no sign of life. Gives a function that stops that, or nil.
function Readiness.watch_life(_) end

--- The service has written a line.
function Readiness.take_line(_, _) end

--- A process of the service that an earlier script process has started was found.
function Readiness.found(_) end

--- The process of the service has ended, but that does not count yet: reads what it has said before.
function Readiness.hear_out(_) end

--- The process of the service has gone.
function Readiness.ended(_) end

local kind = {}

--- A new kind.
function kind.new()
  local made = setmetatable({}, { __index = Readiness })
  made.__index = made
  return made
end

--- Calls f when the descriptor is readable. Gives a function that ends that, and closes it.
function kind.watch_descriptor(fd, f)
  loop.watch(fd, "r", f)
  return function()
    loop.unwatch(fd)
    core.close(fd)
  end
end

return kind
