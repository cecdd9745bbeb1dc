--- reaperctl alive: for a liveness probe.

local failure = require "reaper.control.failure"
local snapshot = require "reaper.control.snapshot"
local verdicts = require "reaper.control.verdicts"

return function(options)
  local is_alive, reason = verdicts.alive(snapshot.take(snapshot.open(options)))
  print(reason)
  return is_alive and 0 or failure.NO
end
