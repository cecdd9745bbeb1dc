--- Lines on stderr, as text or JSON (--log-format): our own, and those of reaper.log(level, message[, fields]).

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local fields = require "reaper.runtime.log_fields"
local lines = require "reaper.runtime.log_lines"
local output = require "reaper.runtime.output"

-- log(level, message[, fields]) writes one line, whatever is in the message and the names and values.
local log = {}

local levels = { "error", "warning", "info", "debug", "trace" }

local is_level = {}
for _, name in ipairs(levels) do
  is_level[name] = true
end

local function write(_, level, message, values)
  check.type("reaper.log", "level", level, "string")
  if not is_level[level] then
    check.refuse("reaper.log", "level", ("'%s' is none of %s%s"):format(level, table.concat(levels, ", "),
      check.hint(level, levels)))
  end
  if values ~= nil then
    check.type("reaper.log", "fields", values, "table")
  end
  core.log(level, fields.to_text(message), values and fields.render(values) or "")
end

--- An error, whose message may have a traceback: it is one event, but its text has several lines.
function log.with_traceback(message)
  core.log("error", message)
end

--- A function(line) that writes a line of a service to reaper-lua's stdout, or to its stderr for the stream "stderr",
-- with its name in front or as a JSON object.
function log.lines(name, stream)
  check.type("reaper.log.lines", "name", name, "string")
  stream = stream == nil and "stdout" or check.type("reaper.log.lines", "stream", stream, "string")
  local to = output[stream]
  if not to then
    check.refuse("reaper.log.lines", "stream", "\"stdout\" or \"stderr\" expected")
  end
  local form = lines.form(name, stream)
  return function(line)
    to:write(form(line))
  end
end

return setmetatable(log, { __call = write })
