--- reaperctl status: the engine, the script process and the services.

local document = require "reaper.control.document"
local json = require "reaper.control.json"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local function state_of_engine(engine)
  if engine.stop_reason == "" then
    return engine.state
  end
  return ("%s (stop by %s)"):format(engine.state, text.plain(engine.stop_reason))
end

local function engine_line(taken)
  local engine, counts = taken.engine, taken.engine.statistics
  return ("reaper-lua %s  pid %d  %s %s  reaped %d (%d orphans)  zombies %d  dropped %d"):format(
    text.plain(engine.version), engine.pid, state_of_engine(engine), text.duration(counts.uptime), counts.reaped,
    counts.orphans, snapshot.count_zombies(), counts.dropped)
end

local function script_line(taken)
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
end

local function detail_of(row, now)
  if row.due_at then
    return ("again in %s"):format(text.duration(math.max(row.due_at - now, 0)))
  elseif row.next_run then
    return os.date("next run %Y-%m-%d %H:%M:%S", row.next_run // 1)
  end
  return text.plain(row.detail)
end

local headings = { "SERVICE", "STATE", "PID", "FOR", "RESTARTS", "10MIN", "LAST END", "DETAIL" }
local right = { PID = true, FOR = true, RESTARTS = true, ["10MIN"] = true }

local function row_of(row, now)
  return {
    text.plain(row.name), text.plain(row.state), row.pid ~= 0 and tostring(row.pid) or "-",
    text.duration(row.since and now - row.since), tostring(row.restarts), tostring(row.recent),
    row.status and tostring(row.status) or "", detail_of(row, now),
  }
end

local function print_text(taken, services)
  print(engine_line(taken))
  print(script_line(taken))
  local rows = { headings }
  for i, row in ipairs(services) do
    rows[i + 1] = row_of(row, taken.now)
  end
  for _, line in ipairs(rows[2] and text.columns(rows, right) or {}) do
    print(line)
  end
end

local function print_json(taken, services)
  print(json.text(document.status(taken, services)))
end

return function(options, names)
  local taken = snapshot.take(snapshot.open(options))
  local services = names[1] and {} or taken.services
  for i, name in ipairs(names) do
    services[i] = snapshot.find(taken, name)
  end
  (options.json and print_json or print_text)(taken, services)
  return 0
end
