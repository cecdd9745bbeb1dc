-- The library inside luv's event loop: luv calls reaper.poll when reaper.fd() is readable, and reaper.poll calls the
-- hooks and the timers that are due. TERM ends it with exit code 0.
--     lua5.4 examples/library/luv.lua

local reaper = require "reaper"
local uv = require "luv"
io.stdout:setvbuf "line" -- a container's output is a pipe

local function on_reap(pid, status)
  print("reaped", pid, status)
end

local function on_signal(name)
  if name == "SIGTERM" then
    reaper.exit(0) -- stops everything but this program
    return false -- which does not get the signal
  end
end

-- First of all: a program with threads cannot be split, and luv makes some when it is asked for a file or a name.
assert(reaper.start { enable_child_subreaper = true, on_reap = on_reap, on_signal = on_signal })

local events = uv.new_poll(reaper.fd())
events:start("r", function()
  if not reaper.poll() then -- everything else has ended, and the engine waits for this program
    uv.stop()
  end
end)

uv.new_timer():start(0, 500, function()
  print "luv's timer: an orphan is left behind"
  os.execute "sleep 0.2 &"
end)
reaper.every(0.5, function()
  print("reaper's timer: orphans so far", reaper.stats().orphans)
end)

uv.run()
print "the loop has ended"
