--- The last lines of services, as the script's page has them.

local core = require "reaper.core"

local rings = {}

--- The lines of the service of that name from a position on, which an earlier call has given; without one, from its
-- first line on that is still there.
-- @return the text, whole lines with their newlines, "" when there is nothing new; the position behind it; how many
-- bytes in front of it were overwritten before they were read, which are some at the first call, too. nil for a service
-- that keeps no lines.
rings.read = core.ring_lines

--- The last lines of a text.
function rings.last(text, count)
  local at = #text
  for _ = 1, count do
    if at == 0 then
      return text
    end
    at = at - 1
    while at > 0 and text:byte(at) ~= 10 do
      at = at - 1
    end
  end
  return text:sub(at + 1)
end

--- Where the lines of a service go that keeps none: a text for an operator.
function rings.elsewhere(row)
  local where = row.output == "" and "to reaper-lua's own output" or row.output == "null" and "nowhere"
    or "to " .. row.output
  local kept = row.is_main and "" or "; log = true in the script keeps its last lines"
  return ("%s: its output goes %s%s"):format(row.name, where, kept)
end

return rings
