--- The text of a message of sd_notify(3): lines of NAME=value.

local text = require "reaper.supervisor.probes.text"

local message = {}

local function whole_number(value)
  return value:find "^%d+$" and #value <= 20 and tonumber(value) or nil
end

local function seconds(value)
  local number = whole_number(value)
  return number and number / 1e6
end

local function flag(value)
  return value == "1" or nil
end

-- What the value of each known name becomes; nil for one that means nothing.
local readers = {
  READY = flag, STOPPING = flag, RELOADING = flag,
  STATUS = text.clean,
  MAINPID = function(value)
    local pid = whole_number(value)
    return pid and pid > 0 and pid <= 0x7fffffff and pid or nil
  end,
  EXTEND_TIMEOUT_USEC = seconds,
  WATCHDOG_USEC = seconds,
  WATCHDOG = function(value)
    return (value == "1" or value == "trigger") and value or nil
  end,
}

--- The known names of a message with their values: READY, STOPPING, RELOADING (true), STATUS (text), MAINPID (a pid),
-- EXTEND_TIMEOUT_USEC, WATCHDOG_USEC (seconds), WATCHDOG ("1" or "trigger"); or nil and what is wrong.
function message.read(given)
  given = given:gsub("\0$", "")
  if given:find("\0", 1, true) then
    return nil, "a message is dropped: it contains a zero byte"
  end
  local found = {}
  for line in given:gmatch "[^\n]+" do
    local name, value = line:match "^([%u_]+)=(.*)$"
    if readers[name] then
      found[name] = readers[name](value)
    end
  end
  return found
end

return message
