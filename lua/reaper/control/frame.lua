--- What top shows, as lines of text.

local core = require "reaper.core"
local overview = require "reaper.control.overview"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local frame = {}

local HELP = "q quit  s < > sort  j k select  r restart  x stop  p processes  ^Z suspend"

-- ---- Columns. ----

-- What a row is sorted by: the greatest first where that is a number.
local function number(value)
  return -(value or 0)
end

--- The columns by which the services can be sorted, in the order of the keys < and >.
frame.sorts = {
  { heading = "SERVICE", value = function(_, row) return row.name end },
  { heading = "STATE", value = function(_, row) return row.state end },
  { heading = "RESTARTS", value = function(_, row) return number(row.restarts) end },
  { heading = "CPU%", value = function(view, row) return number(view.percents[row.name]) end },
  { heading = "MEM", value = function(view, row)
    return number(view.totals[row.name] and view.totals[row.name].memory)
  end },
}

local headings = {
  "SERVICE", "STATE", "PID", "FOR", "RESTARTS", "10MIN", "CPU%", "MEM", "PROCS", "LAST END", "DETAIL",
}
local process_headings = { "", "PID", "STATE", "CPU", "MEM", "AGE", "COMMAND" }
local right = {}
for heading in ("PID FOR RESTARTS 10MIN CPU% MEM PROCS CPU AGE"):gmatch "%S+" do
  right[heading], right[heading .. "*"] = true, true
end

local function marked_headings(view)
  local marked = {}
  for i, heading in ipairs(headings) do
    marked[i] = heading == frame.sorts[view.sort].heading and heading .. "*" or heading
  end
  return marked
end

-- "SIGSEGV" is enough where there is little room.
local function last_end(status)
  return status and tostring(status):gsub("^signal ", "") or ""
end

-- A date has no room.
local function detail_of(row, now)
  if row.next_run and not row.due_at then
    return "in " .. text.duration(row.next_run - core.time())
  end
  return overview.detail(row, now)
end

local function cells_of(view, row)
  local total, percent, now = view.totals[row.name], view.percents[row.name], view.taken.now
  return {
    text.shorten(text.plain(row.name), view.name_width), text.plain(row.state),
    row.pid ~= 0 and tostring(row.pid) or "-",
    text.duration(row.since and now - row.since), tostring(row.restarts), tostring(row.recent),
    percent and ("%.1f"):format(percent) or "-", total and text.size(total.memory) or "-",
    total and tostring(total.count) or "-", last_end(row.status), detail_of(row, now),
  }
end

-- ---- Rows. ----

--- The services in the order that was chosen. Those that are equal there stay as they start.
function frame.sorted(view)
  local list, places, values, value_of = {}, {}, {}, frame.sorts[view.sort].value
  for i, row in ipairs(view.taken.services) do
    list[i], places[row], values[row] = row, i, value_of(view, row)
  end
  table.sort(list, function(a, b)
    if values[a] ~= values[b] then
      return values[a] < values[b]
    end
    return places[a] < places[b]
  end)
  return list
end

local styles = {
  failed = "bad", backoff = "warning", stopping = "warning", clearing = "warning", waiting = "warning",
}

local function style_of(view, row)
  if row.name == view.selected then
    return "selected"
  end
  return row.fatal and "bad" or styles[row.state]
end

local function add(lines, line, style)
  lines[#lines + 1] = { text = line, style = style }
end

-- So many rows that the selected one is among them.
local function window(list, selected, room)
  local at = 1
  for i, row in ipairs(list) do
    at = row.name == selected and i or at
  end
  local first = math.max(1, math.min(at - room // 2, #list - room + 1))
  return first, math.min(first + room - 1, #list)
end

local function add_services(lines, view, list, first, last)
  local rows = { marked_headings(view) }
  for i = first, last do
    rows[#rows + 1] = cells_of(view, list[i])
  end
  for i, line in ipairs(text.columns(rows, right, 1)) do
    local row = list[first + i - 2]
    local is_selected = i > 1 and row.name == view.selected
    add(lines, (is_selected and ">" or " ") .. line, i == 1 and "heading" or style_of(view, row))
  end
end

local function add_processes(lines, view, room)
  local rows = { process_headings }
  for _, process in ipairs(view.list or {}) do
    if process.name == view.selected and not process.role then
      rows[#rows + 1] = {
        "", tostring(process.pid), process.state, text.cpu_time(process.cpu), text.size(process.memory),
        text.duration(process.age), text.plain(process.comm),
      }
    end
  end
  for i, line in ipairs(text.columns(rows, right, 1)) do
    if i <= room then
      add(lines, line, i == 1 and "heading" or nil)
    end
  end
end

--- All lines: tables of text and style ("heading", "selected", "bad", "warning" or nil).
-- @param view taken, list, totals, percents (by name), sort (an index of frame.sorts), selected (a name or nil),
-- shows_processes, message (for the last line, or nil), shows_help, name_width (columns that a name may have)
-- @param rows how many lines there is room for; nil: for all
function frame.lines(view, rows)
  local lines, list = {}, frame.sorted(view)
  add(lines, overview.engine(view.taken, snapshot.count_zombies(view.taken, view.list)))
  add(lines, overview.script(view.taken), view.taken.script and view.taken.script.is_stale and "warning" or nil)
  local room = rows and math.max(rows - 4, 1) or #list
  local for_services = view.shows_processes and room > 3 and room // 2 or room
  local first, last = window(list, view.selected, for_services)
  add_services(lines, view, list, first, last)
  if view.shows_processes then
    add_processes(lines, view, math.max(room - (last - first + 1), 0))
  end
  local last_line = view.message or view.shows_help and HELP
  while last_line and rows and #lines < rows - 1 do
    add(lines, "")
  end
  if last_line then
    add(lines, last_line, view.message and "heading" or nil)
  end
  return lines
end

return frame
