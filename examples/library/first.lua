-- A Lua program that is its own init:  lua5.4 first.lua
local reaper = require "reaper"
io.stdout:setvbuf "line" -- a container's output is a pipe
assert(reaper.start {
  enable_child_subreaper = true, -- also where this is not process 1
  on_reap = function(pid, status)
    print("reaped", pid, status)
  end,
})
os.execute("(sleep 0.2; exit 3) &") -- leaves an orphan behind
reaper.every(1, function() print("still here") end)
reaper.loop() -- until Ctrl-C, or reaper.exit(code) in a hook
