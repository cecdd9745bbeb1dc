--- reaperctl ps: the processes, by service.

local document = require "reaper.control.document"
local failure = require "reaper.control.failure"
local json = require "reaper.control.json"
local processes = require "reaper.control.processes"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local headings = { "SERVICE", "PID", "PPID", "USER", "STATE", "CPU", "MEM", "AGE", "COMMAND" }
local right = { PID = true, PPID = true, CPU = true, MEM = true, AGE = true }

-- The names of users, by their numbers, as this root directory has them.
local function user_names()
  local names = {}
  local file = io.open "/etc/passwd"
  for line in file and file:lines() or function() end do
    local name, uid = line:match "^([^:]+):[^:]*:(%d+):"
    uid = tonumber(uid)
    if uid and not names[uid] then
      names[uid] = text.plain(name)
    end
  end
  if file then
    file:close()
  end
  return names
end

local function row_of(process, users)
  return {
    process.role and ("(%s)"):format(process.role) or text.plain(process.name), tostring(process.pid),
    tostring(process.ppid or "-"), users[process.uid] or tostring(process.uid or "-"), process.state,
    text.cpu_time(process.cpu), text.size(process.memory), text.duration(process.age), text.plain(process.comm),
  }
end

local function print_text(list)
  local users, rows = user_names(), { headings }
  for i, process in ipairs(list) do
    rows[i + 1] = row_of(process, users)
  end
  for _, line in ipairs(text.columns(rows, right)) do
    print(line)
  end
end

local function print_json(list)
  print(json.text(document.processes(list)))
end

return function(options)
  local list, message = processes.by_service(snapshot.take(snapshot.open(options)), true)
  if not list then
    failure.with(failure.NOT_FOUND, "ps: " .. message)
  end
  (options.json and print_json or print_text)(list)
  return 0
end
