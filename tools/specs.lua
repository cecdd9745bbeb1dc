-- Runs spec files, many at once, each in a process of its own:
--
--     specs.lua BUSTED JOBS TIMES FILTER FILE-OR-FOLDER…
--
-- JOBS: how many at once. TIMES: a file with the seconds that each took last, which decides what begins first, and
-- which is written anew. FILTER: a Lua pattern that the names of the specs must have, or an empty text for all.
-- What a file has printed is shown when it is over; the last line sums up. Ends with 0 when all have passed.
-- With SPEC_AGAIN=1 a file that has failed is run once more when all others are over, and that run counts: a noisy
-- machine must not keep a change from landing. It is named, since it has failed beside others.

local uv = require "luv"

local busted, jobs, times_path, filter = arg[1], assert(math.tointeger(tonumber(arg[2])), "JOBS"), arg[3], arg[4]
local LIMIT_SECONDS = 1800 -- a file that takes longer hangs
local CLOCK_TICKS = 100 -- in a second, of the times in /proc/PID/stat

-- What storms: one after the other, since they would be in each other's way. The others are nice to them (nice(1)): a
-- storm is a chain of processes that wait for each other, each of which would have to wait its turn.
local LANE = {
  library_children = true, library_children_modules = true,
  library_storms = true, storm = true,
  supervisor_real = true, -- which holds three services to a second
}

-- What counts the sweeps of a storm, which are the more the longer it lasts: when nothing else runs.
local function is_alone(file)
  return file:find "flat_spec%.lua$" ~= nil
end

local function lane_of(file)
  return LANE[file:match "([^/]+)_spec%.lua$"] and "storms" or "others"
end

local function spec_files(paths)
  local files = {}
  for _, path in ipairs(paths) do
    local folder = uv.fs_scandir(path)
    local name = folder and uv.fs_scandir_next(folder)
    if not folder then
      files[#files + 1] = path
    end
    while name do
      files[#files + 1] = name:find "_spec%.lua$" and path .. "/" .. name or nil
      name = uv.fs_scandir_next(folder)
    end
  end
  return files
end

-- ---- How long each took. ----

local function read_times()
  local times = {}
  local file = io.open(times_path)
  for line in file and file:lines() or function() end do
    local seconds, name = line:match "^(%S+) (.+)$"
    times[name or ""] = tonumber(seconds)
  end
  if file then
    file:close()
  end
  return times
end

local function write_times(times)
  local names = {}
  for name in pairs(times) do
    names[#names + 1] = name
  end
  table.sort(names)
  local file = assert(io.open(times_path .. ".new", "w"))
  for _, name in ipairs(names) do
    file:write(("%.2f %s\n"):format(times[name], name))
  end
  file:close()
  assert(os.rename(times_path .. ".new", times_path))
end

-- The lane first, since its files follow each other, and the longest first, so that none is left alone at the end. One
-- that nobody knows may be the longest, the more so the larger it is.
local function by_time(files, times)
  local keys = {}
  for _, file in ipairs(files) do
    local size = (uv.fs_stat(file) or { size = 0 }).size
    keys[file] = { lane_of(file) == "storms" and 1 or 0, times[file] or math.huge, size }
  end
  table.sort(files, function(a, b)
    for i, key in ipairs(keys[a]) do
      if key ~= keys[b][i] then
        return key > keys[b][i]
      end
    end
    return a < b
  end)
  return files
end

-- Seconds of processor time of all that have ended below this process (proc_pid_stat(5), cutime and cstime).
local function cpu_seconds()
  local file = assert(io.open "/proc/self/stat")
  local user, system = file:read "a":match("%) " .. ("%S+ "):rep(13) .. "(%d+) (%d+)")
  file:close()
  return (user + system) / CLOCK_TICKS
end

-- ---- Running them. ----

uv.os_setenv("SPEC_COMPANY", tostring(jobs / #uv.cpu_info())) -- the specs wait the longer for what must come

local times = read_times()
local waiting = by_time(spec_files(table.move(arg, 5, #arg, 1, {})), times)
local running = { storms = 0, others = 0 }
local passed, failed, pending = 0, 0, 0
local again, is_second_run = {}, false -- files that have failed

local start_some

local function show(text)
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

-- Adds one up and shows what it has printed.
local function ended(file, text, code)
  local body, good, bad = text:match "^(.-)\n*(%d+) passed, (%d+) failed\n*$"
  if code ~= 0 and not is_second_run and os.getenv "SPEC_AGAIN" == "1" then
    again[#again + 1] = file
    return show(body or text)
  end
  if body then
    passed, failed = passed + good, failed + bad
    pending = pending + (body:match "\n(%d+) pending$" or 0)
  end
  if not body or (code ~= 0) ~= (bad ~= "0") then
    body, failed = ("%s\n%s ended with %d before its end"):format(body or text, file, code), failed + 1
  end
  show(body)
end

-- Starts busted on a file, and calls done(text, code) when it has ended and closed its output.
local function run(file, done)
  local ends, pipe, parts, open, code = uv.pipe(), uv.new_pipe(), {}, 2, nil
  local limit = uv.new_timer()
  local function closed()
    open = open - 1
    if open == 0 then
      pipe:close()
      limit:close()
      done(table.concat(parts), code)
    end
  end
  local words = { "-n", lane_of(file) == "others" and "10" or "0", "lua5.4", busted, file }
  if filter ~= "" then
    table.move({ "--filter", filter }, 1, 2, #words + 1, words)
  end
  local handle = assert(uv.spawn("nice", { args = words, stdio = { 0, ends.write, ends.write } },
    function(status, signal)
      code = signal ~= 0 and 128 + signal or status
      closed()
    end))
  limit:start(LIMIT_SECONDS * 1000, 0, function()
    handle:kill "sigkill"
  end)
  uv.fs_close(ends.write)
  pipe:open(ends.read)
  pipe:read_start(function(_, bytes)
    parts[#parts + 1] = bytes
    if not bytes then
      closed()
    end
  end)
end

local function start(file)
  local lane, begin = lane_of(file), uv.hrtime()
  running[lane] = running[lane] + 1
  run(file, function(text, code)
    running[lane] = running[lane] - 1
    if filter == "" then
      times[file] = (uv.hrtime() - begin) / 1e9
    end
    ended(file, text, code)
    start_some()
  end)
end

-- The next that may run now, or nil: the lane of storms has room for one.
local function next_index()
  for index, file in ipairs(waiting) do
    if is_alone(file) then
      if #waiting == 1 and running.storms + running.others == 0 then
        return index
      end
    elseif lane_of(file) == "others" or running.storms == 0 then
      return index
    end
  end
end

function start_some()
  local index = next_index()
  while index and running.storms + running.others < jobs do
    start(table.remove(waiting, index))
    index = next_index()
  end
end

local begin = uv.hrtime()
start_some()
uv.run()
is_second_run, jobs, waiting = true, 1, again
again = {}
for _, file in ipairs(waiting) do
  print(("%s has failed beside others, and is run again alone"):format(file))
end
start_some()
uv.run()
write_times(times)

print(pending > 0 and ("\n%d pending"):format(pending) or "")
print(("%.0f s, %.0f s of processor time"):format((uv.hrtime() - begin) / 1e9, cpu_seconds()))
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0)
