-- Many deaths: each is told once and in order, and a script process that does not read costs no more than its backlog.

local container = require "spec.support.container"
local control = require "spec.support.control"

local function memory_of(c)
  for line in io.lines(("/proc/%d/status"):format(c.pid)) do
    local size = line:match("^VmRSS:%s*(%d+) kB")
    if size then
      return tonumber(size) * 1024
    end
  end
end

describe("a storm of orphans", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    -- 50,000 once: hundreds of packets, and a socket that is full and has room again all the while. As a subreaper the
    -- engine does the same with them, for which a dozen packets are enough.
    local count = mode == "init" and 50000 or 2500

    it(("of %d gives exactly %d calls of on_reap, none twice"):format(count, count), function()
      local c = container.start { mode = mode, script = [[
        local seen, calls, twice = {}, 0, 0
        function on_reap(pid, status)
          if status.code == 7 then
            calls = calls + 1
          end
        end
        function on_overflow(n) print("overflow", n) end
        function on_exit()
          local stats = reaper.stats()
          print("calls", calls, "reaped", stats.reaped, "orphans", stats.orphans, "dropped", stats.dropped)
        end
      ]], command = { container.helper, "orphans", count, "--code", "7" } }
      c:wait(60)
      assert.equal(("calls\t%d\treaped\t%d\torphans\t%d\tdropped\t0"):format(count, count + 1, count),
        c:out():match("calls[^\n]*"))
    end)

    it("is told in the order of the deaths", function()
      local c = container.start { mode = mode, script = [[
        local calls, wrong = 0, 0
        function on_reap(pid, status, _, info)
          if info.orphan then
            calls = calls + 1
            if status.code ~= calls % 256 then wrong = wrong + 1 end
          end
        end
        function on_exit() print("calls", calls, "wrong", wrong) end
      ]], command = { container.helper, "orphans", "3000", "--sequence" } }
      c:wait(60)
      assert.equal("calls\t3000\twrong\t0", c:out():match("calls[^\n]*"))
    end)
  end)

  it("does not fill the engine's memory while the script is stopped; what is dropped is counted and told", function()
    local c = container.start { script = [[
      local calls = 0
      function on_start() print("policy up") end
      function on_reap(_, status) if status.code == 7 then calls = calls + 1 end end
      function on_overflow(n) print("overflow", n) end
      function on_signal() print("calls", calls, "dropped", reaper.stats().dropped) return false end
    ]], command = { "sh", "-c", "read line; $0 orphans 80000 --code 7 --each 100; sleep 1000", container.helper } }
    c:expect("policy up")
    local script_process = assert(c:find("reaper-script"))
    c:kill("STOP", script_process.pid)
    c:until_true(function()
      return c:find("reaper-script").state == "T"
    end)
    c:write("go\n")
    c:expect("made 80000", 60)
    c:until_true(function()
      return c:zombies() == 0
    end)
    if not container.sanitized then -- a sanitizer's own books take more
      assert.is_true(memory_of(c) < 16 * 1024 * 1024)
    end
    c:kill("CONT", script_process.pid)
    local overflow = tonumber((c:expect("overflow\t(%d+)\n", 20)))
    c:kill("USR1")
    local calls, dropped = c:expect("calls\t(%d+)\tdropped\t(%d+)")
    assert.equal(overflow, tonumber(dropped))
    assert.equal(80000, tonumber(calls) + overflow)
    assert.is_true(tonumber(calls) >= 65536)
    local _, events = control.run(c, "events")
    assert.matches(('"type":"overflow","detail":"%d events were dropped"}'):format(overflow), events, 1, true)
    local _, metrics = control.run(c, "metrics")
    assert.matches(("\nreaper_events_dropped_total %d\n"):format(overflow), metrics, 1, true)
  end)

  -- With so many, a sweep tries the pids around one that it has found: new ones die there while it does.
  it("among 8,000 live children is told of each process that was spawned meanwhile", function()
    local c = container.start { args = { "--hook-timeout", "150" }, limit = 180, script = [[
      local helper = "]] .. container.helper .. [["
      function on_signal()
        for _ = 1, 15 do
          local all = {}
          for i = 1, 200 do all[i] = reaper.spawn { helper, "hold" } end
          for i = 1, 200 do all[i]:kill("KILL") end
          for i = 201, 300 do all[i] = reaper.spawn { helper, "exit", 0 } end
          for i = 1, 300 do all[i]:wait() end
        end
        print("all are through")
        return false
      end
    ]], command = { "sh", "-c", container.helper .. " sleepers 8000 & read line; kill -KILL $!; exec sleep 1000" } }
    c:expect("ready", 60)
    c:write("go\n")
    c:until_true(function()
      return #c:children_of(c.nspid) > 8000
    end, 30, "the children to be adopted")
    c:kill("USR1")
    c:expect("all are through", 120)
    assert.are.equal("", c:err())
  end)
end)
