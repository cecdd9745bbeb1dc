--- The events that the script processes have shown, as lines of JSON.

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local json = require "reaper.control.json"

local history = {}

local function known(value)
  return value ~= "" and value or nil
end

local function line_of(event)
  return json.text(json.object("v", 1, "seq", event.number, "time", json.time(event.time or 0), "type",
    known(event.type), "name", known(event.name), "state", known(event.state), "detail", known(event.detail)))
end

-- So many events before the one with that number have been overwritten before they were read.
local function line_of_gap(number, missed)
  return json.text(json.object("v", 1, "seq", number, "type", "gap", "missed", missed))
end

--- The events behind number `after` (0: all that are known), each as one line without its end. In the place of those
-- that have been overwritten stands one line, {"v":1,"seq":FIRST_KNOWN,"type":"gap","missed":COUNT}. A number that no
-- event has had yet ends the command.
-- @return a list of lines, and the number of the last event in it, to go on from
function history.lines(pages, after)
  local events, last = core.event_reports(pages, after)
  if after > last then
    failure.with(failure.NOT_FOUND, ("there has been no event %d: the last one is %d (each container begins with 1)")
      :format(after, last))
  end
  local lines = {}
  for _, event in ipairs(events) do
    if event.number > after + 1 then
      lines[#lines + 1] = line_of_gap(event.number, event.number - after - 1)
    end
    lines[#lines + 1], after = line_of(event), event.number
  end
  return lines, after
end

return history
