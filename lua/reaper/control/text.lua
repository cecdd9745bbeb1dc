--- Text that people read: times, and tables whose columns stand below each other.

local fields = require "reaper.runtime.log_fields"

local text = {}

--- Seconds as "0.4s", "12s", "3m02s", "2h13m" or "4d07h".
function text.duration(seconds)
  if not seconds then
    return "-"
  elseif seconds < 1 then
    return ("%.1fs"):format(math.max(seconds, 0))
  end
  local whole = seconds // 1 | 0
  if whole < 60 then
    return ("%ds"):format(whole)
  elseif whole < 3600 then
    return ("%dm%02ds"):format(whole // 60, whole % 60)
  elseif whole < 86400 then
    return ("%dh%02dm"):format(whole // 3600, whole % 3600 // 60)
  end
  return ("%dd%02dh"):format(whole // 86400, whole % 86400 // 3600)
end

--- Seconds of computing as "0.04", "12.50", "3m02s" and so on.
function text.cpu_time(seconds)
  return seconds < 60 and ("%.2f"):format(seconds) or text.duration(seconds)
end

--- Bytes as "812K", "3.4M", "120M" or "1.5G".
function text.size(bytes)
  local value = bytes / 1024
  for _, unit in ipairs { "K", "M", "G" } do
    if value < 1000 or unit == "G" then
      return (value < 10 and unit ~= "K" and "%.1f%s" or "%.0f%s"):format(value, unit)
    end
    value = value / 1024
  end
end

--- What a page says, without anything that a terminal would obey.
function text.plain(value)
  return fields.escape(tostring(value))
end

-- Characters that have two columns on a terminal, and those that have none: from, to. Others have one.
local WIDE = {
  { 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
  { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1faff }, { 0x20000, 0x3fffd },
}
local NARROW = { { 0x300, 0x36f }, { 0x200b, 0x200f }, { 0xfe00, 0xfe0f } }

local function is_among(ranges, code)
  for _, range in ipairs(ranges) do
    if code >= range[1] and code <= range[2] then
      return true
    end
  end
  return false
end

--- The beginning of a line that has so many columns at most, and how many it has.
function text.cut(line, columns)
  if not line:find "[\x80-\xff]" or not utf8.len(line) then
    return line:sub(1, columns), math.min(#line, columns)
  end
  local used = 0
  for at, code in utf8.codes(line) do
    local width = is_among(WIDE, code) and 2 or is_among(NARROW, code) and 0 or 1
    if used + width > columns then
      return line:sub(1, at - 1), used
    end
    used = used + width
  end
  return line, used
end

local function width_of(value)
  return (select(2, text.cut(value, math.maxinteger)))
end

--- The text, or its beginning and "…" where it has more columns than that.
function text.shorten(value, columns)
  return width_of(value) > columns and text.cut(value, columns - 1) .. "…" or value
end

--- The lines of a table: rows of strings, the first of which has the headings. `right` says which columns stand on the
-- right, by their headings; `gap` how many spaces are between two columns (default 2).
function text.columns(rows, right, gap)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, value in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, width_of(value))
    end
  end
  local lines = {}
  for n, row in ipairs(rows) do
    local parts = {}
    for i, value in ipairs(row) do
      local space = (" "):rep(widths[i] - width_of(value))
      parts[i] = right[rows[1][i]] and space .. value or value .. space
    end
    lines[n] = table.concat(parts, (" "):rep(gap or 2)):gsub("%s+$", "")
  end
  return lines
end

return text
