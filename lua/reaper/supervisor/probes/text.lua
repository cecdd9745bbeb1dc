--- Text that services, probes and servers give, as it may stand in a detail: short, in one line, without control
-- characters.

local text = {}

--- As many bytes of it are shown.
text.MOST = 200

local COLOURS = "\27%[[%d;]*%a"
local C1 = "\xc2[\x80-\x9f]" -- control characters of 8 bits, as UTF-8 has them

-- Each byte that is no UTF-8 becomes U+FFFD.
local function valid(given)
  local parts, at = {}, 1
  while true do
    local whole, bad = utf8.len(given, at)
    parts[#parts + 1] = given:sub(at, whole and -1 or bad - 1)
    if whole then
      return table.concat(parts)
    end
    parts[#parts + 1] = "\u{fffd}"
    at = bad + 1
  end
end

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
  short = valid(short:gsub(COLOURS, ""):gsub("\t", " ")):gsub(C1, "?"):gsub("%c", "?")
  return cut(short, most)
end

--- The last line of it that is not blank, clean; or nil.
function text.last_line(given)
  local line = given:match "([^\n]*%S[^\n]*)%s*$"
  return line and text.clean(line:match "^%s*(.-)%s*$")
end

return text
