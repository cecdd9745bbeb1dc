--- reaperctl alive: for a liveness probe.

local failure = require "reaper.control.failure"
local snapshot = require "reaper.control.snapshot"
local verdicts = require "reaper.control.verdicts"

return function(options, words)
  if words[1] then
    failure.usage(("'alive' takes no names, such as '%s'; 'ready' does"):format(words[1]))
  end
  local is_alive, reason = verdicts.alive(snapshot.take(snapshot.open(options)))
  print(reason)
  return is_alive and 0 or failure.NO
end
