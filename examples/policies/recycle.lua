-- A worker that leaks ends after so many jobs and begins anew; its peak memory says how many:  reaper-lua recycle.lua
-- ./work gets the number of jobs, and exits with 0 when they are done.
local LIMIT = tonumber(os.getenv "LIMIT_MB" or 256) * 1e6 -- bytes of rusage.maxrss that a life may take
local MOST = 1000
local jobs = 100
local stopping = false

local function next_count(status, peak)
  if not status.ok or peak > LIMIT then
    return math.max(1, jobs // 2)
  end
  return math.min(MOST, jobs + jobs // 10 + 1)
end

-- It outlives this process. The next one finds it by its name, which says how many jobs it was given, too.
local function worker()
  for _, child in ipairs(reaper.children()) do
    local count = child.name and child.name:match "^worker%-(%d+)$"
    if count then
      jobs = tonumber(count)
      return child
    end
  end
  return assert(reaper.spawn { "./work", tostring(jobs), name = "worker-" .. jobs })
end

function on_start()
  while not stopping do
    local status, rusage = worker():wait()
    jobs = next_count(status, rusage.maxrss)
    reaper.log("info", ("worker: %s, %.0f MB at most; %d jobs next"):format(status, rusage.maxrss / 1e6, jobs))
    reaper.sleep(status.ok and 0.1 or 1)
  end
end

function on_stop()
  stopping = true
end

function on_error(message) -- such as a worker that cannot be started: without the loop there is nothing left to do
  reaper.log("error", message)
  reaper.exit(1)
end
