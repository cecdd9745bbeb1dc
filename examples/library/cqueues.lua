-- The library inside cqueues: a coroutine waits until reaper.fd() is readable and calls reaper.poll, which calls the
-- hooks and the timers that are due. TERM ends it with exit code 0.
--     lua5.4 examples/library/cqueues.lua

local reaper = require "reaper"
local cqueues = require "cqueues"
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

assert(reaper.start { enable_child_subreaper = true, on_reap = on_reap, on_signal = on_signal })

local loop = cqueues.new()
local events = { pollfd = reaper.fd(), events = "r" } -- cqueues waits for any object with these fields
local ended = false

loop:wrap(function()
  repeat
    cqueues.poll(events)
  until not reaper.poll()
  ended = true -- everything else; the engine waits for this program
end)

loop:wrap(function()
  while true do
    print "cqueues' sleep: an orphan is left behind"
    os.execute "sleep 0.2 &"
    cqueues.sleep(0.5)
  end
end)
reaper.every(0.5, function()
  print("reaper's timer: orphans so far", reaper.stats().orphans)
end)

repeat
  assert(loop:step())
until ended
print "the loop has ended"
