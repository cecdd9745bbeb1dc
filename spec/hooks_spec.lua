-- When each hook is called, with what, and what its answer does.

local container = require "spec.support.container"
local script = require "spec.support.script"

describe("on_start", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("gets the main child's pid and no reason", function()
      local c = script.start([[function on_start(...) print("start", select("#", ...), ...) end]],
        { mode = mode, command = { "sleep", "1000" } })
      local count, pid, again = c:expect("start\t(%d)\t(%d+)\t(%a+)\n")
      assert.are.same({ "2", c:find("sleep").nspid, "nil" }, { count, tonumber(pid), again })
    end)

    it("gets \"crash\" and the same pid in a script process that follows a killed one", function()
      local c = script.start([[function on_start(...) print("start", ...) end]],
        { mode = mode, command = { "sleep", "1000" } })
      local pid = c:expect("start\t(%d+)\tnil\n")
      script.kill_script(c)
      assert.are.equal(pid, (c:expect("start\t(%d+)\tcrash\n")))
    end)
  end)

  it("gets nil without COMMAND", function()
    assert.are.equal("nil\tnil\n", script.printed("print(pid, again)"))
  end)

  it("gets \"reload\" after a reload", function()
    local c = script.start([[function on_start(...) print("start", ...) end]])
    c:expect("start\tnil\tnil\n")
    c:kill("HUP")
    c:expect("start\tnil\treload\n")
  end)

  it("comes before every other hook", function()
    local out = script.run([[
      reaper.spawn{ "true" }
      reaper.sleep(0.2) -- the child is dead by then
      function on_reap(_, status) print(status) reaper.exit() end
      function on_stop() print("stop") end
      function on_start() print("start") end
    ]])
    assert.are.equal("start\nexit 0\nstop\n", out)
  end)
end)

describe("on_reap", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is called once for each orphan, in the order of the deaths, and for the main child", function()
      local code, out = container.run {
        mode = mode,
        script = [[function on_reap(pid, status) print(pid, status.code) end]],
        command = { container.helper, "orphans", "300", "--sequence", "--parallel", "1" },
      }
      local codes, pids = {}, {}
      for pid, number in out:gmatch("(%d+)\t(%d+)\n") do
        assert.is_nil(pids[pid])
        pids[pid] = true
        codes[#codes + 1] = tonumber(number)
      end
      assert.are.equal(0, code)
      assert.are.equal(301, #codes)
      for index = 1, 300 do
        assert.are.equal((codes[1] + index - 1) % 256, codes[index])
      end
    end)
  end)

  it("tells a child that ended at once after its spawn", function()
    assert.matches("^true\texit 9\n$", (script.run([[
      local child
      function on_start() child = reaper.spawn{ "sh", "-c", "exit 9" } end
      function on_reap(pid, status) print(pid == child.pid, status) reaper.exit() end
    ]])))
  end)
end)

describe("on_signal", function()
  after_each(container.close_all)

  local function start(answer)
    local c = script.start(
      ("function on_signal(name, number) print('asked', name, number) %s end"):format(answer),
      { command = { container.helper, "signals" } })
    c:expect("ready")
    return c
  end

  local answers = {
    { "nothing: the default", "", "got 10" },
    { "nil: the default", "return nil", "got 10" },
    { "a name", "return 'usr2'", "got 12" },
    { "a name with its prefix", "return 'SIGHUP'", "got 1" },
    { "a number", "return 34", "got 34" },
  }
  for _, row in ipairs(answers) do
    it("may answer " .. row[1], function()
      local c = start(row[2])
      c:kill("USR1")
      c:expect("asked\tSIGUSR1\t10\n")
      c:expect(row[3] .. "\n")
    end)
  end

  it("drops the signal with false", function()
    local c = start("if name == 'SIGUSR1' then return false end")
    c:kill("USR1")
    c:expect("asked\tSIGUSR1\t10\n")
    c:kill("USR2")
    c:expect("got 12\n")
    assert.is_nil(c:out():find("got 10", 1, true))
  end)

  it("that answers nonsense is reported, and the default follows", function()
    local c = start("return 'USR9'")
    c:kill("USR1")
    c:expect("got 10\n")
    c:err_expect("on_signal returned \"USR9\" is not a signal; did you mean")
  end)

  it("may take its time by waiting", function()
    local c = script.start([[
      function on_signal() reaper.sleep(0.6) return "USR2" end
    ]], { args = { "--hook-timeout", "0.2" }, command = { container.helper, "signals" } })
    c:expect("ready")
    c:kill("USR1")
    c:expect("got 12\n")
    assert.is_nil(c:out():find("got 10", 1, true))
  end)
end)

describe("on_stop", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    local reasons = {
      { "main", "when the main child has ended", command = { "true" } },
      { "exit", "after reaper.exit", body = "reaper.exit()" },
      { "SIGTERM", "after TERM without COMMAND", signal = "TERM" },
      { "SIGINT", "after INT without COMMAND", signal = "INT" },
    }
    for _, row in ipairs(reasons) do
      it(("is told %q %s"):format(row[1], row[2]), function()
        local c = script.start(script.on_start((row.body or "") .. " print('started')", true) .. [[
          function on_stop(...) print("stop", ...) end
        ]], { mode = mode, command = row.command })
        if row.signal then
          c:expect("started\n")
          c:kill(row.signal)
        end
        assert.are.equal(row[1], (c:expect("stop\t(%S+)\n")))
        assert.are.equal(0, c:wait())
        assert.are.equal(1, select(2, c:out():gsub("stop\t", "")))
      end)
    end
  end)
end)

describe("on_exit", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("gets the exit code and the main child's status when nothing is left", function()
      local out, _, code = script.run([[
        function on_start() reaper.spawn{ "sleep", "1000" } end
        function on_exit(code, status)
          local left = 0
          for _, process in ipairs(reaper.processes()) do
            if process.comm == "sleep" then left = left + 1 end
          end
          print("exit", code, status, left)
        end
      ]], { mode = mode, command = { "sh", "-c", "kill -USR1 $$" } })
      assert.are.equal("exit\t138\tsignal SIGUSR1\t0\n", out)
      assert.are.equal(138, code)
    end)
  end)

  it("gets no status without COMMAND", function()
    assert.are.equal("0\tnil\n", (script.run([[
      function on_start() reaper.exit() end
      function on_exit(...) print(...) end
    ]])))
  end)

  it("gets the code that reaper.exit asked for", function()
    local out, _, code = script.run([[
      function on_start() reaper.exit(7) end
      function on_exit(code) print(code) end
    ]])
    assert.are.same({ "7\n", 7 }, { out, code })
  end)

  it("gets the code after --map-exit", function()
    local out, _, code = script.run("function on_exit(...) print(...) end",
      { args = { "-e", "3:4" }, command = { "sh", "-c", "exit 3" } })
    assert.are.same({ "4\texit 3\n", 4 }, { out, code })
  end)

  for answer, expected in pairs { ["0"] = 0, ["255"] = 255, ["42"] = 42, ["nil"] = 3 } do
    it("may answer " .. answer, function()
      local _, err, code = script.run(("function on_exit() return %s end"):format(answer),
        { command = { "sh", "-c", "exit 3" } })
      assert.are.same({ expected, "" }, { code, err })
    end)
  end

  for _, answer in ipairs { "256", "-1", "1.5", "'4'", "true", "false", "{}", "0/0" } do
    it("that answers " .. answer .. " is reported and ignored", function()
      local _, err, code = script.run(("function on_exit() return %s end"):format(answer),
        { command = { "sh", "-c", "exit 3" } })
      assert.are.equal(3, code)
      assert.matches("on_exit returned .* not an exit code", err)
    end)
  end

  it("may wait before it answers", function()
    local _, _, code = script.run("function on_exit() reaper.sleep(0.5) return 9 end",
      { args = { "--hook-timeout", "0.2" }, command = { "true" } })
    assert.are.equal(9, code)
  end)
end)
