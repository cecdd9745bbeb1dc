-- What a program that calls reaper.start can count on: its exit code, its signals, its surroundings.

local uv = require "luv"
local container = require "spec.support.container"
local program = require "spec.support.program"
local received = require "spec.support.received"

local helper = container.helper
local LONG = 30 -- a grace that no spec waits for: what ends well before it did not wait for its end

-- A program that has started the engine with these keys.
local function started(keys, body)
  return ('local reaper = require "reaper"\nassert(reaper.start { enable_child_subreaper = true, %s })\n%s')
    :format(keys, body)
end

-- Starts one that prints "up" when it is as far as that.
local function start(mode, keys, body, more)
  local options = { mode = mode }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  local c = program.start("io.stdout:setvbuf('line')\n" .. started(keys, body), options)
  c:expect("up\n")
  return c
end

local function program_of(c)
  for _, process in ipairs(c:children_of(c.nspid)) do
    if process.comm == "lua5.4" then
      return process
    end
  end
  error "the program has ended"
end

-- The core file of a program that is killed by a signal would lie about.
local NO_CORE = { "/bin/sh", "-c", 'ulimit -c 0; exec "$@"', "sh" }

local POLLING = "print 'up' while true do reaper.poll(1) end"
local BLOCKING = "print 'up' io.read()"

describe("the exit code of the container", function()
  after_each(container.close_all)

  local ends = {
    { "42 after os.exit(42)", "os.exit(42)", 42 },
    { "7 after os.exit(7, true), which closes the Lua state", "os.exit(7, true)", 7 },
    { "1 after os.exit(false)", "os.exit(false)", 1 },
    { "0 when the program comes to its end", "", 0 },
    { "0 when the chunk returns something", "return 5", 0 },
    { "1 after an error at top level", "error 'so there'", 1, "so there\nstack traceback" },
    { "139 when the program is killed by SEGV", "os.execute('kill -SEGV $PPID') io.read()", 139 },
    { "137 when the program is killed by KILL", "os.execute('kill -KILL $PPID') io.read()", 137 },
    { "9 after os.exit(9) in on_reap", "os.execute '(exit 3) &' while true do reaper.poll(1) end", 9, nil,
      "on_reap = function() os.exit(9) end" },
    { "9 after os.exit(9, true) in on_reap", "os.execute '(exit 3) &' reaper.loop()", 9, nil,
      "on_reap = function() os.exit(9, true) end" },
    { "9 after os.exit(9) in a hook that has waited", "os.execute '(exit 3) &' reaper.loop()", 9, nil,
      "on_reap = function() reaper.sleep(0.01) os.exit(9) end" },
    { "9 after os.exit(9) in a timer", "reaper.after(0.01, function() os.exit(9) end) reaper.sleep(100)", 9 },
    { "0 after an error in a hook, which is reported", "os.execute '(exit 3) &' while not seen do reaper.poll(1) end",
      0, "on_reap: [^\n]*a bad hook\n  stack traceback", "on_reap = function() seen = true error 'a bad hook' end" },
    { "7 after reaper.exit(7), when the program goes along", "reaper.exit(7) reaper.loop()", 7 },
    { "7 after reaper.exit(7), whatever the program ends with", "reaper.exit(7) reaper.loop() os.exit(3)", 7 },
    { "mapped by map_exit", "os.exit(42)", 5, nil, "map_exit = { [42] = 5 }" },
    { "mapped by map_exit for a signal", "os.execute('kill -TERM $PPID') io.read()", 0, nil,
      "map_exit = { [143] = 0 }" },
    { "not mapped for other codes", "os.exit(41)", 41, nil, "map_exit = { [42] = 5 }" },
  }

  container.each_mode(function(mode)
    for _, row in ipairs(ends) do
      it("is " .. row[1], function()
        local c = program.start(started(row[5] or "", row[2]), { mode = mode, wrap = NO_CORE })
        assert.equal(row[3], c:wait())
        if row[4] then
          assert.matches(row[4], c:err())
        else
          assert.equal("", c:err())
        end
      end)
    end

    it("is 137 when the program is killed from outside while it polls", function()
      local c = start(mode, "", POLLING)
      c:kill("KILL", program_of(c).pid)
      assert.equal(137, c:wait())
    end)

    it("is that of reaper.exit for a program that does not go along, which is killed after the grace", function()
      local c = start(mode, "grace = 0.3", "reaper.exit(7) " .. BLOCKING)
      assert.equal(7, c:wait())
    end)
  end)
end)

-- Seconds until it has ended.
local function seconds_to_end(c)
  local begin = uv.hrtime()
  c:wait(20)
  return (uv.hrtime() - begin) / 1e9
end

local function assert_ends_early(c)
  local seconds = seconds_to_end(c)
  assert.is_true(seconds < LONG / 6 * container.slow, "it took " .. seconds .. " s")
end

describe("what a program leaves behind", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    local report = { report_left = mode == "subreaper" or nil }

    for what, leave in pairs {
      ["a daemon"] = "os.execute '" .. helper .. " daemon --log {folder}/log'",
      ["a child that it has not waited for"] =
        "pipe = io.popen '" .. helper .. " daemon --log {folder}/log; exec sleep 100' pipe:read()",
      ["a child of reaper.spawn"] = "assert(reaper.spawn { 'sh', '-c', '" .. helper
        .. " daemon --log {folder}/log; exec sleep 100', stdout = '{folder}/told' })\n"
        .. "repeat local f = io.open '{folder}/told' until f and f:read()",
    } do
      it("gets TERM when it has ended: " .. what, function()
        local c = start(mode, "grace = " .. LONG, leave .. " print 'up' io.read() os.exit(5)", report)
        assert.equal("", c:read("log"))
        c:close_input()
        assert_ends_early(c)
        assert.same({ 5, "got 15\n" }, { c.code, c:read("log") })
        assert.is_nil(c:err():match("host: left"))
      end)
    end

    it("gets KILL after the grace", function()
      local c = start(mode, "grace = 0.4", "os.execute '" .. helper .. " daemon --ignore-term --log {folder}/log' "
        .. "print 'up' io.read() os.exit(5)", report)
      c:close_input()
      assert.is_true(seconds_to_end(c) >= 0.39)
      assert.same({ 5, "got 15\n" }, { c.code, c:read("log") })
      assert.matches("the grace period of 0.4 s is over", c:err(), 1, true)
      assert.is_nil(c:err():match("host: left"))
    end)

    it("gets KILL at the second TERM at once", function()
      local c = start(mode, "grace = " .. LONG, "os.execute '" .. helper
        .. " daemon --ignore-term --log {folder}/log' " .. BLOCKING)
      c:kill("TERM")
      c:until_true(function() return c:read("log") == "got 15\n" end, 10, "TERM at the daemon")
      c:kill("TERM")
      assert_ends_early(c)
      assert.equal(143, c.code)
    end)

    it("is left alone with leave_orphans", function()
      local c = start(mode, "leave_orphans = true", "os.execute '" .. helper
        .. " daemon --ignore-term --log {folder}/log' print 'up' io.read() os.exit(5)", report)
      c:close_input()
      assert_ends_early(c)
      assert.same({ 5, "" }, { c.code, c:read("log") })
      assert.equal(mode == "subreaper", c:err():match("host: left %d+ %S spec%-daemon") ~= nil)
    end)
  end)
end)

-- A program on luv that prints what arrives; TERM ends it with 3.
local LUV = [[
local uv = require "luv"
for _, name in ipairs { "sighup", "sigusr1", "sigusr2", "sigwinch", "sigterm" } do
  local handle = uv.new_signal()
  handle:start(name, function()
    print("got " .. name)
    if name == "sigterm" then os.exit(3) end
  end)
end
print "up"
uv.run()
]]

describe("a signal", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, row in ipairs { { "TERM", 143 }, { "HUP", 129 }, { "INT", 1, "interrupted!" }, { "USR1", 138 },
      { "RTMIN+2", 164 }, { "RTMAX", 192 } } do
      it("reaches a program that has nothing for it: " .. row[1], function()
        local c = start(mode, "", BLOCKING)
        c:kill(row[1])
        assert.equal(row[2], c:wait())
        assert.matches(row[3] or "^$", c:err())
      end)
    end

    it("reaches the handlers of luv, once each", function()
      local c = start(mode, "", LUV)
      for _, name in ipairs { "HUP", "USR1", "HUP", "WINCH", "TERM" } do
        c:kill(name)
        c:expect("got sig" .. name:lower() .. "\n$")
      end
      assert.equal(3, c:wait())
      assert.equal("up\ngot sighup\ngot sigusr1\ngot sighup\ngot sigwinch\ngot sigterm\n", c:out())
    end)

    program.it_with_luaposix("reaches what the program has become by exec, real-time ones with their values", function()
      local c = program.start(started("", ("require('posix.unistd').exec(%q, { [0] = 'spec-helper', 'signals' })")
        :format(helper)), { mode = mode })
      c:expect("ready\n")
      assert.same({ 1, 10, 2, 40, 64 }, received.of(c, { "HUP", "USR1", "INT", "RTMIN+6", "RTMAX" }))
      c:queue("RTMIN", 11)
      c:expect("got 34 value 11\n")
      c:queue("USR2", 12)
      c:expect("got 12 value 12\n")
      c:kill("TERM")
      assert.equal(0, c:wait())
    end)

    it("finds mask and ignored signals as they were before", function()
      local out = program.printed([[
        local reaper = require "reaper"
        local function state()
          return io.open("/proc/self/status"):read("a"):match("SigBlk:%s*(%x+)\n.-SigIgn:%s*(%x+)")
        end
        print(state())
        assert(reaper.start { enable_child_subreaper = true })
        print(state())
      ]], { mode = mode, block = { "USR1", "RTMIN" }, ignore = { "HUP", "USR2" } })
      assert.equal(("0000000200000200\t0000000000000801\n"):rep(2), out)
    end)

    it("is rewritten by the table", function()
      local c = start(mode, "rewrite = { TERM = 'USR1', HUP = false }", LUV)
      c:kill("HUP")
      c:kill("TERM")
      c:expect("got sigusr1\n")
      assert.equal("up\ngot sigusr1\n", c:out())
    end)

    for _, whole in ipairs { true, false } do
      it(whole and "reaches the program's process group with kill_group" or "reaches the program alone", function()
        local c = start(mode, "kill_group = " .. tostring(whole), "os.execute '" .. helper
          .. " signals >{folder}/log & until grep -q ready {folder}/log; do sleep 0.01; done'\n" .. LUV)
        c:kill("USR1")
        c:expect("got sigusr1\n")
        if whole then
          c:until_true(function() return c:read("log") == "ready\ngot 10\n" end, 10, "USR1 at the child")
        end
        c:kill("TERM")
        assert.equal(3, c:wait())
        assert.equal(whole and 1 or 0, select(2, c:read("log"):gsub("got 10\n", "")))
      end)
    end
  end)
end)

describe("on_signal in a program", function()
  after_each(container.close_all)

  -- The default disposition of what arrives names it: 128 + its number.
  local answers = {
    { "nothing: the default", "return", 143 },
    { "nothing: the default, rewritten", "return", 140, keys = "rewrite = { TERM = 'USR2' }" },
    { "a name: that instead", "return 'USR1'", 138 },
    { "a number: that instead", "return 10", 138 },
    { "a signal that is rewritten by the table: as it is", "return 'USR1'", 138,
      keys = "rewrite = { USR1 = 'USR2', TERM = 'HUP' }" },
    { "after it has waited for longer than the timeout", "reaper.sleep(0.5) return 'USR1'", 138,
      keys = "hook_timeout = 0.2" },
    { "nonsense: that is reported, and the default follows", "return {}", 143, "on_signal returned" },
    { "with an error: that is reported, and the default follows", "error 'no idea'", 143,
      "on_signal: [^\n]*no idea\n  stack traceback" },
  }

  local function keys(row)
    return ("on_signal = function(name, number) if name == 'SIGTERM' and number == 15 then %s end end, %s")
      :format(row[2], row.keys or "")
  end

  container.each_mode(function(mode)
    for _, row in ipairs(answers) do
      it("answers " .. row[1], function()
        local c = start(mode, keys(row), POLLING)
        c:kill("TERM")
        assert.equal(row[3], c:wait())
        assert.matches(row[4] or "^$", c:err())
      end)
    end

    for what, body in pairs { at_once = "return false", later = "reaper.sleep(0.2) return false" } do
      it("drops a signal with false (" .. what:gsub("_", " ") .. ")", function()
        local c = start(mode, ("hook_timeout = 0.1, on_signal = function(name) print('asked', name) "
          .. "if name == 'SIGTERM' then %s end end"):format(body), POLLING)
        c:kill("TERM")
        c:expect("asked\tSIGTERM\n")
        c:kill("HUP")
        assert.equal(129, c:wait())
      end)
    end

    it("is asked by reaper.loop and while the program sleeps or waits for a child, too", function()
      for _, waiting in ipairs { "reaper.loop()", "reaper.sleep(100)", "reaper.run { 'sleep', '100' }",
        "for _ in reaper.statuses() do end" } do
        local c = start(mode, "on_signal = function() return 'USR1' end, hook_timeout = 100", "print 'up' " .. waiting)
        c:kill("TERM")
        assert.equal(138, c:wait(), waiting)
      end
    end)

    it("may end the program, which is then not waited for", function()
      local c = start(mode, "hook_timeout = 100, on_signal = function() os.exit(4) end", POLLING)
      c:kill("TERM")
      assert.equal(4, c:wait())
      assert.equal("", c:err())
    end)

    it("may begin the stop, which gives TERM to the others", function()
      local c = start(mode, "on_signal = function() reaper.exit(5) return false end, grace = " .. LONG,
        "os.execute '" .. helper .. " daemon --log {folder}/log >/dev/null' print 'up' reaper.loop() print 'the end'")
      c:kill("TERM")
      assert_ends_early(c)
      assert.same({ 5, "up\nthe end\n", "got 15\n" }, { c.code, c:out(), c:read("log") })
    end)

    it("has its default taken after the hook timeout where the program does not poll, and that is said", function()
      local c = start(mode, "hook_timeout = 0.3, on_signal = function() return false end", BLOCKING)
      local begin = uv.hrtime()
      c:kill("TERM")
      assert.equal(143, c:wait())
      assert.is_true((uv.hrtime() - begin) / 1e9 >= 0.29)
      assert.matches("on_signal has not answered within 0.3 s: taking the default\n", c:err(), 1, true)
    end)

    it("is asked of a program that polls before the hook timeout is over", function()
      local c = start(mode, "hook_timeout = 100, on_signal = function() return 'USR1' end",
        BLOCKING .. " while true do reaper.poll(1) end")
      c:kill("TERM")
      c:write("go on\n")
      assert.equal(138, c:wait())
      assert.equal("", c:err())
    end)
  end)
end)

describe("a program whose parent has ignored SIGCHLD", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("has its own statuses, and its orphans are told", function()
      local out = program.printed(started("", [[
        print(os.execute "exit 3")
        os.execute "(exit 4) &"
        print(select(2, reaper.statuses(20)()))
      ]]), { mode = mode, ignore = { "CHLD" } })
      assert.equal("nil\texit\t3\nexit 4\n", out:gsub("\ttable[^\n]*", ""))
    end)
  end)
end)

describe("a program without /proc", function()
  if container.sanitized then
    pending("sanitizers need /proc themselves")
    return
  end
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("has its orphans told, what it leaves stopped, and its code kept", function()
      local c = program.start(started("grace = " .. LONG, "os.execute '(exit 4) &' "
        .. "print((select(2, reaper.statuses(20)()))) "
        .. "os.execute '" .. helper .. " daemon --log {folder}/log' os.exit(42)"), { mode = mode, no_proc = true })
      assert_ends_early(c)
      assert.same({ 42, "exit 4\n", "got 15\n", "" },
        { c.code, c:out():match("^exit %d\n"), c:read("log"), c:err() })
    end)

    it("goes on by itself when all that it has stopped with reaper.exit is gone", function()
      local c = program.start(started("grace = " .. LONG, "local child = reaper.spawn{ 'sleep', '1000' } "
        .. "reaper.exit(5) print(tostring(child:wait())) reaper.loop() print 'over'"), { mode = mode, no_proc = true })
      assert_ends_early(c)
      assert.same({ 5, "signal SIGTERM\nover\n", "" }, { c.code, c:out(), c:err() })
    end)
  end)
end)

describe("a program that is not process 1", function()
  after_each(container.close_all)

  local calls = {
    ["reaper.start()"] = "reaper.start",
    ["reaper.start {}"] = "reaper.start",
    ["reaper.start { enable_child_subreaper = false, disable_pid1_check = false }"] = "reaper.start",
    ["reaper.reap()"] = "reaper.reap",
    ["reaper.run_forked {}"] = "reaper.run_forked",
    ["reaper.with_reaper({}, function() os.exit(99) end)"] = "reaper.with_reaper",
  }

  for call, name in pairs(calls) do
    it("is told how to go on by " .. call .. ", and nothing has changed", function()
      local c = program.start(([[
        local reaper = require "reaper"
        print(%s)
        local stat = io.open("/proc/self/stat"):read("a")
        print("pid", stat:match("^%%d+"))
        io.stdout:flush()
        io.read()
        os.exit(3)
      ]]):format(call), { mode = "subreaper" })
      assert.equal(c.nspid, tonumber((c:expect("pid\t(%d+)\n"))))
      assert.equal(("nil\t%s: this is process %d, not 1: set enable_child_subreaper to adopt orphans all the same,"
        .. " or disable_pid1_check"):format(name, c.nspid), c:out():match("^nil\t[^\t\n]*"))
      assert.same({}, c:children_of(c.nspid))
      c:close_input()
      assert.equal(3, c:wait())
    end)
  end

  -- An orphan of the program, which says its pid; then a child of reaper.spawn that lives on.
  local FAMILY = [[
    local function parent(pid)
      local file = io.open("/proc/" .. pid .. "/stat")
      return file and file:read("a"):match("%) %S (%d+)")
    end
    local engine = parent("self")
    os.execute "sh -c 'echo $$; exec sleep 100' >{folder}/orphan &"
    local orphan
    repeat
      local file = io.open "{folder}/orphan"
      orphan = file and file:read("n")
    until orphan
    while parent(orphan) ~= "1" and parent(orphan) ~= engine do end
    print("adopted by", parent(orphan) == engine and "engine" or "host", orphan)
    local child = assert(reaper.spawn { "]] .. helper .. [[", "signals", stdout = "{folder}/child" })
    repeat local file = io.open "{folder}/child" until file and file:read()
    print("spawned by", parent(child.pid) == engine and "engine" or "host")
    print "up"
    io.read()
    os.exit(5)
  ]]

  local function start_family(key)
    local c = program.start(('local reaper = require "reaper"\nassert(reaper.start { %s = true, grace = %d })\n%s')
      :format(key, LONG, FAMILY), { mode = "subreaper", report_left = true })
    c:close_input()
    assert_ends_early(c)
    assert.equal("ready\ngot 15\n", c:read("child"))
    return c
  end

  it("lets orphans go past it with disable_pid1_check alone, but stops its own children", function()
    local c = start_family("disable_pid1_check")
    local orphan = c:out():match("^adopted by\thost\t(%d+)\nspawned by\tengine\nup\n$")
    assert(orphan, c:out())
    assert.equal(5, c.code)
    local left = {}
    for pid in c:err():gmatch("host: left (%d+) ") do
      left[#left + 1] = pid
    end
    assert.same({ orphan }, left)
  end)

  it("adopts and stops orphans with enable_child_subreaper", function()
    local c = start_family("enable_child_subreaper")
    assert.equal(5, c.code)
    assert.matches("^adopted by\tengine\t%d+\nspawned by\tengine\nup\n$", c:out())
    assert.is_nil(c:err():find("host:"))
  end)

  it("needs neither key when it is process 1", function()
    assert.equal("true\n", program.printed([[
      print(require("reaper").start {})
    ]], { mode = "init" }))
  end)
end)

describe("the surroundings of a program", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("are not kept busy by the engine: a pipe that it closes is closed", function()
      local out = program.printed([[
        local reaper = require "reaper"
        local pipe = io.popen("cat >/dev/null; exit 5", "w")
        assert(reaper.start { enable_child_subreaper = true })
        pipe:close()
        local pid, status = reaper.statuses(20)()
        print(math.type(pid), status)
      ]], { mode = mode })
      assert.equal("integer\texit 5\n", out)
    end)

    it("are not kept busy by the engine: a socket on which it does not listen any more refuses", function()
      local out = program.printed([[
        local reaper = require "reaper"
        local uv = require "luv"
        local server = uv.new_tcp()
        assert(server:bind("127.0.0.1", 0))
        assert(server:listen(8, function() end))
        local port = server:getsockname().port
        assert(reaper.start { enable_child_subreaper = true })
        local function connect()
          local client = uv.new_tcp()
          client:connect("127.0.0.1", port, function(why)
            print(why or "connected")
            client:close()
            if not server:is_closing() then server:close(connect) end
          end)
        end
        connect()
        uv.run()
        uv.run()
      ]], { mode = mode })
      assert.equal("connected\nECONNREFUSED\n", out)
    end)

    it("are not kept busy by the engine: it has none of the program's descriptors but the standard ones", function()
      local c = program.start([[
        local reaper, uv = require "reaper", require "luv"
        local file, pipe = io.open("{folder}/open", "w"), io.popen("cat", "w")
        local server = uv.new_tcp()
        assert(server:bind("127.0.0.1", 0) and server:listen(8, function() end))
        assert(reaper.start { enable_child_subreaper = true })
        print "up"
        io.stdout:flush()
        io.read()
        pipe:close()
        file:close()
      ]], { mode = mode })
      c:expect("up\n")
      local function opened(pid)
        local kinds, count = {}, 0
        for name in uv.fs_scandir_next, assert(uv.fs_scandir("/proc/" .. pid .. "/fd")) do
          local target = uv.fs_readlink("/proc/" .. pid .. "/fd/" .. name) or "closed"
          if tonumber(name) > 2 and target ~= "anon_inode:[signalfd]" and target ~= "anon_inode:[pidfd]"
            and target ~= "anon_inode:[timerfd]" and target ~= "/memfd:reaper-engine (deleted)" then
            kinds[target], count = true, count + 1
          end
        end
        return kinds, count
      end
      local programs, program_count = opened(program_of(c).pid)
      local engines, engine_count = opened(c.pid)
      assert.is_true(program_count >= 5)
      assert.equal(1, engine_count) -- its end of the channel
      assert.matches("^socket:", (next(engines)))
      assert.is_nil(programs[next(engines)])
      c:close_input()
      assert.equal(0, c:wait())
    end)

    it("have the engine at / and the program in its folder", function()
      local c = start(mode, "", BLOCKING, { cwd = "/usr/lib" })
      assert.equal("/", uv.fs_readlink("/proc/" .. c.pid .. "/cwd"))
      assert.equal("/usr/lib", uv.fs_readlink("/proc/" .. program_of(c).pid .. "/cwd"))
    end)

    it("are written to once: what waits in a buffer at the start", function()
      local c = program.start([[
        io.stdout:setvbuf "full"
        local file = io.open("{folder}/file", "w")
        io.write "one " file:write "one "
        assert(require("reaper").start { enable_child_subreaper = true })
        io.write "two" file:write "two"
      ]], { mode = mode })
      assert.equal(0, c:wait())
      assert.same({ "one two", "one two" }, { c:out(), c:read("file") })
    end)

    it("are read on from where it was", function()
      local c = program.start([[
        io.stdout:setvbuf "line"
        print(io.read())
        assert(require("reaper").start { enable_child_subreaper = true })
        print(io.read(), io.read(), io.read())
      ]], { mode = mode })
      c:write("one\ntwo\nthree\n")
      c:close_input()
      assert.equal(0, c:wait())
      assert.equal("one\ntwo\tthree\tnil\n", c:out())
    end)

    it("are the environment as the program has changed it, for its children and those of reaper.spawn", function()
      local out = program.printed(started("", [[
        local uv = require "luv"
        uv.os_setenv("SPEC_ADDED", "new")
        uv.os_unsetenv("SPEC_TAKEN")
        local line = "echo $SPEC_ADDED-$SPEC_TAKEN-"
        print(io.popen(line):read("l"))
        print(({ reaper.run { "sh", "-c", line, capture = true } })[3])
      ]]), { mode = mode, env = { SPEC_TAKEN = "old" } })
      assert.equal("new--\nnew--\n\n", out)
    end)
  end)
end)
