--- reaperctl shutdown [CODE]: the ordered stop of the container.

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local snapshot = require "reaper.control.snapshot"
local steering = require "reaper.control.steering"

return function(options, words)
  local code = words[1] and words[1]:find "^%d+$" and math.tointeger(tonumber(words[1]))
  if words[1] and not (code and code <= 255) then
    failure.usage(("shutdown %s: a number from 0 to 255 expected"):format(words[1]))
  end
  core.outlive_stop()
  local result = steering.order(snapshot.open(options), nil, "shutdown", { code }, steering.deadline(options))
  if result == 0 then
    print "the container is stopping"
  end
  return result
end
