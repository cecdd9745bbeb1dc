--- reaperctl signal SIG NAME|main…

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local steering = require "reaper.control.steering"

return function(options, words)
  local number, name = core.signal(words[1])
  if not number or number == 0 then
    failure.usage("signal: " .. (number and "0 is not a signal" or name))
  end
  return steering.run(options, table.move(words, 2, #words, 1, {}), "signal", function(whom)
    return { name, whom }
  end, nil, name .. " sent")
end
