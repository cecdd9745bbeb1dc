-- reaper.statuses: a loop over deaths, which loses none, wherever it stands and however it is left; and the key pid.

local container = require "spec.support.container"
local deaths = require "spec.support.deaths"
local program = require "spec.support.program"

local helper = container.helper
local started, printed = deaths.program, deaths.printed

describe("reaper.statuses", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("loses nothing when a loop is left by break, by an error or by return and another one goes on", function()
      assert.equal("30\t0\n", printed(mode, "", [[
        storm(30)
        local function read(most, leave)
          for _, status in reaper.statuses(1) do
            check(status)
            most = most - 1
            if most == 0 then
              if leave == "break" then break end
              if leave == "return" then return end
              error "left"
            end
          end
        end
        read(7, "break")
        read(7, "return")
        pcall(read, 7, "error")
        read(100, "break")
        print(seen, wrong)
      ]]))
    end)

    it("loses nothing between two loops, whatever the program does meanwhile", function()
      for _, meanwhile in ipairs { "reaper.sleep(0.2)", "while reaper.poll(0.2) > 0 do end" } do
        assert.equal(deaths.storm .. "\t0\n", printed(mode, "", [[
          storm(STORM)
          for _, status in reaper.statuses(1) do
            check(status)
            if seen == 10 then break end
          end
          ]] .. meanwhile .. [[
          for _, status in reaper.statuses(1) do
            check(status)
          end
          print(seen, wrong)
        ]]))
      end
    end)

    it("begins a loop with what came between two loops", function()
      assert.equal("20\t0\n", printed(mode, "", [[
        storm(10)
        for _, status in reaper.statuses(1) do
          check(status)
          if seen == 5 then break end
        end
        for code = 11, 20 do
          os.execute("]] .. helper .. [[ orphans 1 >{folder}/storm --code " .. code)
          while reaper.stats().orphans < code do end -- it may die after the helper
        end
        for _, status in reaper.statuses(1) do check(status) end
        print(seen, wrong)
      ]]))
    end)

    it("ends after so many seconds without a death, and at once with 0", function()
      assert.equal("0\ttrue\ttrue\n1\ttrue\n", printed(mode, "", [[
        local begin = reaper.now()
        for _ in reaper.statuses(0) do seen = seen + 1 end
        local short = reaper.now() - begin
        for _ in reaper.statuses(0.3) do seen = seen + 1 end
        local long = reaper.now() - begin
        print(seen, short < 0.3, long >= 0.3)
        os.execute "(sleep 0.2; exit 1) &"
        for _, status in reaper.statuses(2) do check(status) begin = reaper.now() end
        print(seen, reaper.now() - begin >= 2)
      ]]))
    end)

    it("waits without end where there is no timeout", function()
      local c = program.start(started("", [[
        os.execute "(sleep 0.3; exit 1) &"
        for _, status in reaper.statuses() do print(status) end
        print "the end"
      ]]), { mode = mode })
      c:expect("exit 1\n")
      c:kill("INT")
      assert.equal(1, c:wait())
      assert.equal("exit 1\n", c:out())
    end)

    it("works in a timer, while the program waits in reaper.loop", function()
      assert.equal("1000\t0\n", printed(mode, "", [[
        reaper.after(0.01, function()
          storm(1000)
          for _, status in reaper.statuses(1) do check(status) end
          print(seen, wrong)
          os.exit(0, true)
        end)
        reaper.loop()
      ]]))
    end)

    it("works in a hook, which is told the rest that it has begun with", function()
      assert.equal("first\texit 1\n99\t0\n", printed(mode, [[on_reap = function(_, status)
        if hooked then return end
        hooked = true
        print("first", status)
        seen = 1
        for _, one in reaper.statuses(1) do check(one) end
        print(seen - 1, wrong)
        os.exit(0, true)
      end]], [[
        storm(100)
        reaper.loop()
      ]]))
    end)

    it("gives each of two loops in two timers every death", function()
      assert.equal("500\t0\t500\t0\n", printed(mode, "", [[
        local counts = { { 0, 0 }, { 0, 0 } }
        local ended = 0
        for i = 1, 2 do
          reaper.after(0, function()
            local count = counts[i]
            for _, status in reaper.statuses(2) do
              count[1] = count[1] + 1
              if status.code ~= count[1] % 256 then count[2] = count[2] + 1 end
              if count[1] % 50 == i then reaper.sleep(0.001) end
            end
            ended = ended + 1
          end)
        end
        reaper.sleep(0.05)
        storm(500)
        while ended < 2 do reaper.poll(20) end
        print(counts[1][1], counts[1][2], counts[2][1], counts[2][2])
      ]]))
    end)

    it("goes beside on_reap: both get every death", function()
      assert.equal("300\t0\t300\n", printed(mode, "on_reap = function() told = (told or 0) + 1 end", [[
        storm(300)
        for _, status in reaper.statuses(1) do check(status) end
        print(seen, wrong, told)
      ]]))
    end)

    it("gives children of reaper.spawn, too", function()
      assert.equal("true\texit 7\ntrue\tsignal SIGKILL\n", printed(mode, "", [[
        local first = assert(reaper.spawn { "sh", "-c", "exit 7" })
        local pid, status = reaper.statuses(20)()
        print(pid == first.pid, status)
        local second = assert(reaper.spawn { "sh", "-c", "kill -KILL $$" })
        pid, status = reaper.statuses(20)()
        print(pid == second.pid, status)
      ]]))
    end)
  end)
end)

describe("the key pid", function()
  after_each(container.close_all)

  -- Children from before the start are the engine's. Each prints its pid and exits with its code when it may; the third
  -- leads a group of its own, in which it leaves an orphan that exits with 13.
  local text = [[
    io.stdout:setvbuf "line"
    local reaper = require "reaper"
    local function child(words)
      local pipe = io.popen(words, "r")
      return pipe, pipe:read("n")
    end
    local function wait_for(name) return "until test -e {folder}/" .. name .. "; do sleep 0.01; done; " end
    local _, first = child("echo $$; " .. wait_for "go" .. "exit 11")
    local _, second = child("echo $$; " .. wait_for "go" .. "exit 12")
    local _, third = child("exec setsid sh -c 'echo $$; (" .. wait_for "later" .. "exit 13) & " .. wait_for "go"
      .. "exit 14'")
    local codes = {}
    assert(reaper.start { enable_child_subreaper = true, pid = %s, on_reap = function(pid, status)
      codes[#codes + 1] = status.code
    end })
    os.execute("(" .. wait_for "go" .. "exit 15) & exec setsid sh -c '(" .. wait_for "go" .. "exit 16) &'")
    local spawned = assert(reaper.spawn { "sh", "-c", wait_for "go" .. "exit 17" })
    io.open("{folder}/go", "w"):close()
    print("waited", spawned:wait())
    repeat until reaper.stats().reaped == 6
    io.open("{folder}/later", "w"):close()
    repeat until reaper.stats().reaped == 7
    while reaper.poll(0) > 0 do end
    table.sort(codes)
    print(table.concat(codes, " "))
    io.read()
    os.exit(0)
  ]]

  -- 15 is in the program's group; that of the others was the engine's own, or is their own.
  local rows = {
    { "-1: every one", "-1", "11 12 13 14 15 16 17" },
    { "a pid: that one", "second", "12" },
    { "the pid of one that is no child: none", "1", "" },
    { "0: those of the program's process group", "0", "15" },
    { "below -1: those of that process group", "-third", "13 14" },
    { "none given: every one", "nil", "11 12 13 14 15 16 17" },
  }

  container.each_mode(function(mode)
    for _, row in ipairs(rows) do
      it("says which deaths are told, and all are reaped: " .. row[1], function()
        local c = program.start(text:format(row[2]), { mode = mode })
        assert.equal("exit 17", (c:expect("waited\t([^\t\n]+)")))
        assert.equal(row[3], (c:expect("waited[^\n]*\n([%d ]*)\n")))
        assert.equal(0, c:zombies())
        c:close_input()
        assert.equal(0, c:wait())
        assert.equal("", c:err())
      end)
    end
  end)
end)
