-- The cost of a reap does not grow with the number of children that live. bench measures it; here it must not be lost.

local container = require "spec.support.container"

local REAPS = 3000
local LIVE = 10000

-- Nanoseconds of CPU time that the program has used (proc_pid_schedstat(5)).
local function cpu_time(c)
  local file = assert(io.open(("/proc/%d/schedstat"):format(c.pid)))
  local time = file:read("n")
  file:close()
  return time
end

-- What the program uses to reap REAPS orphans.
local function cost(c, rounds)
  local before = cpu_time(c)
  c:write("storm\n")
  c:expect(("made %d.*"):format(REAPS):rep(rounds), 60)
  c:until_true(function()
    return c:zombies() == 0
  end)
  return (cpu_time(c) - before) / REAPS
end

describe("reaping", function()
  after_each(container.close_all)

  it("costs about the same with 10,000 live children as with none", function()
    local c = container.start { raw = { "--", "sh", "-c", ([[
      while read what; do
        case $what in
          storm) %s orphans %d ;;
          crowd) %s sleepers %d & read done; kill -KILL $! ;;
        esac
      done]]):format(container.helper, REAPS, container.helper, LIVE) } }
    local alone = cost(c, 1)
    c:write("crowd\n")
    c:expect("ready", 60)
    c:write("done\n")
    c:until_true(function()
      return #c:children_of(c.nspid) > LIVE
    end, 30, "the crowd to be adopted")
    local crowded = cost(c, 2)
    -- Every sweep walks over all children. If each reap did, it would cost more than thirty times as much.
    assert.is_true(crowded < 10 * alone, ("%.1f µs a reap, alone %.1f µs"):format(crowded / 1000, alone / 1000))
  end)
end)
