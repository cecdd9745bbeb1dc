--- What reaperctl gives as JSON, and the porter, too (JSON with "v":1).

local json = require "reaper.control.json"
local snapshot = require "reaper.control.snapshot"

local document = {}

local function status_json(status)
  if status == "unknown" then
    return json.object("kind", status)
  end
  return status and json.object("kind", status.kind, "code", status.code, "signal", status.signal, "core", status.core,
    "exit_code", status.exit_code)
end

local function known(value)
  return value ~= "" and value ~= 0 and value or nil
end

--- One service. `version`: 1 for a document of its own.
function document.service(row, now, version)
  return json.object("v", version, "name", row.name, "state", row.state, "ready", row.ready, "main", row.is_main, "pid",
    known(row.pid), "for", row.since and now - row.since, "restarts", row.restarts, "restarts_10min", row.recent,
    "last_end", status_json(row.status), "detail", known(row.detail), "again_in",
    row.due_at and math.max(row.due_at - now, 0), "next_run", row.next_run and json.time(row.next_run))
end

--- One process, of processes.by_service.
function document.process(process)
  return json.object("service", process.role == nil and process.name ~= "-" and process.name or nil, "role",
    process.role, "pid", process.pid, "ppid", process.ppid, "uid", process.uid, "state", process.state, "cpu_seconds",
    process.cpu, "resident_bytes", process.memory, "age", process.age, "command", process.comm)
end

--- All of them.
function document.processes(list)
  local objects = {}
  for i, process in ipairs(list) do
    objects[i] = document.process(process)
  end
  return json.object("v", 1, "processes", json.list(objects))
end

local function engine_json(taken)
  local engine, counts = taken.engine, taken.engine.statistics
  return json.object("version", engine.version, "pid", engine.pid, "init", engine.is_init, "state", engine.state,
    "stop_reason", known(engine.stop_reason), "started", json.time(engine.started_time), "uptime", counts.uptime,
    "reaped", counts.reaped, "orphans", counts.orphans, "dropped", counts.dropped, "zombies",
    snapshot.count_zombies(taken), "zombies_peak", counts.zombies_peak, "script_restarts", counts.script_restarts,
    "questions", engine.open_questions)
end

local function script_json(taken)
  local script, engine = taken.script, taken.engine
  if not script then
    return nil
  end
  return json.object("name", script.name, "pid", script.pid, "state", script.state, "for",
    script.since and taken.now - script.since, "hook", script.label, "blocked", script.blocked, "stale",
    script.is_stale, "next_start_in", script.next_start and script.next_start - taken.now, "unread", script.unread,
    "unread_for", script.unread_for, "reloading", engine.is_reloading)
end

--- The engine, the script process, and these of the services.
function document.status(taken, services)
  local list = {}
  for i, row in ipairs(services) do
    list[i] = document.service(row, taken.now)
  end
  return json.object("v", 1, "engine", engine_json(taken), "script", script_json(taken), "services", json.list(list),
    "services_hidden", taken.hidden > 0 and taken.hidden or nil)
end

return document
