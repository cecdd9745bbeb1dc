-- The functions of `reaper` in a Lua program: what works before reaper.start, what after it, in the main chunk and in
-- hooks, and how the events get there.

local container = require "spec.support.container"
local program = require "spec.support.program"

local helper = container.helper

-- A program's first lines: reaper has been started with these keys, and `helper` is known.
local function started(config)
  return ('local reaper = require "reaper"\nlocal helper = %q\n'
    .. 'assert(reaper.start { enable_child_subreaper = true, %s })\n'):format(helper, config or "")
end

-- What such a program prints that goes on with `body`.
local function printed(mode, body, config)
  return program.printed(started(config) .. body, { mode = mode })
end

describe("a program that has not called reaper.start", function()
  after_each(container.close_all)

  local NEEDS_ENGINE = [[
    local reaper = require "reaper"
    local arguments = { spawn = { { "true" } }, run = { { "true" } }, configure = { { grace = 1 } }, poll = { 0 } }
    for _, name in ipairs { "spawn", "run", "exit", "stats", "configure", "poll", "loop", "fd", "statuses" } do
      local ok, message = pcall(function() reaper[name](table.unpack(arguments[name] or {})) end)
      print(name, ok, (message:gsub("^.*/", "")))
    end
  ]]

  container.each_mode(function(mode)
    it("is told to by what needs the engine", function()
      local expected = {}
      for _, name in ipairs { "spawn", "run", "exit", "stats", "configure", "poll", "loop", "fd", "statuses" } do
        expected[#expected + 1] = ("%s\tfalse\thooks.lua:4: reaper.%s: there is no engine; call reaper.start first\n")
          :format(name, name)
      end
      assert.same(table.concat(expected), program.printed(NEEDS_ENGINE, { mode = mode }))
    end)

    it("can sleep, and its timers run meanwhile", function()
      assert.same("every\nevery\nafter\tfalse\ntrue\n", program.printed([[
        local reaper = require "reaper"
        local begin, count, done, timer = reaper.now(), 0
        timer = reaper.every(0.02, function()
          count = count + 1
          print("every")
          if count == 2 then
            timer:cancel()
            reaper.after(0.05, function() print("after", timer:cancel()) done = true end)
          end
        end)
        reaper.after(0.05, function() print("never") end):cancel()
        repeat reaper.sleep(0.1) until done
        print(reaper.now() - begin >= 0.1)
      ]], { mode = mode }))
    end)

    it("can log, listen, look at processes and know the version", function()
      local code, out, err = program.run([[
        local reaper = require "reaper"
        reaper.log("warning", "careful", { n = 1 })
        assert(type(reaper.on("on_reap", print)) == "function")
        print(#reaper.children(), reaper.main, reaper.version:match("^%d+%.%d+%.%d+$") ~= nil)
        local mine = {}
        for _, process in ipairs(reaper.processes()) do
          mine[#mine + 1] = process.comm:match("^lua") and process.ppid
        end
        print(#mine, math.type(mine[1]))
      ]], { mode = mode })
      assert.same({ 0, "0\tnil\ttrue\n1\tinteger\n", "reaper-lua: warning: careful n=1\n" }, { code, out, err })
    end)

    it("hears after it what a listener was put there for before it", function()
      assert.same("exit 4\n", program.printed([[
        local reaper = require "reaper"
        reaper.on("on_reap", function(_, status) print(status) end)
        assert(reaper.start { enable_child_subreaper = true })
        reaper.run { "sh", "-c", "exit 4" }
        reaper.sleep(0)
      ]], { mode = mode }))
    end)

    it("keeps a timer that was made before it", function()
      assert.same("late\n", program.printed([[
        local reaper = require "reaper"
        reaper.after(0.1, function() print("late") end)
        assert(reaper.start { enable_child_subreaper = true })
        reaper.sleep(0.3)
      ]], { mode = mode }))
    end)

    it("has no reload, neither before nor after it", function()
      local text = [[print((select(2, pcall(function() reaper.reload() end)):gsub("^.*/", "")))]]
      local message = "hooks.lua:%d: reaper.reload: a program is not loaded anew, only a script of reaper-lua is\n"
      assert.same(message:format(2) .. message:format(4), program.printed(
        ('local reaper = require "reaper"\n%s\nassert(reaper.start { enable_child_subreaper = true })\n%s')
        :format(text, text), { mode = mode }))
    end)
  end)
end)

describe("reaper.wait4 in a program", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("tells exits, signals, stops and continuations of its own children, and when there is nothing", function()
      local out = program.printed([[
        local reaper = require "reaper"
        local pipes = {} -- one that is collected waits for its process
        local function child(command)
          pipes[#pipes + 1] = io.popen("echo $$; " .. command)
          return pipes[#pipes]:read("n")
        end
        print("none", reaper.wait4())
        print("none", reaper.wait4(-1, reaper.WNOHANG))
        local pid = child("exit 3")
        local got, status, rusage = reaper.wait4(pid)
        print("exit", got == pid, status, status.kind, status.code, math.type(rusage.maxrss))
        pid = child("kill -9 $$")
        got, status = reaper.wait4(pid, reaper.__WALL)
        print("signal", got == pid, status, status.exit_code)
        pid = child("exec sleep 1000")
        print("alive", reaper.wait4(pid, reaper.WNOHANG))
        os.execute("kill -STOP " .. pid)
        got, status = reaper.wait4(pid, reaper.WUNTRACED)
        print("stop", got == pid, status, status.kind, status.signal)
        os.execute("kill -CONT " .. pid)
        got, status = reaper.wait4(pid, reaper.WCONTINUED)
        print("continue", got == pid, status, status.kind, status.signal)
        os.execute("kill -TERM " .. pid)
        got, status = reaper.wait4(-1)
        print("any", got == pid, status)
      ]], { mode = mode })
      assert.same("none\tnil\twait4: No child processes\t10\n" .. "none\tnil\twait4: No child processes\t10\n"
        .. "exit\ttrue\texit 3\texit\t3\tinteger\n" .. "signal\ttrue\tsignal SIGKILL\t137\n" .. "alive\t0\n"
        .. "stop\ttrue\tstop SIGSTOP\tstop\tSIGSTOP\n" .. "continue\ttrue\tcontinue SIGCONT\tcontinue\tSIGCONT\n"
        .. "any\ttrue\tsignal SIGTERM\n", out)
    end)
  end)

  it("has the constants of wait4(2)", function()
    assert.same("1\t2\t8\t40000000\t80000000\t20000000\n", program.printed([[
      local reaper = require "reaper"
      print(("%d\t%d\t%d\t%x\t%x\t%x"):format(reaper.WNOHANG, reaper.WUNTRACED, reaper.WCONTINUED, reaper.__WALL,
        reaper.__WCLONE, reaper.__WNOTHREAD))
    ]]))
  end)

  container.each_mode(function(mode)
    it("is for the program's own children, not those of the engine", function()
      assert.same("nil\twait4: No child processes\t10\nexit 5\n", printed(mode, [[
        local p = reaper.spawn { "sh", "-c", "exit 5" }
        print(reaper.wait4(p.pid))
        print((p:wait()))
      ]]))
    end)
  end)

  for call, message in pairs {
    ["reaper.wait4('1')"] = "bad argument 'pid' to 'reaper.wait4' (an integer from -2147483648 to 2147483647 expected, "
      .. "got string)",
    ["reaper.wait4(1.5)"] = "bad argument 'pid' to 'reaper.wait4' (an integer",
    ["reaper.wait4(-1, 'WNOHANG')"] = "bad argument 'options' to 'reaper.wait4' (an integer from 0 to 4294967295 "
      .. "expected, got string)",
    ["reaper.set_child_subreaper()"] = "bad argument 'on' to 'reaper.set_child_subreaper' (boolean expected, "
      .. "got no value)",
    ["reaper.set_child_subreaper(1)"] = "bad argument 'on' to 'reaper.set_child_subreaper' (boolean expected, "
      .. "got number)",
  } do
    it("and reaper.set_child_subreaper raise for wrong arguments: " .. call, function()
      local out = program.printed(('local reaper = require "reaper"\nprint(select(2, pcall(function() %s end)))')
        :format(call))
      assert.is_truthy(out:find("hooks.lua:2: " .. message, 1, true), out)
    end)
  end
end)

describe("reaper.set_child_subreaper", function()
  after_each(container.close_all)

  it("lets a program adopt its orphans, or no longer, without an engine", function()
    -- In this mode the program is not process 1, so that its orphans go there otherwise.
    local out = program.printed([[
      local reaper = require "reaper"
      local function stat(pid)
        local file = io.open("/proc/" .. pid .. "/stat")
        return file and file:read("a")
      end
      local me = math.tointeger(stat("self"):match("^%d+"))
      local function adopter()
        local pipe = io.popen("(sleep 1000 >/dev/null & echo $!)")
        local pid = pipe:read("n")
        pipe:close() -- its parent has ended now
        return math.tointeger(stat(pid):match("%) %a (%d+)")), pid
      end
      print(adopter() == 1)
      print(reaper.set_child_subreaper(true))
      local parent, orphan = adopter()
      print(parent == me)
      os.execute("kill " .. orphan)
      print((select(2, reaper.wait4(orphan))))
      print(reaper.set_child_subreaper(false))
      print(adopter() == 1)
    ]], { mode = "subreaper" })
    assert.same("true\ntrue\ntrue\nsignal SIGTERM\ntrue\ntrue\n", out)
  end)
end)

describe("a program that has called reaper.start", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("spawns, waits, signals and stops in its main chunk", function()
      assert.same("named\ttrue\nexit 3\tnumber\nnil\ttimeout\ntrue\nsignal SIGUSR1\nfalse\tnil\t3\n"
        .. "signal SIGTERM\nsignal SIGKILL\n", printed(mode, [[
        local p = reaper.spawn { "sh", "-c", "exit 3", name = "named" }
        print(p.name, math.type(p.pid) == "integer")
        local status, rusage = p:wait()
        print(status, type(rusage.utime))
        p = reaper.spawn { "sleep", "1000" }
        print(p:wait(0.05))
        print(p:kill("USR1"))
        print((p:wait()))
        print(p:alive(), (p:kill()), (select(3, p:kill())))
        print((reaper.spawn { "sleep", "1000" }:stop()))
        local deaf = reaper.spawn { helper, "signals", "--exit-on", "KILL", stdout = "pipe" }
        assert(deaf.stdout:read() == "ready")
        print((deaf:stop { grace = 0.05 }))
      ]]))
    end)

    it("spawns, waits, signals and stops in hooks and timers", function()
      assert.same("after\texit 3\tsignal SIGUSR1\tsignal SIGTERM\nexit 3\tcaptured\n", printed(mode, [[
        reaper.after(0, function()
          local first = reaper.spawn { "sh", "-c", "exit 3" }:wait()
          local p = reaper.spawn { "sleep", "1000" }
          p:kill("USR1")
          print("after", first, p:wait(), (reaper.spawn { "sleep", "1000" }:stop()))
        end)
        local done
        reaper.on("on_reap", function(_, status)
          if status.signal == "SIGTERM" then
            local again, _, output = reaper.run { "sh", "-c", "echo captured; exit 3", capture = true }
            print(again, (output:gsub("\n", "")))
            done = true
          end
        end)
        while not done do reaper.poll(1) end
      ]]))
    end)

    it("has the keys of reaper.spawn, and nil, message, errno when a command cannot be run", function()
      assert.same('nil\tcannot run "/does/not/exist": No such file or directory\t2\n/tmp x 0027\nexit 4\tout,err,\n',
        printed(mode, [[
        print(reaper.spawn { "/does/not/exist" })
        reaper.run { "sh", "-c", "echo $(pwd) $A $(umask)", cwd = "/tmp", umask = 23, env = { A = "x" } }
        local status, _, output = reaper.run { "sh", "-c", "echo out; echo err >&2; exit 4", stderr = "stdout",
          capture = true }
        print(status, (output:gsub("\n", ",")))
      ]]))
    end)

    it("reads and writes the pipes of a child in its main chunk, and in functions for each line", function()
      assert.same("one\ntwo\nnil\nEOF\texit 0\nline\tA\nline\tB\nerror line\tC\n", printed(mode, [[
        local p = reaper.spawn { "sh", "-c", "cat; echo EOF", stdin = "pipe", stdout = "pipe" }
        print(p.stdin:write("one\n") and p.stdout:read())
        p.stdin:write("two\n")
        print(p.stdout:read())
        reaper.after(0.05, function() p.stdin:close() end)
        local rest = p.stdout:read()
        print(p.stdout:read())
        print(rest, (p:wait()))
        local count, more = 0
        p = reaper.spawn { "sh", "-c", "echo A; echo B; exec >&-; echo C >&2", stdout = function(line)
          reaper.sleep(0.01)
          print("line", line)
          count = count + 1
        end, stderr = function(line)
          repeat reaper.sleep(0.01) until count == 2
          print("error line", line)
          more = true
        end }
        p:wait()
        repeat reaper.sleep(0.01) until more
      ]]))
    end)

    it("lets hooks and timers run while its main chunk sleeps or waits", function()
      assert.same("tick\nreaped\texit 7\nslept\ntick\nreaped\texit 6\nended\n", printed(mode, [[
        local reaped
        reaper.after(0.02, function() print("tick") os.execute("(exit 7) &") end)
        reaper.on("on_reap", function(_, status) print("reaped", status) reaped = true end)
        repeat reaper.sleep(0.2) until reaped
        print("slept")
        local p = reaper.spawn { "sh", "-c", "read line; exit 6", stdin = "pipe" }
        reaper.after(0.02, function() print("tick") p.stdin:close() end)
        p:wait()
        print("ended")
      ]]))
    end)

    it("may wait in hooks while it waits itself, each for its own", function()
      assert.same("short\texit 1\nmiddle\texit 2\nmain\texit 3\n", printed(mode, [[
        local p = reaper.spawn { "sh", "-c", "read line; exit 3", stdin = "pipe" }
        reaper.after(0, function()
          local q = reaper.spawn { "sh", "-c", "read line; exit 2", stdin = "pipe" }
          reaper.after(0, function()
            print("short", (reaper.run { "sh", "-c", "exit 1" }))
            q.stdin:close()
          end)
          print("middle", (q:wait()))
          p.stdin:close()
        end)
        print("main", (p:wait()))
      ]]))
    end)

    it("may wait in a coroutine of its own outside of hooks, but not in hooks", function()
      assert.same("exit 3\tback\nfalse\thooks.lua:11: reaper.sleep waits, so it can be called in hooks, timers and "
        .. "the script itself, but not in a coroutine of your own\n", printed(mode, [[
        local co = coroutine.wrap(function()
          reaper.sleep(0.01)
          print((reaper.run { "sh", "-c", "exit 3" }), coroutine.yield())
        end)
        co()
        co("back")
        reaper.after(0, function()
          print(coroutine.wrap(function() return pcall(function() reaper.sleep(0) end) end)())
        end)
        local print_ = print
        function print(ok, text) print_(ok, (text:gsub("^.*/", ""))) end
        reaper.sleep(0.05)
      ]]))
    end)

    it("has timers that fire once, again and again, and not after a cancel", function()
      assert.same("once\nevery 1\nevery 2\ntrue\tfalse\nfalse\n", printed(mode, [[
        reaper.after(0.01, function() print("once") end)
        local never = reaper.after(0.02, function() print("never") end)
        local count, timer = 0
        timer = reaper.every(0.1, function()
          count = count + 1
          print("every " .. count)
          if count == 2 then
            print(timer:cancel(), timer:cancel())
          end
        end)
        never:cancel()
        repeat reaper.sleep(0.2) until count == 2
        print(never:cancel())
      ]]))
    end)

    it("counts what happened, and knows its children and all processes", function()
      assert.same("0\t3\t2\t0\t0\ttrue\ttrue\na\tb\nreaper-lua\ntrue\ttrue\ntrue\n", printed(mode, [[
        reaper.run { "true" }
        os.execute(helper .. " orphans 2 >/dev/null")
        repeat local stats = reaper.stats() until stats.orphans == 2
        local stats = reaper.stats()
        print(#reaper.children(), stats.reaped, stats.orphans, stats.dropped, stats.script_restarts,
          stats.zombies_peak >= 1, stats.uptime > 0 and stats.uptime < 60)
        local b = reaper.spawn { "sleep", "1000", name = "a" }
        reaper.spawn { "sleep", "1000", name = "b" }
        print(reaper.children()[1].name, reaper.children()[2].name)
        local by_pid = {}
        for _, process in ipairs(reaper.processes()) do
          by_pid[process.pid] = process
        end
        local engine = by_pid[by_pid[b.pid].ppid]
        print(engine.comm)
        local me = io.open("/proc/self/stat"):read("n")
        print(by_pid[me].ppid == engine.pid, by_pid[me].pgrp == me)
        print(reaper.main == nil)
      ]]))
    end)

    it("hears of its start in on_start, with its own pid", function()
      assert.same("true\tnil\n", printed(mode, "reaper.poll(10)",
        "on_start = function(pid, again) print(pid == io.open('/proc/self/stat'):read('n'), again) end"))
    end)

    it("hears of each death, with what is known of it when it wants that", function()
      assert.same("exit 4\tshort\tsh\tfalse\ttrue\nexit 5\tnil\tspec-orphan\ttrue\ttrue\n", printed(mode, [[
        local left = 2
        reaper.on("on_reap", function(_, status, rusage, info)
          print(status, info.name, info.comm, info.orphan, info.lifetime >= 0 and rusage.maxrss >= 0 and not info.main)
          left = left - 1
        end)
        reaper.run { "sh", "-c", "exit 4", name = "short" }
        os.execute(helper .. " orphans 1 --code 5 >/dev/null")
        while left > 0 do reaper.poll(1) end
      ]]))
    end)

    it("hears no more of what it has taken its listener away from", function()
      assert.same("1\nother\t1\nother\t2\n", printed(mode, [[
        local remove = reaper.on("on_reap", function(_, status) print(status.code) end)
        reaper.on("on_reap", function(_, status) print("other", status.code) end)
        reaper.run { "sh", "-c", "exit 1" }
        reaper.sleep(0)
        remove()
        reaper.run { "sh", "-c", "exit 2" }
        reaper.sleep(0)
      ]]))
    end)

    it("decides what becomes of a signal", function()
      local c = program.start(started "hook_timeout = 60" .. [[
        reaper.on("on_signal", function(name, number)
          print(name, number)
          return name ~= "SIGUSR1" and "TERM" or false
        end)
        reaper.stats() -- answered when the hook is known
        print("ready")
        reaper.loop()
      ]], { mode = mode })
      c:expect("ready\n")
      c:kill("USR1")
      c:expect("SIGUSR1\t10\n")
      c:kill("HUP")
      assert.same(128 + 15, c:wait())
      assert.same({ "ready\nSIGUSR1\t10\nSIGHUP\t1\n", "" }, { c:out(), c:err() })
    end)
  end)
end)

describe("an error in a hook or timer of a program", function()
  after_each(container.close_all)

  local FAILS = [[
    local function deep() error("oops") end
    reaper.after(0, function() deep() end)
    reaper.sleep(0.05)
    print("goes on", reaper.poll())
  ]]

  container.each_mode(function(mode)
    it("is printed with the program's own frames, and the program goes on", function()
      local code, out, err = program.run(started() .. FAILS, { mode = mode })
      assert.same({ 0, "goes on\t0\n" }, { code, out })
      assert.matches("^reaper%-lua: after: [^\n]*hooks.lua:4: oops\n  stack traceback:\n"
        .. "    %[C%]: in function 'error'\n    [^\n]*hooks.lua:4: in [^\n]*\n    [^\n]*hooks.lua:5: in [^\n]*\n$", err)
    end)

    it("goes to on_error instead", function()
      local code, out, err = program.run(started("on_error = function(message, hook) "
        .. "print(hook, (message:gsub('^.*/', ''))) end") .. FAILS, { mode = mode })
      assert.same({ 0, "after\thooks.lua:4: oops\ngoes on\t0\n", "" }, { code, out, err })
    end)

    for hook, body in pairs {
      on_start = "reaper.sleep(0.05)",
      on_reap = "reaper.run { 'true' } reaper.sleep(0.05)",
      every = "local t t = reaper.every(0.01, function() t:cancel() error('oops') end) reaper.sleep(0.1)",
      stdout = "reaper.run { 'echo', stdout = function() error('oops') end } reaper.sleep(0.05)",
    } do
      it("has its name: " .. hook, function()
        local key = hook:match("^on_") and hook .. " = function() error('oops') end" or ""
        local code, out, err = program.run(started(key) .. body, { mode = mode })
        assert.same({ 0, "" }, { code, out })
        assert.matches("^reaper%-lua: " .. hook .. ": [^\n]*hooks.lua:%d+: oops\n  stack traceback:\n", err)
      end)
    end
  end)
end)

describe("an error that passes through reaper.poll", function()
  after_each(container.close_all)

  it("from a debug hook, at any place, loses nothing", function()
    local out = printed("subreaper", [[
      local main = coroutine.running()
      local at, raised = 0, 0
      repeat
        at = at + 1
        local fired = false
        reaper.after(0, function() fired = true end)
        local p = reaper.spawn { "true" }
        while p:alive() do end
        reaper.stats() -- its death has been told, and waits to be read
        local whole = pcall(function()
          debug.sethook(main, function()
            debug.sethook(main)
            error("interrupted")
          end, "", at)
          reaper.poll()
          debug.sethook(main)
        end)
        raised = raised + (whole and 0 or 1)
        assert(p:wait(10), "lost the status at instruction " .. at)
        reaper.sleep(0)
        assert(fired, "lost the timer at instruction " .. at)
      until whole
      print(raised > 20, raised == at - 1)
    ]])
    assert.same("true\ttrue\n", out)
  end)

  -- The hook is the one that lua(1) sets in its handler: here after the last instruction of the main thread, and before
  -- the wait of the kernel.
  it("from a Ctrl-C of lua5.4 comes also when that is the moment before the wait", function()
    assert.same("false\tinterrupted!\n", (printed("init", [[
      reaper.poll(10)
      local core = require "reaper.core"
      local poll, main = core.poll, coroutine.running()
      function core.poll(...)
        debug.sethook(main, function() debug.sethook(main) error("interrupted!", 0) end, "crl", 1)
        return poll(...)
      end
      print(pcall(function() while true do reaper.poll(1000) end end))
    ]])))
  end)

  it("from a Ctrl-C is not waited for in a coroutine of one's own, and does not make it spin", function()
    local out = printed("init", [[
      reaper.poll(10)
      local main, fired = coroutine.running(), false
      coroutine.wrap(function()
        debug.sethook(main, function() debug.sethook(main) fired = true end, "crl", 1)
        local before, begin = os.clock(), reaper.now()
        print(reaper.poll(0.3), reaper.now() - begin >= 0.3, os.clock() - before < 0.2, fired)
      end)()
      print(fired)
    ]])
    assert.same("0\ttrue\ttrue\tfalse\ntrue\n", out)
  end)

  container.each_mode(function(mode)
    it("from a Ctrl-C of lua5.4 does not break later ones", function()
      local c = program.start(started() .. [[
        reaper.after(0, function() print("ready") end)
        local ok, message = pcall(function()
          while true do reaper.poll(60) end
        end)
        print(ok, (message:gsub("^.*: ", "")))
        local hooked
        reaper.after(0, function() hooked = reaper.run { "sh", "-c", "exit 3" } end)
        local main = reaper.run { "sh", "-c", "sleep 0.1; exit 4" }
        while not hooked do reaper.poll(60) end
        print("hook", hooked)
        print("main", main)
      ]], { mode = mode })
      c:expect("ready\n")
      c:kill("INT")
      assert.same(0, c:wait())
      assert.same({ "ready\nfalse\tinterrupted!\nhook\texit 3\nmain\texit 4\n", "" }, { c:out(), c:err() })
    end)
  end)
end)

describe("reaper.poll", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("gives how many things there were, and does not wait without a timeout", function()
      -- The first is the start.
      assert.same("1\t0\ttrue\n2\n1\t0\n", printed(mode, [[
        local first, least = reaper.poll(10), math.huge
        for _ = 1, 5 do
          local begin = reaper.now()
          reaper.poll()
          least = math.min(least, reaper.now() - begin)
        end
        print(first, reaper.poll(), least < 0.1)
        reaper.after(0, function() end)
        reaper.after(0, function() end)
        print(reaper.poll())
        reaper.on("on_reap", function() end)
        os.execute("(exit 3) &")
        print(reaper.poll(10), reaper.poll())
      ]]))
    end)

    it("waits at most so long, and no longer than until something happens", function()
      assert.same("0\ttrue\n1\ttrue\n1\n1\n", printed(mode, [[
        reaper.poll(10)
        local begin = reaper.now()
        print(reaper.poll(0.2), reaper.now() - begin >= 0.2)
        begin = reaper.now()
        reaper.after(0.05, function() end)
        local count = reaper.poll(1000)
        print(count, reaper.now() - begin >= 0.05 and reaper.now() - begin < 100)
        reaper.on("on_reap", function() end)
        os.execute("(sleep 0.05; exit 3) &")
        print(reaper.poll(math.huge))
        reaper.spawn { "sh", "-c", "sleep 0.05; echo; sleep 1000", stdout = function() end }
        print(reaper.poll(1000))
      ]]))
    end)

    for _, call in ipairs { "reaper.poll", "reaper.loop" } do
      it(("and its kin raise in hooks and timers: %s"):format(call), function()
        local message = ("false\thooks.lua:5: %s cannot be called in a hook or timer, which it has called itself; to "
          .. "wait, use reaper.sleep\n"):format(call)
        assert.same(message:rep(3), printed(mode, ([[
          local function try()
            local ok, message = pcall(function() %s() end)
            print(ok, (message:gsub("^.*/", "")))
          end
          reaper.after(0, try)
          reaper.after(0, function() coroutine.wrap(try)() end)
          reaper.on("on_reap", function() reaper.sleep(0.01) try() end)
          reaper.run { "true" }
          reaper.sleep(0.1)
        ]]):format(call)))
      end)
    end
  end)

  for call, message in pairs {
    ["reaper.poll('1')"] = "bad argument 'timeout' to 'reaper.poll' (a number of seconds expected, got string)",
    ["reaper.poll(-1)"] = "bad argument 'timeout' to 'reaper.poll' (-1 is negative or no number of seconds)",
    ["reaper.poll(0/0)"] = "bad argument 'timeout' to 'reaper.poll' (",
    ["reaper.statuses('1')"] = "bad argument 'timeout' to 'reaper.statuses' (a number of seconds expected, got string)",
    ["reaper.exit(256)"] = "bad argument 'code' to 'reaper.exit' (an integer from 0 to 255 expected, got 256)",
    ["reaper.exit('1')"] = "bad argument 'code' to 'reaper.exit' (an integer from 0 to 255 expected, got string)",
    ["reaper.sleep(-1)"] = "bad argument 'seconds' to 'reaper.sleep' (-1 is negative",
    ["reaper.sleep(math.huge)"] = "bad argument 'seconds' to 'reaper.sleep' (inf",
    ["reaper.after(1)"] = "bad argument 'f' to 'reaper.after' (function expected, got no value)",
    ["reaper.every(0, print)"] = "bad argument 'seconds' to 'reaper.every' (more than 0 expected)",
    ["reaper.on('on_raep', print)"] = "bad argument 'hook' to 'reaper.on' (there is no hook 'on_raep'; did you mean "
      .. "'on_reap'?)",
    ["reaper.log('warn', 'x')"] = "bad argument 'level' to 'reaper.log' ('warn' is none of error, warning,",
    ["reaper.spawn{ 'true', nmae = 'x' }"] = "unknown key 'nmae' in 'reaper.spawn'; did you mean 'name'?",
    ["reaper.run{}"] = "bad argument '[1]' to 'reaper.run' (a command expected, got no value)",
  } do
    it("and its kin raise for wrong arguments where they are called: " .. call, function()
      local out = printed("subreaper", ("print(select(2, pcall(function() %s end)))"):format(call))
      assert.is_truthy(out:find("hooks.lua:4: " .. message, 1, true), out)
    end)
  end
end)

-- readable(): whether the descriptor is readable now. It does not call reaper.poll.
local READABLE = [[
  local uv = require "luv"
  local fd = assert(reaper.fd())
  local function readable()
    local seen, handle = false, uv.new_poll(fd)
    handle:start("r", function() seen = true end)
    uv.run("nowait")
    handle:close()
    uv.run("nowait")
    return seen
  end
  local function becomes_readable()
    local begin = reaper.now()
    repeat local seen = readable() until seen or reaper.now() - begin > 20
    return readable()
  end
]]

describe("the descriptor of reaper.fd", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is the same each time, and readable until the start has been polled", function()
      assert.same("true\ttrue\ttrue\n1\tfalse\n", printed(mode, READABLE .. [[
        print(math.type(fd) == "integer", fd == reaper.fd(), becomes_readable())
        print(reaper.poll(), readable())
      ]]))
    end)

    it("is readable when there are events, and not after a poll", function()
      assert.same("false\ttrue\t1\tfalse\n", printed(mode, READABLE .. [[
        reaper.poll(10)
        reaper.on("on_reap", function() end)
        local before = readable()
        os.execute("(exit 3) &")
        print(before, becomes_readable(), reaper.poll(), readable())
      ]]))
    end)

    it("is readable when a request has read events beside its answer", function()
      assert.same("true\t1\tfalse\n", printed(mode, READABLE .. [[
        reaper.poll(10)
        reaper.on("on_reap", function() end)
        os.execute("(exit 3) &")
        repeat until reaper.stats().orphans == 1
        reaper.stats() -- the death stood before this answer
        print(readable(), reaper.poll(), readable())
      ]]))
    end)

    it("is readable when a timer is due, and not before", function()
      assert.same("false\tfalse\tfired\tfired\t2\tfalse\n", printed(mode, READABLE .. [[
        reaper.poll(10)
        local fired, count, begin = {}, 0, reaper.now()
        reaper.after(1000, function() end)
        reaper.after(0.2, function() fired[#fired + 1] = "fired" end)
        local early = readable() and reaper.now() - begin < 0.2
        reaper.after(0.1, function() fired[#fired + 1] = "fired" end)
        local again = readable() and reaper.now() - begin < 0.1
        repeat
          assert(becomes_readable() and reaper.now() - begin >= 0.1 * (#fired + 1))
          count = count + reaper.poll()
        until #fired == 2
        print(early, again, fired[1], fired[2], count, readable())
      ]]))
    end)

    it("is readable when a hook's sleep is over, or the time of a wait", function()
      assert.same("slept\nnil\ttimeout\nfalse\n", printed(mode, READABLE .. [[
        reaper.poll(10)
        local p = reaper.spawn { "sleep", "1000" }
        local done = 0
        reaper.after(0, function() reaper.sleep(0.05) print("slept") done = done + 1 end)
        reaper.after(0, function() print(p:wait(0.1)) done = done + 1 end)
        while done < 2 do
          assert(becomes_readable())
          reaper.poll()
        end
        print(readable())
      ]]))
    end)

    it("is not readable for the sake of a timer that was cancelled", function()
      assert.same("false\tfalse\n", printed(mode, READABLE .. [[
        reaper.poll(10)
        local begin = reaper.now()
        local timer = reaper.after(0.2, function() end)
        local before = readable() and reaper.now() - begin < 0.2
        timer:cancel()
        while reaper.now() - begin < 0.3 do end
        print(before, readable())
      ]]))
    end)

    it("is readable when a child has written, as long as somebody reads it", function()
      assert.same("false\ttrue\nline\tone\nfalse\ntrue\nfalse\n", printed(mode, READABLE .. [[
        reaper.poll(10)
        local p = reaper.spawn { "sh", "-c", "read line; echo $line; read line", stdin = "pipe",
          stdout = function(line) print("line", line) end }
        local before = readable()
        p.stdin:write("one\n")
        print(before, becomes_readable())
        while readable() do reaper.poll() end
        print(readable())
        p.stdin:close()
        print(becomes_readable())
        p:wait()
        while readable() do reaper.poll() end
        print(readable())
      ]]))
    end)

    it("is readable when the engine has gone, until reaper.poll has said so", function()
      local code, out, err = program.run(started() .. READABLE .. [[
        reaper.poll(10)
        reaper.exit(3)
        print(becomes_readable())
        print(reaper.poll(10))
        print(readable(), reaper.poll())
      ]], { mode = mode })
      assert.same({ 3, "true\nnil\tthe engine has gone\nfalse\tnil\tthe engine has gone\n", "" }, { code, out, err })
    end)
  end)
end)
