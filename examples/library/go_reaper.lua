-- The examples of go-reaper's README, one by one: what the Go call means, and the Lua that does the same.
--     lua5.4 examples/library/go_reaper.lua [reap | start | statuses | run_forked | with_reaper]

local reaper = require "reaper"

local examples = {}

-- The program's own work. It may start processes as it likes: their statuses are its own.
local function rest_of_your_code()
  os.execute "(sleep 0.1; exit 3) &"
  print("its own child:", select(2, io.popen("exit 4"):close()))
  repeat
    reaper.sleep(0.05)
  until reaper.stats().orphans == 1
  print "the orphan is reaped"
end

-- reaper.Reap() in a goroutine: reaps in the background when this is process 1, and only then.
function examples.reap()
  assert(reaper.reap())
  rest_of_your_code()
end

-- reaper.Start(config) in a goroutine: the same, as config says.
function examples.start()
  assert(reaper.start {
    pid = -1, -- Pid: whose deaths are told, as wait4 takes it; all are reaped
    options = 0, -- Options: those of wait4
    debug = true, -- Debug: each death is told on stderr
    disable_pid1_check = false, -- DisablePid1Check: go on where this is not process 1
    enable_child_subreaper = true, -- EnableChildSubreaper: and adopt the orphans there
  })
  rest_of_your_code()
end

-- StatusChannel: the deaths in their order. None is lost when nobody reads for a while.
function examples.statuses()
  assert(reaper.start { enable_child_subreaper = true })
  rest_of_your_code()
  for pid, status in reaper.statuses(0.5) do -- until none has come for half a second
    print("died:", pid, status)
  end
end

-- reaper.RunForked(config): process 1 reaps, and what follows runs in a child. What stands before it runs once, and
-- the container ends with the child's exit code.
function examples.run_forked()
  assert(reaper.run_forked { enable_child_subreaper = true })
  rest_of_your_code()
  os.exit(42)
end

-- reaper.WithReaper(config, entryPoint): the same around a function that gives the exit code. It comes back only where
-- it cannot start, and says why.
function examples.with_reaper()
  assert(reaper.with_reaper({ enable_child_subreaper = true }, function()
    rest_of_your_code()
    return 43
  end))
end

local name = arg[1] or "start"
assert(examples[name], "there is no such example")()
