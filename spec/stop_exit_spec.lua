-- The end: the exit code, what a script says to it, and that the script process is the last to go.

local uv = require "luv"
local container = require "spec.support.container"

local helper = container.helper
local SUBREAPER_LEFT = { subreaper = true }

local function run(mode, more)
  local options = { mode = mode, args = { "-t", "30" }, report_left = SUBREAPER_LEFT[mode] }
  for key, value in pairs(more) do
    options[key] = value
  end
  local begin = uv.hrtime()
  local code, out, err = container.run(options)
  return code, out, err, (uv.hrtime() - begin) / 1e9
end

local function exit_with(code)
  return { helper, "exit", tostring(code) }
end

local function crash(how)
  return { helper, "crash", how }
end

describe("the exit code", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    local rows = {
      { "is the main child's", 7, exit_with(7) },
      { "is 0 when that was 0", 0, exit_with(0) },
      { "is 255 when that was 255", 255, exit_with(255) },
      { "is 128 + 11 after SIGSEGV", 139, crash("segv") },
      { "is 128 + 6 after SIGABRT", 134, crash("abort") },
      { "is 128 + 9 after SIGKILL", 137, crash("kill") },
      { "is mapped by -e", 0, exit_with(7), { "-e", "7" } },
      { "is mapped by -e CODE:TO", 3, exit_with(7), { "-e", "7:3" } },
      { "is mapped once", 8, exit_with(7), { "-e", "7:8", "-e", "8:9" } },
      { "is mapped after a signal, too", 0, crash("segv"), { "-e139" } },
      { "is left alone by -e for another code", 6, exit_with(6), { "-e", "7" } },
      { "is what on_exit returns", 42, exit_with(7), nil, "function on_exit() return 42 end" },
      { "is the main child's when on_exit returns nothing", 7, exit_with(7), nil, "function on_exit() end" },
      { "is mapped before on_exit, which gets the mapped one", 31, exit_with(7), { "-e", "7:30" },
        "function on_exit(code, status) assert(status.code == 7) return code + 1 end" },
      { "is not mapped after on_exit", 7, exit_with(1), { "-e", "7:30" }, "function on_exit() return 7 end" },
      { "is what on_exit returns after it has waited", 5, exit_with(1), nil,
        "function on_exit() reaper.sleep(0.3) return 5 end", { "--hook-timeout", "0.1" } },
      { "is that of reaper.exit", 9, { helper, "hold" }, nil, "function on_start() reaper.exit(9) end" },
      { "is the main child's after reaper.exit()", 143, { helper, "hold" }, nil,
        "function on_start() reaper.exit() end" },
      { "is that of os.exit", 11, { helper, "hold" }, nil, "function on_start() os.exit(11) end" },
      { "is 0 after os.exit(true)", 0, { helper, "hold" }, nil, "function on_start() os.exit(true) end" },
      { "is 1 after os.exit(false)", 1, { helper, "hold" }, nil, "function on_start() os.exit(false) end" },
      { "is that of on_exit, which has the last word after reaper.exit", 10, { helper, "hold" }, nil,
        "function on_start() reaper.exit(9) end function on_exit(code) return code + 1 end" },
      { "is that of reaper.exit in a script without COMMAND", 12, nil, nil, "function on_start() reaper.exit(12) end" },
      { "is 0 for a script without COMMAND that ends with reaper.exit()", 0, nil, nil,
        "function on_start() reaper.exit() end" },
      { "is that of an exit in on_reap of the main child", 21, exit_with(7), nil,
        "function on_reap(pid) if pid == reaper.main.pid then reaper.exit(21) end end" },
    }
    for _, row in ipairs(rows) do
      it(row[1], function()
        local args = table.move(row[4] or {}, 1, #(row[4] or {}), 3, { "-t", "30" })
        table.move(row[6] or {}, 1, #(row[6] or {}), #args + 1, args)
        local code, _, err, seconds = run(mode, { command = row[3], args = args, script = row[5] })
        assert.are.same({ row[2], "" }, { code, err })
        assert.is_true(seconds < 10 * container.slow)
      end)
    end

    for _, value in ipairs{ "256", "-1", "1.5", "'7'", "true", "{}" } do
      it("is not changed by an on_exit that returns " .. value .. ", which is reported", function()
        local code, _, err = run(mode, { command = exit_with(7),
          script = "function on_exit() return " .. value .. " end" })
        assert.are.equal(7, code)
        assert.matches("reaper-lua: on_exit: on_exit returned ", err, 1, true)
      end)
    end

    it("is not changed by an on_exit that raises, which is reported", function()
      local code, _, err = run(mode, { command = exit_with(7), script = "function on_exit() error 'oops' end" })
      assert.are.equal(7, code)
      assert.matches("on_exit: [^\n]*oops\n  stack traceback:", err)
    end)

    for name, body in pairs{
      ["computes without end"] = "while true do end",
      blocks = "os.execute('sleep 60')",
    } do
      it("is the default when on_exit " .. name .. ", and nothing is left behind", function()
        local code, _, err, seconds = run(mode, { command = exit_with(7), args = { "--hook-timeout", "0.2" },
          script = ("function on_exit() %s end"):format(body) })
        assert.are.equal(7, code)
        -- Either side may be the first to see it.
        assert.is_truthy(err:match("on_exit: [^\n]*computed for too long")
          or err:match("on_exit has not answered within 0%.2 s: taking the default"), err)
        assert.is_nil(err:match("host: left[^\n]*"))
        assert.is_true(seconds < 10 * container.slow)
      end)
    end
  end)
end)

describe("the script process at the stop", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is told why it began: main", function()
      local _, out = run(mode, { command = exit_with(0), script = "function on_stop(...) print('stop', ...) end" })
      assert.are.equal("stop\tmain\n", out)
    end)

    it("is told why it began: exit", function()
      local _, out = run(mode, { command = { helper, "hold" },
        script = "function on_stop(...) print('stop', ...) end function on_start() reaper.exit(0) end" })
      assert.are.equal("stop\texit\n", out)
    end)

    it("is told of it once, although main ends after an exit was asked for", function()
      local _, out = run(mode, { command = { helper, "signals" }, script = [[
        function on_stop(...) print('stop', ...) end
        function on_start() reaper.after(0.1, function() reaper.exit(0) end) end]] })
      assert.are.equal(1, select(2, out:gsub("stop\t", "")))
      assert.matches("got 15\n", out, 1, true)
    end)

    it("outlives the TERM and the KILL, and on_exit comes when nothing else is left", function()
      local code, out, err = run(mode, {
        args = { "-t", "0.2" }, command = { "/bin/sh", "-c", helper .. " daemon --ignore-term; exit 3" },
        script = [[
          function on_stop() print 'stop' end
          function on_reap(pid, status) print(tostring(status)) end
          function on_exit(code)
            local left = 0
            for _, process in ipairs(reaper.processes()) do
              if process.comm == 'spec-daemon' and process.state ~= 'Z' then left = left + 1 end
            end
            print('exit', code, 'daemons left', left)
            return 4
          end]],
      })
      assert.are.equal(4, code)
      assert.matches("stop\n.*signal SIGKILL\nexit\t3\tdaemons left\t0\n$", out)
      assert.is_nil(err:match("the script process ended"))
    end)

    it("may run children in on_stop, which are waited for", function()
      -- They are made after the TERM, so nothing but the end of the grace would cut them off.
      local code, out, err, seconds = run(mode, { command = exit_with(5),
        script = "function on_stop() reaper.sleep(0.05) print(os.execute('sleep 0.3; echo done; exit 3')) end" })
      assert.are.same({ 5, "done\nnil\texit\t3\n", "" }, { code, out, err })
      assert.is_true(seconds < 10 * container.slow)
    end)

    it("may run children in on_exit", function()
      local code, out, err = run(mode, { command = exit_with(5),
        script = "function on_exit() print(os.execute('echo bye; exit 3')) end" })
      assert.are.same({ 5, "bye\nnil\texit\t3\n", "" }, { code, out, err })
    end)

    it("has its children killed at the end of the grace, when they go on", function()
      local code, out, _, seconds = run(mode, { command = exit_with(5), args = { "-t", "0.3" },
        script = "function on_stop() reaper.sleep(0.05) print(os.execute('exec sleep 60')) end" })
      assert.are.equal(5, code)
      assert.are.equal("nil\tsignal\t9\n", out)
      assert.is_true(seconds < 10 * container.slow)
    end)

    it("has on_exit's code even though it was killed during the grace", function()
      local c = container.start{ mode = mode, args = { "-t", "2", "--hook-timeout", "5" }, command = { "/bin/sh", "-c",
        helper .. " daemon --ignore-term; exit 3" },
        script = "function on_stop() print 'stop' end function on_exit(code) return code + 1 end" }
      c:expect("stop\n")
      c:kill("KILL", c:find("reaper-script").pid)
      c:kill("TERM") -- the first of two
      assert.are.equal(4, c:wait(10))
    end)
  end)

  it("lets a script process deal with what it was told although hooks have no time to answer", function()
    local code, out = container.run{ args = { "--hook-timeout", "0" }, command = exit_with(5),
      script = "function on_stop() os.execute('exec sleep 0.05') print('cleaned up') end" }
    assert.are.equal(5, code)
    assert.are.equal("cleaned up\n", out)
  end)

  it("is told the signal that began it", function()
    for _, signal in ipairs{ "SIGTERM", "SIGINT", "SIGQUIT" } do
      local c = container.start{ script = "function on_stop(why) print(why) end function on_start() print 'up' end" }
      c:expect("up\n")
      c:kill(signal)
      assert.are.equal(0, c:wait(5))
      assert.are.equal("up\n" .. signal .. "\n", c:out())
    end
  end)
end)

describe("--leave-orphans", function()
  after_each(container.close_all)

  local command = { "/bin/sh", "-c", helper .. " daemon --log {folder}/log; exit 6" }

  for name, script in pairs{ ["without a script"] = false, ["with a script"] = "function on_exit() end" } do
    it("ends at once with the main child, " .. name, function()
      local c = container.start{ mode = "subreaper", args = { "--leave-orphans", "-t", "30" }, command = command,
        script = script or nil, report_left = true, wrap = { "/bin/sh", "-c", '"$@"; echo code $?; cat {folder}/log',
          "sh" } }
      c:expect("code 6\n")
      assert.matches("host: left %d+ [RSD] spec%-daemon\n", c:err())
      assert.is_nil(c:out():match("got"))
    end)
  end

  it("still stops what is left when TERM comes to a script without COMMAND", function()
    local c = container.start{ mode = "subreaper", args = { "--leave-orphans", "-t", "30" }, report_left = true,
      script = "function on_start() reaper.spawn{ '" .. helper .. "', 'signals' } end" }
    c:expect("ready\n")
    c:kill("TERM")
    assert.are.equal(0, c:wait(5))
    assert.are.equal("reaper-lua: warning: --leave-orphans has no effect without a command\n", c:err())
  end)
end)
