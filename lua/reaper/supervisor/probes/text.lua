--- Text that services, probes and servers give, as it may stand in a detail: short, in one line, without control
-- characters.

local fields = require "reaper.runtime.log_fields"

local text = {}

--- As many bytes of it are shown.
text.MOST = 200

local COLOURS = "\27%[[%d;]*%a"
local C1 = "\xc2[\x80-\x9f]" -- control characters of 8 bits, as UTF-8 has them

-- Cut at a whole character.
local function cut(given, most)
  if #given <= most then
    return given
  end
  return given:sub(1, utf8.offset(given, 0, most + 1) - 1) .. "…"
end

--- At most so many bytes of it, without control characters, and "…" where there was more.
function text.clean(given, most)
  most = most or text.MOST
  local short = given:sub(1, 4 * most) -- what is behind that is never shown
  short = fields.valid((short:gsub(COLOURS, ""):gsub("\t", " "))):gsub(C1, "?"):gsub("%c", "?")
  return cut(short, most)
end

--- The last line of it that is not blank, clean; or nil.
function text.last_line(given)
  local line = given:match "([^\n]*%S[^\n]*)%s*$"
  return line and text.clean(line:match "^%s*(.-)%s*$")
end

return text
