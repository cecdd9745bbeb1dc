-- The end of a Lua program and of its engine: reaper.exit, reaper.with_reaper and its kin, and ends that nobody asked
-- for.

local container = require "spec.support.container"
local program = require "spec.support.program"

local helper = container.helper
local LONG = 60 -- a grace that no spec waits for

-- A program's first lines: reaper has been started with these keys, and `helper` is known.
local function started(config)
  return ('local reaper = require "reaper"\nlocal helper = %q\n'
    .. 'assert(reaper.start { enable_child_subreaper = true, %s })\n'):format(helper, config or "")
end

local function run(mode, config, body)
  return program.run(started(config) .. body, { mode = mode, report_left = mode == "subreaper" })
end

describe("reaper.exit", function()
  after_each(container.close_all)

  -- An orphan that ends at TERM and a child that does, too; both write what they get. The files are printed.
  local OTHERS = [[
    os.execute(helper .. " daemon --log {folder}/orphan >/dev/null")
    local p = reaper.spawn { helper, "signals", stdout = "{folder}/child" }
    local own = io.popen("exec " .. helper .. " signals >{folder}/own")
    local function read(name)
      local file = io.open("{folder}/" .. name)
      return file and file:read("a"):gsub("\n", ",") or ""
    end
    repeat until read("child") == "ready," and read("own") == "ready,"
  ]]
  local READ = [[ print(read("orphan"), read("child"), read("own")) ]]

  container.each_mode(function(mode)
    for place, body in pairs {
      ["the main chunk"] = "reaper.exit(3) reaper.loop()",
      ["a timer"] = "reaper.after(0.01, function() reaper.exit(3) end) reaper.loop()",
      ["a hook"] = [[reaper.on("on_reap", function() reaper.exit(3) end) os.execute("(exit 1) &") reaper.loop()]],
      ["a hook that waits"] = [[
        reaper.on("on_reap", function() reaper.sleep(0.01) reaper.exit(3) reaper.sleep(0.01) end)
        os.execute("(exit 1) &")
        reaper.loop()]],
    } do
      it(("in %s stops everything else, and spares the program"):format(place), function()
        local code, out, err = run(mode, "grace = " .. LONG, OTHERS .. body .. READ .. "os.exit(9)")
        assert.same({ 3, "got 15,\tready,got 15,\tready,got 15,\n", "" }, { code, out, err })
      end)
    end

    it("sends KILL after the grace to what does not end, and spares the program", function()
      local code, out, err = run(mode, "grace = 1", [[
        os.execute(helper .. " daemon --ignore-term --log {folder}/log >/dev/null")
        local p = reaper.spawn { helper, "signals", "--exit-on", "KILL", stdout = "pipe" }
        assert(p.stdout:read() == "ready")
        reaper.exit(3)
        print((p:wait()))
        reaper.loop()
        print(p.stdout:read(), io.open("{folder}/log"):read("a"))
      ]])
      assert.same({ 3, "signal SIGKILL\ngot 15\tgot 15\n\n", "reaper-lua: the grace period of 1 s is over: killing "
        .. "what is left\n" }, { code, out, err })
    end)

    for what, row in pairs {
      ["0 where it just ends"] = { "", 0 },
      ["that of os.exit"] = { "os.exit(7)", 7 },
      ["1 after an error"] = { "error('oops')", 1, "oops" },
    } do
      it("without a code takes the program's own: " .. what, function()
        local code, _, err = run(mode, "", "reaper.exit() reaper.loop() " .. row[1])
        assert.same({ row[2], row[3] or "" }, { code, row[3] and err:match(row[3]) or err })
      end)
    end

    it("with a code has the word before the program's own, and during the stop the last one counts", function()
      assert.same(3, (run(mode, "", "reaper.exit(3) reaper.loop() os.exit(7)")))
      assert.same(4, (run(mode, "on_stop = function() reaper.exit(4) end", "reaper.exit(3) reaper.loop() os.exit(7)")))
    end)

    it("need not be waited for: the program may end by itself", function()
      local code, _, err = run(mode, "grace = " .. LONG, [[
        os.execute(helper .. " daemon --log {folder}/log >/dev/null")
        reaper.exit(3)
      ]])
      assert.same({ 3, "" }, { code, err })
    end)

    it("calls on_stop with \"exit\" and on_exit with the code, whose answer wins", function()
      local code, out, err = run(mode, [[
        on_stop = function(...) print("stop", ...) end,
        on_exit = function(...) print("exit", ...) reaper.sleep(0.05) return 5 end]],
        "reaper.exit(3) print(reaper.loop()) os.exit(7)")
      assert.same({ 5, "stop\texit\nexit\t3\tnil\ntrue\n", "" }, { code, out, err })
    end)

    for value, expected in pairs { ["nil"] = 3, ["256"] = 3, ["'5'"] = 3, ["error('oops')"] = 3, ["0"] = 0 } do
      it("ends with its code when on_exit returns what is none: " .. value, function()
        local code, _, err = run(mode, ("on_exit = function() return %s end"):format(value),
          "reaper.exit(3) reaper.loop()")
        assert.same(expected, code)
        assert.same(value ~= "nil" and value ~= "0", err:find("reaper-lua: on_exit: ", 1, true) ~= nil, err)
      end)
    end

    it("waits for an on_stop that waits, within the grace", function()
      local code, out, err = run(mode, "grace = " .. LONG .. [[, on_stop = function()
          reaper.sleep(0.1)
          print("child", (reaper.run { "sh", "-c", "exit 4" }))
        end]], "reaper.exit(3) print(reaper.loop())")
      assert.same({ 3, "child\texit 4\ntrue\n", "" }, { code, out, err })
    end)

    it("lets reaper.poll give nil and \"the engine has gone\" when everything has stopped", function()
      local code, out = run(mode, "", [[
        reaper.poll(10)
        reaper.exit(3)
        print(reaper.poll(60))
        print(reaper.poll())
        print(reaper.spawn { "true" } == nil, (reaper.stats()))
      ]])
      assert.same({ 3, ("nil\tthe engine has gone\n"):rep(2) .. "true\tnil\n" }, { code, out })
    end)

    it("leaves what a child has written to be read in the main chunk", function()
      local code, out, err = run(mode, "", [[
        local p = reaper.spawn { "sh", "-c", "trap 'echo TERM; exit 4' TERM; echo ready; read never",
          stdin = "pipe", stdout = "pipe" }
        print(p.stdout:read())
        reaper.exit(3)
        reaper.loop()
        for line in p.stdout:lines() do print(line) end
        print((p:wait()))
      ]])
      assert.same({ 3, "ready\nTERM\nexit 4\n", "" }, { code, out, err })
    end)

    for what, body in pairs {
      ["computes"] = "while true do end",
      ["blocks"] = "io.read()",
      ["sleeps"] = "reaper.sleep(1000)",
    } do
      it(("kills a program after the grace that %s and never ends"):format(what), function()
        local c = program.start(started "grace = 0.3, hook_timeout = 0.1" .. 'print("ready") reaper.exit(3) ' .. body,
          { mode = mode, report_left = mode == "subreaper" })
        assert.equal(3, c:wait())
        assert.equal("reaper-lua: warning: the program has not ended by itself: killing it\n", c:err())
      end)
    end

    it("gives the program the grace for what it does last", function()
      local code, out, err = run(mode, "grace = " .. LONG, [[
        reaper.exit()
        reaper.loop()
        require("luv").sleep(2500) -- which blocks, as computing does
        print("done")
        os.exit(7)
      ]])
      assert.same({ 7, "done\n", "" }, { code, out, err })
    end)

    it("lets a TERM from outside reach the program meanwhile, and a second one cuts the grace short", function()
      local c = program.start(started("hook_timeout = 60, grace = " .. LONG) .. [[
        reaper.on("on_signal", function(name) print(name) return false end)
        os.execute(helper .. " daemon --ignore-term >/dev/null")
        reaper.exit()
        reaper.stats()
        print("stopping")
        print("loop", reaper.loop())
        os.exit(7)
      ]], { mode = mode })
      c:expect("stopping\n")
      c:kill("TERM")
      c:expect("stopping\nSIGTERM\n")
      assert.truthy(c:find("spec-daemon"))
      c:kill("TERM")
      assert.same(7, c:wait())
      assert.same({ "stopping\nSIGTERM\nSIGTERM\nloop\ttrue\n", "" }, { c:out(), c:err() })
    end)

    it("lets a TERM from outside end a program that blocks meanwhile", function()
      local c = program.start(started("grace = " .. LONG) .. [[
        reaper.exit()
        reaper.stats()
        print("stopping")
        io.read()
      ]], { mode = mode })
      c:expect("stopping\n")
      c:kill("TERM")
      assert.same(128 + 15, c:wait())
    end)
  end)
end)

describe("reaper.with_reaper", function()
  after_each(container.close_all)

  -- What a program ends with and writes whose function is `body`.
  local function with_reaper(mode, body, config)
    return program.run(([[
      local reaper = require "reaper"
      local helper = %q
      reaper.with_reaper({ enable_child_subreaper = true, %s }, function(...)
        assert(select("#", ...) == 0)
        %s
      end)
      print("came back")
    ]]):format(helper, config or "", body), { mode = mode, report_left = mode == "subreaper" })
  end

  container.each_mode(function(mode)
    for body, expected in pairs {
      [""] = 0, ["return nil"] = 0, ["return true"] = 0, ["return false"] = 1, ["return 0"] = 0, ["return 42"] = 42,
      ["return 255"] = 255, ["return 7.0"] = 7, ["return 3, 'more'"] = 3, ["os.exit(9)"] = 9, ["os.exit(9, true)"] = 9,
      ["reaper.exit(8)"] = 8, ["reaper.exit(8) return 7"] = 8, ["reaper.exit() return 7"] = 7,
      ["return (reaper.run { 'sh', '-c', 'exit 6' }).code"] = 6,
    } do
      it(("ends with %d after a function whose end is: %s"):format(expected, body), function()
        assert.same({ expected, "", "" }, { with_reaper(mode, body) })
      end)
    end

    for value, name in pairs {
      ["256"] = "256", ["-1"] = "-1", ["1.5"] = "1.5", ["'x'"] = "string", ["'7'"] = "string", ["{}"] = "table",
      ["print"] = "function",
    } do
      it("ends with 70 and says so where the function returns " .. value, function()
        assert.same({ 70, "", ("reaper-lua: reaper.with_reaper: the function returned %s, which is no exit code (an "
          .. "integer from 0 to 255)\n"):format(name) }, { with_reaper(mode, "return " .. value) })
      end)
    end

    it("ends with 70 after an error, which is printed with its traceback", function()
      local code, out, err = with_reaper(mode, "local function deep() error('oops') end\ndeep()\nreturn 3")
      assert.same({ 70, "" }, { code, out })
      assert.matches("^reaper%-lua: reaper.with_reaper: [^\n]*hooks.lua:5: oops\n  stack traceback:\n", err)
      assert.matches("\n    [^\n]*hooks.lua:5: in [^\n]*'deep'\n    [^\n]*hooks.lua:6: in ", err)
    end)

    for value, message in pairs {
      ["{}"] = "table: ", ["nil"] = "nil", ["setmetatable({}, { __tostring = function() return 'mine' end })"] = "mine",
      ["setmetatable({}, { __tostring = function() error('no') end })"] = "no",
    } do
      it("ends with 70 after an error that is no text: " .. value, function()
        local code, out, err = with_reaper(mode, ("error(%s)"):format(value))
        assert.same({ 70, "" }, { code, out })
        assert.is_truthy(err:find("reaper-lua: reaper.with_reaper: ", 1, true), err)
        assert.is_truthy(err:find(message, 1, true), err)
      end)
    end

    it("runs the function with the engine below it, in which it may wait, and stops what is left", function()
      local code, out, err = with_reaper(mode, [[
        os.execute(helper .. " daemon --log {folder}/log >/dev/null")
        reaper.run { "sh", "-c", "exit 3" }
        reaper.sleep(0.01)
        return 5]], "grace = 60, on_reap = function(_, status) print(status) end")
      assert.same({ 5, "exit 3\n", "" }, { code, out, err })
    end)

    it("closes the Lua state at the end", function()
      local code, out, err = with_reaper(mode, [[
        closed = setmetatable({}, { __gc = function() print("closed") end })
        return 4]])
      assert.same({ 4, "closed\n", "" }, { code, out, err })
    end)
  end)

  it("gives nil and a message where it cannot start, and does not call the function", function()
    local begin = 'local reaper = require "reaper"\n'
    local call = "print(reaper.with_reaper({ %s }, function() print('called') end))"
    assert.same("nil\treaper.with_reaper: this is process 2, not 1: set enable_child_subreaper to adopt orphans all "
      .. "the same, or disable_pid1_check\tnil\n", program.printed(begin .. call:format(""), { mode = "subreaper" }))
    assert.same("nil\treaper.with_reaper: REAPER_GRACE: \"x\" is not a number of seconds (a decimal that is not "
      .. "negative, such as 2.5)\tnil\n", program.printed(begin .. call:format(""), { env = { REAPER_GRACE = "x" } }))
  end)
end)

describe("other names of reaper.start", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("reaper.run_forked takes a configuration and goes on in the program", function()
      assert.same({ 42, "true\nexit 3\n", "" }, { program.run([[
        local reaper = require "reaper"
        local told
        print(reaper.run_forked { enable_child_subreaper = true, on_reap = function(_, status) told = status end })
        os.execute("(exit 3) &")
        while not told do reaper.poll(1) end
        print(told)
        os.exit(42)
      ]], { mode = mode }) })
    end)
  end)

  it("reaper.reap takes the defaults, and is for process 1", function()
    local text = 'local reaper = require "reaper"\nprint(reaper.reap())\nprint(pcall(reaper.stats))'
    assert.matches("^true\ntrue\ttable: ", program.printed(text))
    assert.matches("^nil\treaper.reap: this is process 2, not 1: set [^\n]*\nfalse\t", program.printed(text,
      { mode = "subreaper" }))
  end)

  for _, name in ipairs { "run_forked", "with_reaper" } do
    it(("reaper.%s gives nil and a message that names it where this is not process 1"):format(name), function()
      local out = program.printed(('print(require("reaper").%s({}, print))'):format(name), { mode = "subreaper" })
      assert.matches("^nil\treaper." .. name .. ": this is process 2, not 1: ", out)
    end)
  end
end)

describe("a program's end", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("closes its Lua state with objects of the library alive, and the engine stops what is left", function()
      local code, out, err = run(mode, "grace = " .. LONG, [[
        local left = reaper.spawn { helper, "signals", stdin = "pipe", stdout = "{folder}/child" }
        local talks = reaper.spawn { "sh", "-c", "echo one; read line", stdin = "pipe", stdout = "pipe" }
        talks.stdout:read()
        reaper.spawn { "sleep", "1000", stdout = function() end }
        reaper.after(0, function() talks:wait() end)
        reaper.after(1000, print)
        reaper.every(1000, print)
        reaper.on("on_exit", print)
        reaper.poll()
        kept = setmetatable({}, { __gc = function() print(left.pid ~= nil, pcall(reaper.children)) end })
      ]])
      assert.matches("^true\ttrue\ttable: %x*0x%x+\n$", out)
      assert.same({ 0, "" }, { code, err })
    end)

    it("by SIGKILL while its io.popen child still runs stops that, too", function()
      local c = program.start(started("grace = " .. LONG) .. [[
        local pipe = io.popen("exec " .. helper .. " signals >{folder}/child")
        pipe:read("a")
      ]], { mode = mode })
      c:until_true(function() return c:read("child") == "ready\n" end, 10, "the child")
      c:kill("KILL", c:children_of(c.nspid)[1].pid)
      assert.same(128 + 9, c:wait())
      assert.same({ "ready\ngot 15\n", "" }, { c:read("child"), c:err() })
    end)
  end)
end)

-- An engine can be killed only where it is not process 1. The program then stands below another one, which is.
local function below(body, config)
  return ([==[
    local file = io.open("{folder}/inner.lua", "w")
    file:write(%q)
    file:close()
    print("engine", (select(2, os.execute("exec lua5.4 {folder}/inner.lua"))))
    io.read()
  ]==]):format(started(config) .. [[
    local function parent_of(pid)
      return math.tointeger(io.open("/proc/" .. pid .. "/stat"):read("a"):match("%) %a (%d+)"))
    end
    local engine = parent_of("self")
    local function kill_engine()
      os.execute("kill -9 " .. engine)
      while parent_of("self") == engine do end
    end
  ]] .. body .. '\nprint("the end")')
end

describe("a program whose engine is killed", function()
  after_each(container.close_all)

  -- What it prints; "engine signal" comes from the program above it, at some time.
  local function printed(body, config)
    local c = program.start(below(body, config))
    c:expect("the end\n")
    c:expect("engine\tsignal\n")
    assert.same("", c:err())
    return (c:out():gsub("engine\tsignal\n", ""):gsub("the end\n", ""))
  end

  it("is told by reaper.poll, again and again", function()
    assert.same(("nil\tthe engine has gone\n"):rep(3), printed([[
      reaper.poll(10)
      kill_engine()
      print(reaper.poll())
      print(reaper.poll(60))
      print(reaper.poll())
    ]]))
  end)

  it("is told while it waits in reaper.poll, reaper.loop returns, and reaper.statuses ends", function()
    assert.same("nil\tthe engine has gone\ntrue\nended\n", printed([[
      reaper.poll(10)
      io.popen("sleep 0.1; kill -9 " .. engine)
      print(reaper.poll(60))
      print(reaper.loop())
      for _ in reaper.statuses() do print("a status") end
      print("ended")
    ]]))
    assert.same("true\nnil\tthe engine has gone\n", printed([[
      io.popen("sleep 0.1; kill -9 " .. engine)
      print(reaper.loop())
      print(reaper.poll())
    ]]))
    assert.same("ended\nnil\tthe engine has gone\n", printed([[
      io.popen("sleep 0.1; kill -9 " .. engine)
      for _ in reaper.statuses() do print("a status") end
      print("ended")
      print(reaper.poll())
    ]]))
  end)

  it("gets nil and a message of what needs the engine", function()
    assert.same("nil\tstring\tinteger\n" .. ("nil\tthe engine: Transport endpoint is not connected\t107\n"):rep(3),
      printed([[
        kill_engine()
        local none, message, errno = reaper.spawn { "true" } -- the engine's end may not be known yet
        print(none, type(message), math.type(errno))
        reaper.poll()
        print(reaper.spawn { "true" })
        print(reaper.run { "true", capture = true })
        print(reaper.stats())
      ]]))
  end)

  it("can sleep, and its timers and hooks go on", function()
    assert.same("timer\nslept\ttrue\nhook\n", printed([[
      local slept, done
      reaper.after(0, function()
        repeat reaper.sleep(0.01) until slept
        print("hook")
        done = true
      end)
      reaper.sleep(0)
      kill_engine()
      reaper.after(0.01, function() print("timer") end)
      local begin = reaper.now()
      reaper.sleep(0.05)
      print("slept", reaper.now() - begin >= 0.05)
      slept = true
      repeat reaper.sleep(0.01) until done
    ]]))
  end)

  it("does not wait for ever for a child, neither in its main chunk nor in a hook", function()
    assert.same("hook\tnil\tthe engine has gone\nmain\tnil\tthe engine has gone\nagain\tnil\tthe engine has gone\n"
      .. "stop\tnil\tthe engine has gone\nrun\tnil\tthe engine has gone\t\n", printed([[
      reaper.every(0.05, function() end) -- there is always a timer to wait for
      local p = reaper.spawn { "sleep", "1000" }
      local q = reaper.spawn { "sleep", "1000" }
      reaper.after(0, function() print("hook", q:wait()) end)
      local run
      reaper.after(0, function()
        run = table.pack(reaper.run { "sh", "-c", "while [ ! -e {folder}/go ]; do sleep 0.01; done", capture = true })
      end)
      reaper.after(0.1, kill_engine)
      local main = table.pack(p:wait())
      reaper.sleep(0)
      print("main", table.unpack(main))
      print("again", p:wait(60))
      print("stop", q:stop { grace = 60 })
      io.open("{folder}/go", "w"):close()
      while not run do reaper.sleep(0.01) end
      print("run", table.unpack(run))
    ]]))
  end)

  it("can signal its children and read what they write", function()
    assert.same("ready\ntrue\tTERM\tnil\ttrue\nfalse\n", printed([[
      local p = reaper.spawn { "sh", "-c", "trap 'echo TERM; exit 4' TERM; echo ready; read never", stdin = "pipe",
        stdout = "pipe" }
      print(p.stdout:read())
      kill_engine()
      reaper.poll()
      reaper.sleep(0.05)
      local first = p:alive() and reaper.now()
      reaper.after(0.1, function() p:kill("TERM") end)
      print(first ~= nil, p.stdout:read(), p.stdout:read(), reaper.now() - first >= 0.1)
      while p:alive() do end
      print(p:alive())
    ]]))
  end)

  it("may still say reaper.exit and reaper.configure, which nobody hears", function()
    assert.same("", printed([[
      kill_engine()
      reaper.configure { grace = 1 }
      reaper.exit(3)
      reaper.poll()
      reaper.configure { grace = 2 }
      reaper.exit(4)
    ]]))
  end)

  it("with_reaper: ends when its function does", function()
    local c = program.start(([==[
      local file = io.open("{folder}/inner.lua", "w")
      file:write [[
        local reaper = require "reaper"
        reaper.with_reaper({ enable_child_subreaper = true }, function()
          os.execute("kill -9 " .. io.open("/proc/self/stat"):read("a"):match("%) %a (%d+)"))
          print(reaper.loop())
          reaper.after(0.05, function() print("goes on") end)
          reaper.sleep(0.1)
        end)
      ]]
      file:close()
      os.execute("exec lua5.4 {folder}/inner.lua")
      io.read()
    ]==]))
    c:expect("true\ngoes on\n")
    c:until_true(function() return #c:processes() == 1 + c:zombies() end, 10, "the program's end")
    assert.same("", c:err())
  end)
end)
