-- Signal names and numbers, as the specs write them.

local uv = require "luv"

local signals = {}

local REALTIME_MIN, REALTIME_MAX = 34, 64

local function realtime_number(name)
  local above = name:match("^RTMIN%+(%d+)$")
  local below = name:match("^RTMAX%-(%d+)$")
  if above then
    return REALTIME_MIN + tonumber(above)
  elseif below then
    return REALTIME_MAX - tonumber(below)
  end
  return name == "RTMIN" and REALTIME_MIN or name == "RTMAX" and REALTIME_MAX or nil
end

-- "TERM", "SIGTERM", "RTMIN+3", "15" or 15 as a number.
function signals.number(signal)
  if tonumber(signal) then
    return math.tointeger(tonumber(signal))
  end
  local name = signal:upper():gsub("^SIG", "")
  return realtime_number(name) or uv.constants["SIG" .. name] or error("no such signal: " .. signal, 2)
end

return signals
