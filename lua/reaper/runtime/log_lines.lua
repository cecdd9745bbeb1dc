--- Lines of services in the form of the log: with a name in front, or as JSON objects. They are never cut.

local core = require "reaper.core"
local fields = require "reaper.runtime.log_fields"

local lines = {}

local second, second_text -- the last one that was written, as making its text is slow

local function time_text()
  local now = core.time()
  local whole = math.floor(now)
  if whole ~= second then
    second, second_text = whole, os.date("!%Y-%m-%dT%H:%M:%S", whole)
  end
  return ("%s.%03dZ"):format(second_text, (now - whole) * 1000 // 1)
end

--- A function(line) that gives a line of the service of that name, which has written it to that stream, with its
-- newline. A carriage return in front of the newline belongs to the end of the line; in text, other bytes are kept.
function lines.form(name, stream)
  local prefix = fields.escape(name) .. ": "
  local members = ('"service":%s,"stream":"%s"'):format(fields.json_text(name), stream)
  return function(line)
    local json, timed = core.log_form()
    if type(line) ~= "string" then
      line = fields.to_text(line)
    end
    if line:byte(-1) == 13 then
      line = line:sub(1, -2)
    end
    if json then
      return ('{"time":"%s",%s,"message":%s}\n'):format(time_text(), members, fields.json_text(line))
    end
    return (timed and time_text() .. " " or "") .. prefix .. line .. "\n"
  end
end

return lines
