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

local function width_of(value)
  return utf8.len(value) or #value
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
