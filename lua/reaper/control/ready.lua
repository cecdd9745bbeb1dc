--- reaperctl ready: for a readiness probe.

local failure = require "reaper.control.failure"
local snapshot = require "reaper.control.snapshot"
local verdicts = require "reaper.control.verdicts"

return function(options, names)
  local is_ready, reason = verdicts.ready(snapshot.take(snapshot.open(options)), names)
  print(reason)
  return is_ready and 0 or failure.NO
end
