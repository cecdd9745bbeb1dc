-- reaper.main and its restarts; children, processes and counters.

local container = require "spec.support.container"
local script = require "spec.support.script"

-- Counts its runs in a file, so that each run can do something else.
local RUNS = { "sh", "-c", 'echo run >> {folder}/runs; exit $(wc -l < {folder}/runs)' }

describe("reaper.main", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is the main child: pid, name, alive, kill, wait", function()
      local out, err, code = script.run([[
        function on_start(pid)
          local main = reaper.main
          print(main.pid == pid, main.name, main:alive(), main:wait(0))
          print(main:kill("USR2"))
          print((main:wait()))
          print(main:alive(), main:kill())
        end
        function on_reap(_, status) print("reaped", status) end
      ]], { mode = mode, command = { "sleep", "1000" } })
      local lines = script.lines(out)
      table.sort(lines)
      assert.are.same({
        "false\tnil\tthe process has ended\t3", "reaped\tsignal SIGUSR2", "signal SIGUSR2", "true",
        "true\tmain\ttrue\tnil\ttimeout",
      }, lines)
      assert.are.same({ "", 140 }, { err, code })
    end)

    it(":start() in on_reap runs COMMAND again, and reaper-lua goes on", function()
      local out, err, code = script.run([[
        local pids = {}
        function on_start(pid) pids[pid] = true end
        function on_reap(pid, status)
          assert(pids[pid])
          print(status)
          if status.code < 4 then
            print(reaper.main:start())
            assert(not pids[reaper.main.pid] and reaper.main.pid)
            pids[reaper.main.pid] = true
          end
        end
        function on_stop(reason) print(reason) end
      ]], { mode = mode, command = RUNS })
      assert.are.equal("exit 1\ntrue\nexit 2\ntrue\nexit 3\ntrue\nexit 4\nmain\n", out)
      assert.are.same({ "", 4 }, { err, code })
    end)

    it("can be started again after a sleep in on_reap, which puts the stop off", function()
      local out, err, code = script.run([[
        function on_reap(_, status)
          print(status)
          if status.code < 3 then
            reaper.sleep(0.5)
            print("again", reaper.main:start())
          end
        end
        function on_stop(reason) print(reason) end
      ]], { mode = mode, args = { "--hook-timeout", "0.2" }, command = RUNS })
      assert.are.equal("exit 1\nagain\ttrue\nexit 2\nagain\ttrue\nexit 3\nmain\n", out)
      assert.are.same({ "", 3 }, { err, code })
    end)
  end)

  it("can be started again by what waits for its end", function()
    local out, _, code = script.run([[
      function on_start()
        for _ = 1, 2 do
          print("waited", (reaper.main:wait()))
          reaper.sleep(0.4)
          assert(reaper.main:start())
        end
      end
    ]], { args = { "--hook-timeout", "0.2" }, command = RUNS })
    assert.are.same({ "waited\texit 1\nwaited\texit 2\n", 3 }, { out, code })
  end)

  it("gets signals under its new pid after a restart", function()
    local c = script.start([[
      function on_reap(_, status) print("reaped", status) if status.code == 66 then reaper.main:start() end end
    ]], {
      command = { "sh", "-c", "trap 'exit 66' HUP; trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done" },
    })
    c:expect("ready\n")
    c:kill("HUP")
    c:expect("reaped\texit 66\n.*ready\n")
    c:kill("TERM")
    assert.are.equal(5, c:wait())
    assert.are.equal(2, select(2, c:out():gsub("ready", "")))
  end)

  it(":start() gives nil, message, errno while it lives, and when the stop has begun", function()
    local out = script.run([[
      function on_start()
        print(reaper.main:start())
        reaper.spawn{ "sh", "-c", "trap '' TERM; echo deaf; sleep 1000", stdout = "pipe" }.stdout:read()
        reaper.main:kill()
      end
      function on_stop() print(reaper.main:start()) end
    ]], { command = { "sleep", "1000" }, args = { "--grace", "0.3" } })
    assert.are.equal("nil\tthe main child is still alive\t16\nnil\treaper-lua is stopping\t16\n", out)
  end)

  it(":start() gives nil, message, errno when COMMAND is there no more", function()
    local out, _, code = script.run([[
      function on_reap()
        os.remove("{folder}/program")
        print(reaper.main:start())
      end
    ]], {
      wrap = { "/bin/sh", "-c", 'cp /bin/true {folder}/program; exec "$@"', "sh" }, command = { "{folder}/program" },
    })
    assert.matches("^nil\tcannot run \"/tmp/[^\n]*/program\"[^\n]*\t2\n$", out)
    assert.are.equal(0, code)
  end)

  it("is nil without COMMAND, and no other process has :start()", function()
    assert.are.equal("nil\tnil\n", script.printed([[print(reaper.main, reaper.spawn{ "true" }.start)]]))
  end)

  it("is the same process for a script process that follows a killed one", function()
    local c = script.start([[
      function on_start(pid, again) print("main", pid == reaper.main.pid, reaper.main:alive(), again) end
      function on_signal() reaper.main:kill("KILL") return false end
    ]], { command = { "sleep", "1000" } })
    c:expect("main\ttrue\ttrue\tnil\n")
    script.kill_script(c)
    c:expect("main\ttrue\ttrue\tcrash\n")
    c:kill("USR1")
    assert.are.equal(137, c:wait())
  end)
end)

describe("reaper.children", function()
  after_each(container.close_all)

  it("lists the live ones by pid: the main child and those that were spawned", function()
    local c = script.start([[
      function on_start()
        local function names()
          local list = {}
          for i, p in ipairs(reaper.children()) do
            assert(i == 1 or p.pid > reaper.children()[i - 1].pid)
            list[i] = p.name or "-"
          end
          return table.concat(list, " ")
        end
        print(names())
        local a, b = reaper.spawn{ "sleep", "1000", name = "a" }, reaper.spawn{ "sleep", "1000" }
        print(names(), reaper.children()[2] == a, reaper.children()[3] == b)
        a:stop()
        print(names())
        print("end")
      end
    ]], { command = { "sleep", "1000" } })
    c:expect("end\n")
    assert.are.equal("main\nmain a -\ttrue\ttrue\nmain -\nend\n", c:out())
  end)
end)

describe("reaper.processes", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("lists all processes with their state and family", function()
      local c = script.start([[
        function on_start()
          local p = reaper.spawn{ "sleep", "1000", session = true }
          p:kill("STOP")
          local found
          repeat
            for _, one in ipairs(reaper.processes()) do
              if one.pid == p.pid then found = one end
            end
          until found and found.state == "T"
          print(found.comm, found.ppid, found.pgrp == p.pid, found.session == p.pid, found.state,
            math.type(found.lifetime), found.lifetime < 60)
          print("count", #reaper.processes())
        end
      ]], { mode = mode })
      local count = c:expect("count\t(%d+)\n")
      assert.are.equal(("sleep\t%d\ttrue\ttrue\tT\tfloat\ttrue"):format(c.nspid), script.lines(c:out())[1])
      assert.are.equal(#c:processes(), tonumber(count))
    end)
  end)
end)

describe("reaper.stats", function()
  after_each(container.close_all)

  it("counts the dead, the orphans among them, and the seconds", function()
    local out = script.printed(([[
      local first = reaper.stats()
      assert(first.reaped == 0 and first.orphans == 0 and first.dropped == 0 and first.script_restarts == 0)
      reaper.run{ %q, "orphans", "7", stdout = "null" }
      reaper.run{ "true" }
      repeat local now = reaper.stats() reaper.sleep(0.01) until now.orphans >= 7
      local now = reaper.stats()
      local keys = {}
      for key, value in pairs(now) do keys[#keys + 1] = key .. ":" .. math.type(value) end
      table.sort(keys)
      print(table.concat(keys, " "))
      print(now.reaped, now.orphans, now.dropped, now.script_restarts, now.zombies_peak >= 1)
      reaper.sleep(0.3)
      local passed = reaper.stats().uptime - first.uptime
      print(passed >= 0.3 and passed < 60)
    ]]):format(container.helper))
    assert.are.equal("dropped:integer orphans:integer reaped:integer script_restarts:integer uptime:float "
      .. "zombies_peak:integer\n9\t7\t0\t0\ttrue\ntrue\n", out)
  end)

  it("counts the zombies that were there at once", function()
    local c = script.start([[
      function on_signal() print("peak", reaper.stats().zombies_peak) return false end
    ]], { command = { "sh", "-c", container.helper .. " orphans 30 --alive 1000; exec sleep 1000" } })
    c:expect("made 30\n")
    local _, orphans = c:find("spec-orphan")
    c:kill("STOP")
    for _, orphan in ipairs(orphans) do
      c:kill("KILL", orphan.pid)
    end
    c:until_true(function() return c:zombies() == 30 end, 5, "zombies")
    c:kill("CONT")
    c:until_true(function() return c:zombies() == 0 end, 5, "no zombies")
    c:kill("USR1")
    assert.is_true(tonumber((c:expect("peak\t(%d+)\n"))) >= 30)
  end)

  it("counts the script processes that followed a crash", function()
    local c = script.start([[function on_start() print("restarts", reaper.stats().script_restarts) end]])
    c:expect("restarts\t0\n")
    script.kill_script(c)
    c:expect("restarts\t1\n")
    script.kill_script(c)
    c:expect("restarts\t2\n")
  end)
end)
