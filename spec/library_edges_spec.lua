-- Rare moments in the life of a program: pids that are used again, what comes at the very beginning and at the end.

local container = require "spec.support.container"
local program = require "spec.support.program"

local START = 'local reaper = require "reaper"\n'

-- The next process of the namespace gets this pid (proc(5), /proc/sys/kernel/ns_last_pid).
local NEXT_PID = [[
  local function next_pid(pid)
    local file = assert(io.open("/proc/sys/kernel/ns_last_pid", "w"))
    file:write(pid - 1)
    file:close()
  end
]]

describe("a pid that is used again", function()
  after_each(container.close_all)

  it("does not make a live child of a dead one whose end is told late", function()
    local out = program.printed(START .. NEXT_PID .. [[
      assert(reaper.start {})
      local first = reaper.spawn { "true" }
      first:wait()
      next_pid(first.pid)
      local second = reaper.spawn { "sleep", "100" }
      print(second.pid == first.pid)
      reaper.on("on_reap", function(pid, status) print("told", pid == first.pid, status) end)
      reaper.poll(1)
      print(second:alive(), second:wait(0.05))
      second:kill("KILL")
      print(second:wait())
    ]])
    assert.matches("^true\ntold\ttrue\texit 0\ntrue\tnil\ttimeout\n.*signal SIGKILL", out)
  end)

  it("leaves each process its own end, when both are read later", function()
    local out = program.printed(START .. NEXT_PID .. [[
      assert(reaper.start {})
      local first = reaper.spawn { "sh", "-c", "exit 3" }
      repeat until not first:alive() and not io.open("/proc/" .. first.pid)
      next_pid(first.pid)
      local second = reaper.spawn { "sh", "-c", "exit 4" }
      print(second.pid == first.pid, #reaper.children())
      print((first:wait()), (second:wait()))
    ]])
    assert.equal("true\t1\nexit 3\texit 4\n", out)
  end)
end)

describe("at the beginning", function()
  after_each(container.close_all)

  it("what has died before reaper.start is reaped and told, too", function()
    local out = program.printed(START .. [[
      os.execute("(sleep 0.1; exit 3) & echo $! > {folder}/pid") -- it outlives its shell, which would reap it
      local stat = ("/proc/%d/stat"):format(io.open("{folder}/pid"):read("n"))
      repeat until io.open(stat):read("a"):find(") Z ", 1, true)
      local told
      assert(reaper.start { on_reap = function(_, status) told = status end })
      while not told do reaper.poll(1) end
      print(told, io.open(stat))
    ]])
    assert.matches("^exit 3\tnil\t", out)
  end)

  for _, setting in ipairs { "", "warn = true", "verbose = 0, pid = 0" } do
    it("a signal does not overtake a listener that was added before it: {" .. setting .. "}", function()
      local out = program.printed(START .. ([[
        assert(reaper.start { %s })
        local asked
        reaper.on("on_signal", function(name) asked = name return false end)
        os.execute("kill -TERM 1")
        while not asked do reaper.poll(1) end
        print(asked)
      ]]):format(setting))
      assert.equal("SIGTERM\n", out)
    end)
  end
end)

describe("at the end", function()
  after_each(container.close_all)

  it("the last lines of a child come, although its end has stopped everything", function()
    local out = program.printed(START .. [[
      local count = 0
      assert(reaper.start {})
      local child = reaper.spawn { "seq", "5000", stdout = function() count = count + 1 end }
      reaper.on("on_reap", function(pid) if pid == child.pid then reaper.exit(0) end end)
      reaper.loop()
      print(count)
    ]])
    assert.equal("5000\n", out)
  end)

  it("a program that does not end after reaper.exit is killed, and that is said", function()
    local code, _, err = program.run(START .. [[
      assert(reaper.start { grace = 0.3, hook_timeout = 0.1 })
      reaper.exit(4)
      reaper.loop()
      reaper.sleep(100)
    ]])
    assert.equal(4, code)
    assert.equal("reaper-lua: warning: the program has not ended by itself: killing it\n", err)
  end)

  it("a second TERM cuts the program's grace short", function()
    local c = program.start(START .. [[
      assert(reaper.start { grace = 100 })
      require "luv".new_signal():start("sigterm", function() end)
      reaper.exit(4)
      reaper.loop()
      print "everything else has ended"
      io.stdout:flush()
      reaper.sleep(100)
    ]])
    c:expect("everything else has ended\n")
    c:kill("TERM")
    c:until_true(function()
      if not c:ended() then
        c:kill("TERM")
      end
      return c:ended()
    end, 10, "the end")
    assert.equal(4, c:ended())
  end)

  it("reaper.start says that the engine has gone", function()
    local out = program.printed(START .. [[
      assert(reaper.start {})
      reaper.exit(0)
      reaper.loop()
      print(select(2, reaper.start {}))
    ]])
    assert.equal("reaper.start: the engine has gone, and cannot be started again\n", out)
  end)
end)

describe("two loops over reaper.statuses that are both left early", function()
  after_each(container.close_all)

  it("leave each death once, and in order", function()
    local out = program.printed(START .. [[
      assert(reaper.start {})
      local seen = {}
      for _, name in ipairs { "a", "b" } do
        reaper.after(0, function()
          for _, status in reaper.statuses() do
            seen[#seen + 1] = name .. status.code
            reaper.sleep(0.3)
            break
          end
        end)
      end
      reaper.sleep(0.05)
      for code = 1, 4 do
        os.execute(("(exit %d) & exit 0"):format(code))
        repeat reaper.sleep(0.01) until reaper.stats().orphans == code
      end
      reaper.sleep(0.5)
      for _, status in reaper.statuses(0.2) do seen[#seen + 1] = tostring(status.code) end
      print(table.concat(seen, " "))
    ]])
    assert.equal("a1 b1 2 3 4\n", out)
  end)
end)

describe("variables that name a process", function()
  after_each(container.close_all)

  for named, becomes in pairs { ["1"] = "2", ["4711"] = "4711" } do
    it(named .. " is " .. becomes .. " in a program that was process 1 and is process 2 now", function()
      local out = program.printed(START .. [[
        assert(reaper.start{})
        print(os.getenv "LISTEN_PID", os.getenv "WATCHDOG_PID", os.getenv "SYSTEMD_EXEC_PID")
      ]], { env = { LISTEN_PID = named, WATCHDOG_PID = named, SYSTEMD_EXEC_PID = named } })
      assert.equal(("%s\t%s\t%s\n"):format(becomes, becomes, becomes), out)
    end)
  end
end)
