--- What status and top say of the engine, of the script process, and of a service.

local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local overview = {}

-- With the time since its start, which is not that since the begin of the stop.
local function state_of_engine(engine)
  local uptime = text.duration(engine.statistics.uptime)
  if engine.stop_reason == "" then
    return engine.state .. " " .. uptime
  end
  return ("%s (stop by %s)  up %s"):format(engine.state, text.plain(engine.stop_reason), uptime)
end

--- The line of the engine. `zombies` is how many there are, or nil where that is not to be seen.
function overview.engine(taken, zombies)
  local engine, counts = taken.engine, taken.engine.statistics
  return ("reaper-lua %s  pid %d  %s  reaped %d (%d orphans)  zombies %s  dropped %d"):format(
    text.plain(engine.version), engine.pid, state_of_engine(engine), counts.reaped, counts.orphans,
    zombies or "-", counts.dropped)
end

--- The line of the script process.
function overview.script(taken)
  local script, engine = taken.script, taken.engine
  if not script then
    return engine.is_program and "a program that has loaded the library" or "no script"
  end
  local parts = { "script " .. text.plain(script.name), script.pid and "pid " .. script.pid or "no process" }
  if script.blocked then
    parts[3] = ("BLOCKED %.1f s in %s"):format(script.blocked, text.plain(script.label))
  elseif script.state == "down" then
    parts[3] = ("down; next start in %s"):format(text.duration((script.next_start or taken.now) - taken.now))
  else
    parts[3] = ("%s %s"):format(script.state, text.duration(taken.now - (script.since or taken.now)))
  end
  local restarts = engine.statistics.script_restarts
  parts[#parts + 1] = restarts > 0 and ("restarts %d"):format(restarts) or nil
  parts[#parts + 1] = script.unread and ("%d events unread for %s"):format(script.unread,
    text.duration(script.unread_for)) or nil
  return table.concat(parts, "  ") .. (script.is_stale and "; services as of then" or "")
    .. snapshot.of_hidden("; %d more services are not shown", taken)
end

--- What is to be said of a service beside the rest: not its last end once more.
function overview.detail(row, now)
  if row.due_at then
    return ("again in %s"):format(text.duration(math.max(row.due_at - now, 0)))
  elseif row.next_run then
    return os.date("next run %Y-%m-%d %H:%M:%S", row.next_run // 1)
  end
  return row.detail ~= tostring(row.status) and text.plain(row.detail) or ""
end

return overview
