-- What a process object does: signals, waiting, stopping; reaper.run.

local container = require "spec.support.container"
local script = require "spec.support.script"

describe("process:kill", function()
  after_each(container.close_all)

  for _, signal in ipairs { "'USR1'", "'SIGUSR1'", "'usr1'", "10" } do
    it("sends " .. signal, function()
      assert.are.equal("true\nsignal SIGUSR1\n", script.printed(([[
        local p = reaper.spawn{ "sleep", "1000" }
        print(p:kill(%s))
        print((p:wait()))
      ]]):format(signal)))
    end)
  end

  it("sends real-time signals and, without an argument, TERM", function()
    assert.are.equal("signal SIGRTMIN+3\nsignal SIGTERM\n", script.printed([[
      local p = reaper.spawn{ "sleep", "1000" }
      p:kill("RTMIN+3")
      print((p:wait()))
      p = reaper.spawn{ "sleep", "1000" }
      p:kill()
      print((p:wait()))
    ]]))
  end)

  it("gives nil, message, 3 once it has ended, told or not", function()
    local out = script.printed([[
      local p = reaper.spawn{ "true" }
      while io.open("/proc/" .. p.pid .. "/stat") do end -- the engine has reaped it, and this script does not know yet
      print(p:kill("TERM"))
      p:wait()
      print(p:kill("KILL"))
    ]])
    assert.are.equal("nil\tthe process has ended\t3\nnil\tthe process has ended\t3\n", out)
  end)

  local wrong = {
    { "p:kill('TREM')", "bad argument 'signal' to 'process:kill' (\"TREM\" is not a signal; did you mean TERM?)" },
    { "p:kill(65)", "bad argument 'signal' to 'process:kill' (65 is not a signal" },
    { "p:kill(0)", "bad argument 'signal' to 'process:kill' (0 is not a signal)" },
    { "p:kill({})", "bad argument 'signal' to 'process:kill' (table" },
    { "p.kill('TERM')", "bad argument 'self' to 'process:kill' (a process expected; call it with a colon)" },
    { "p:wait('1')", "bad argument 'timeout' to 'process:wait' (a number of seconds expected, got string)" },
    { "p:wait(-1)", "bad argument 'timeout' to 'process:wait' (-1 is negative" },
    { "p:wait(0/0)", "bad argument 'timeout' to 'process:wait' (" },
    { "p:stop(3)", "bad argument 'options' to 'process:stop' (table expected, got number)" },
    { "p:stop{ signal = 'TREM' }", "bad argument 'signal' to 'process:stop' (\"TREM\" is not a signal" },
    { "p:stop{ grace = 'x' }", "bad argument 'grace' to 'process:stop' (a number of seconds expected, got string)" },
    { "p:stop{ grcae = 1 }", "unknown key 'grcae' in 'process:stop'; did you mean 'grace'?" },
    { "p.stdin:write(3)", "bad argument 'text' to 'write' (string expected, got number)" },
    { "reaper.run{ 'true', umask = 'x' }", "bad argument 'umask' to 'reaper.run' (an integer from 0 to 511" },
    { "reaper.run{ 'true', capture = 1 }", "bad argument 'capture' to 'reaper.run' (boolean expected, got number)" },
    { "reaper.run{ 'true', captur = true }", "unknown key 'captur' in 'reaper.run'; did you mean 'capture'?" },
    { "reaper.run{}", "bad argument '[1]' to 'reaper.run' (a command expected, got no value)" },
  }
  for _, row in ipairs(wrong) do
    it("and its kin raise for " .. row[1], function()
      local out = script.printed(([[
local p = reaper.spawn{ "sleep", "1000", stdin = "pipe" } local function f()
%s
end print(select(2, pcall(f)))]]):format(row[1]))
      assert.is_truthy(out:find("hooks.lua:2: " .. row[2], 1, true), out)
    end)
  end
end)

describe("process:alive", function()
  after_each(container.close_all)

  it("is true until it has ended", function()
    assert.are.equal("true\nfalse\nfalse\n", script.printed([[
      local p = reaper.spawn{ "sleep", "1000" }
      print(p:alive())
      os.execute("kill -9 " .. p.pid)
      while io.open("/proc/" .. p.pid .. "/stat") do end
      print(p:alive())
      p:wait()
      print(p:alive())
    ]]))
  end)
end)

describe("process:wait", function()
  after_each(container.close_all)

  it("gives status and rusage, again and again after the end", function()
    assert.are.equal("exit 4\tnumber\nexit 4\tnumber\nexit 4\tnumber\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "exit 4" }
      for _, timeout in ipairs{ 60, 0, 1 } do
        local status, rusage = p:wait(timeout)
        print(status, type(rusage.maxrss))
      end
    ]]))
  end)

  it("gives nil, \"timeout\" after the timeout, and not before", function()
    assert.are.equal("nil\ttimeout\ttrue\nnil\ttimeout\texit 0\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "read line", stdin = "pipe" }
      local begin = reaper.now()
      local status, why = p:wait(0.2)
      print(status, why, reaper.now() - begin >= 0.2)
      local none, again = p:wait(0)
      p.stdin:close()
      print(none, again, (reaper.run{ "true" }))
    ]]))
  end)

  it("serves several that wait, each with its own timeout", function()
    assert.are.equal("short\tnil\ttimeout\nlong\texit 3\ttable\nplain\texit 3\ttable\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "read line; exit 3", stdin = "pipe" }
      local left = 3
      local function waiter(name, timeout)
        reaper.after(0, function()
          local status, more = p:wait(timeout)
          print(name, status, type(more) == "table" and "table" or more)
          left = left - 1
        end)
      end
      waiter("long", 60)
      waiter("short", 0.05)
      waiter("plain")
      reaper.sleep(0.2)
      p.stdin:close()
      p:wait()
      repeat reaper.sleep(0.01) until left == 0
    ]]))
  end)

  it("lets other hooks run meanwhile", function()
    assert.are.equal("tick\nended\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "read line", stdin = "pipe" }
      reaper.after(0.05, function() print("tick") p.stdin:close() end)
      p:wait()
      print("ended")
    ]]))
  end)
end)

describe("process:stop", function()
  after_each(container.close_all)

  local DEAF = [[
    local p = reaper.spawn{ "sh", "-c", "trap 'echo got TERM' TERM; trap 'exit 9' USR1; echo ready; "
      .. "while :; do sleep 0.02; done", stdout = "pipe" }
    p.stdout:read()
  ]]

  it("sends TERM and gives the status", function()
    assert.are.equal("signal SIGTERM\ttable\n", script.printed([[
      local status, rusage = reaper.spawn{ "sleep", "1000" }:stop()
      print(status, type(rusage))
    ]]))
  end)

  it("sends the signal that is asked for", function()
    assert.are.equal("exit 9\n", script.printed(DEAF .. "print((p:stop{ signal = 'USR1' }))"))
  end)

  it("sends KILL after the grace, and not before", function()
    assert.are.equal("signal SIGKILL\ttrue\tgot TERM\n", script.printed(DEAF .. [[
      local begin = reaper.now()
      local status = p:stop{ grace = 1.5 }
      local took = reaper.now() - begin
      print(status, took >= 1.5 and took < 4.2, p.stdout:read())
    ]]))
  end)

  it("ends a stopped process, too", function()
    assert.are.equal("signal SIGTERM\n", script.printed([[
      local p = reaper.spawn{ "sleep", "1000" }
      p:kill("STOP")
      print((p:stop{ grace = 60 }))
    ]]))
  end)

  it("of one that has ended gives its status", function()
    assert.are.equal("exit 2\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "exit 2" }
      p:wait()
      print((p:stop()))
    ]]))
  end)
end)

describe("reaper.run", function()
  after_each(container.close_all)

  it("gives status and rusage", function()
    assert.are.equal("shown\nexit 6\ttable\tnil\n", script.printed([[
      local status, rusage, output = reaper.run{ "sh", "-c", "echo shown; exit 6" }
      print(status, type(rusage), output)
    ]]))
  end)

  it("captures stdout", function()
    assert.are.equal('exit 6\ttable\t"out\\\nno newline"\n', script.printed([[
      local status, rusage, output = reaper.run{ "sh", "-c", "echo out; printf 'no newline'; exit 6", capture = true }
      print(status, type(rusage), ("%q"):format(output))
    ]]))
  end)

  it("captures stderr with stderr = \"stdout\"", function()
    assert.are.equal("1\n2\n\n", script.printed([[
      print((select(3, reaper.run{ "sh", "-c", "echo 1; echo 2 >&2", capture = true, stderr = "stdout" })))
    ]]))
  end)

  it("gives an empty string for nothing, and nil, message, errno when it cannot start", function()
    assert.are.equal("0\nnil\t2\nnil\t2\n", script.printed([[
      print(#select(3, reaper.run{ "true", capture = true }))
      for _, capture in ipairs{ true, false } do
        local status, message, errno = reaper.run{ "nonexistent", capture = capture }
        assert(message:find("nonexistent"))
        print(status, errno)
      end
    ]]))
  end)
end)
