--- reaperctl status: the engine, the script process and the services.

local document = require "reaper.control.document"
local json = require "reaper.control.json"
local overview = require "reaper.control.overview"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local headings = { "SERVICE", "STATE", "PID", "FOR", "RESTARTS", "10MIN", "LAST END", "DETAIL" }
local right = { PID = true, FOR = true, RESTARTS = true, ["10MIN"] = true }

local function row_of(row, now)
  return {
    text.plain(row.name), text.plain(row.state), row.pid ~= 0 and tostring(row.pid) or "-",
    text.duration(row.since and now - row.since), tostring(row.restarts), tostring(row.recent),
    row.status and tostring(row.status) or "", overview.detail(row, now),
  }
end

local function print_text(taken, services)
  print(overview.engine(taken, snapshot.count_zombies(taken)))
  print(overview.script(taken))
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
