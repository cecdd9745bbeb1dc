-- A pool of workers, as process 1 of a container or anywhere. A worker that ends is replaced, after a pause when it has
-- not lived for a second. A TERM or INT that it is sent stops all of them in good order, with exit code 0.
--     lua5.4 examples/library/pool.lua [COUNT COMMAND [ARG...]]

local reaper = require "reaper"

local count = math.tointeger(arg[1] or 3) or error "COUNT is not an integer"
local command = arg[2] and table.move(arg, 2, #arg, 1, {}) or { "sleep", "5" }
local stopping = false

local function keep(name)
  repeat
    local begin = reaper.now()
    command.name = name
    local worker, message = reaper.spawn(command)
    if not worker then
      reaper.log("error", message)
      return reaper.exit(127)
    end
    reaper.log("info", name .. " is process " .. worker.pid)
    reaper.log("info", name .. " has ended: " .. tostring(worker:wait()))
    if not stopping and reaper.now() - begin < 1 then
      reaper.sleep(1)
    end
  until stopping
end

local function on_signal(name)
  if name == "SIGTERM" or name == "SIGINT" then
    stopping = true
    reaper.exit(0) -- TERM to all workers; KILL to those that are left after the grace period
    return false -- this program does not get the signal
  end
end

assert(reaper.start { enable_child_subreaper = true, on_signal = on_signal })
for i = 1, count do
  reaper.after(0, function() keep("worker-" .. i) end) -- each in its own coroutine, so that it may wait
end
reaper.loop() -- until all have ended
