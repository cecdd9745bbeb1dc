-- reaper.configure: each key does what the option of that name does, and the engine holds it.

local container = require "spec.support.container"
local script = require "spec.support.script"

local SIGNALS = { container.helper, "signals", "--exit-on", "KILL" }

-- Ends with 0 at TERM, and leaves a process that is deaf to TERM.
local LEAVES_DEAF = { "sh", "-c", "$0 daemon --ignore-term --log {folder}/deaf; exec $0 signals", container.helper }

-- A container under a script that configures in its main chunk and goes on with `more`; the main child prints signals.
local function configured(settings, options)
  options = options or {}
  local c = script.start(("reaper.configure{ %s }\n%s"):format(settings, options.more or ""), {
    command = options.command or SIGNALS,
  })
  c:expect("ready\n")
  return c
end

describe("reaper.configure", function()
  after_each(container.close_all)

  it("rewrite: signals are rewritten, and dropped with 0 or false", function()
    local c = configured("rewrite = { TERM = 'QUIT', usr1 = 0, [12] = false, SIGHUP = 34 }")
    for _, signal in ipairs { "USR1", "USR2", "TERM", "HUP" } do
      c:kill(signal)
      c:expect(signal == "TERM" and "got 3\n" or signal == "HUP" and "got 34\n" or "")
    end
    assert.are.equal("ready\ngot 3\ngot 34\n", c:out())
  end)

  it("kill_group: the main child's group gets the signals", function()
    for setting, expected in pairs { ["true"] = "got 10\n", ["false"] = "" } do
      local c = configured("kill_group = " .. setting, {
        command = { "sh", "-c", "trap 'echo trapped' USR1; $0 signals & wait; wait; sleep 1000", container.helper },
      })
      c:kill("USR1")
      c:expect("trapped\n")
      c:expect(expected)
      assert.are.equal(expected ~= "", c:out():find("got 10", 1, true) ~= nil)
    end
  end)

  it("map_exit: the main child's code becomes another one", function()
    for code, expected in pairs { [3] = 4, [5] = 0, [6] = 6 } do
      local _, err, got = script.run("reaper.configure{ map_exit = { [3] = 4, [5] = 0 } }",
        { command = { "sh", "-c", "exit " .. code } })
      assert.are.same({ "", expected }, { err, got })
    end
  end)

  it("grace: KILL comes after that time", function()
    local c = configured("grace = 0.3", { command = LEAVES_DEAF })
    c:kill("TERM")
    assert.are.equal(0, c:wait(4.5))
    assert.matches("the grace period of 0.3 s is over", c:err(), 1, true)
    assert.are.equal("got 15\n", c:read("deaf"))
  end)

  it("leave_orphans: what is left is not signalled", function()
    local c = script.start("reaper.configure{ leave_orphans = true }", {
      mode = "subreaper", report_left = true, command = { container.helper, "daemon", "--log", "{folder}/log" },
    })
    assert.are.equal(0, c:wait())
    assert.matches("host: left %d+ [RSD] spec%-daemon\n", c:err())
    assert.are.equal("", c:read("log") or "")
  end)

  it("user: COMMAND runs as that user", function()
    local out, err, code = script.run("reaper.configure{ user = 'nobody' }", { command = { "id", "-un" } })
    assert.are.same({ "nobody\n", "", 0 }, { out, err, code })
  end)

  it("warn: orphans that are reaped are told", function()
    local _, err = script.run("reaper.configure{ warn = true }",
      { command = { container.helper, "orphans", "1", "--comm", "lonely" } })
    assert.matches("reaper%-lua: warning: reaped orphan %d+ %(lonely%): exit 0\n", err)
  end)

  it("verbose and quiet: more and less is told", function()
    local body = [[
      for _, level in ipairs{ "error", "warning", "info", "debug", "trace" } do reaper.log(level, "at " .. level) end
    ]]
    local levels = {
      [""] = { "error", "warning", "info" },
      ["verbose = 0"] = { "error", "warning", "info" },
      ["verbose = 1"] = { "error", "warning", "info", "debug" },
      ["verbose = true"] = { "error", "warning", "info", "debug" },
      ["verbose = 2"] = { "error", "warning", "info", "debug", "trace" },
      ["quiet = true"] = { "error" },
      ["quiet = false"] = { "error", "warning", "info" },
    }
    for setting, expected in pairs(levels) do
      local _, err = script.run(("reaper.configure{ %s } %s reaper.exit()"):format(setting, body))
      local told = {}
      for level in err:gmatch("at (%a+)\n") do
        told[#told + 1] = level
      end
      assert.are.same(expected, told, setting)
    end
  end)

  it("verbose is the engine's, too", function()
    local _, err = script.run("reaper.configure{ verbose = 1 }", { command = { "true" } })
    assert.matches("reaper%-lua: the main child %d+ ended: exit 0\n", err)
  end)

  it("log_format: JSON from the script process and the engine", function()
    local c = configured("log_format = 'json', grace = 0.1", {
      command = LEAVES_DEAF, more = "reaper.log('info', 'from the script')",
    })
    c:kill("TERM")
    c:wait()
    for line in c:err():gmatch("[^\n]+") do
      assert.matches('^{"time":"%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z","level":"info","message":"[^"]+"}$', line)
    end
    assert.matches('"message":"from the script"', c:err(), 1, true)
    assert.matches('"message":"the grace period', c:err(), 1, true)
  end)

  it("hook_timeout: how long the engine waits, and how long a hook may compute", function()
    local c = configured("hook_timeout = 0.2", { more = [[
      function on_signal(name)
        if name == "SIGUSR1" then os.execute("sleep 0.6") else while true do end end
      end
    ]] })
    c:kill("USR1")
    c:err_expect("on_signal has not answered within 0.2 s")
    c:expect("got 10\n")
    c:kill("USR2")
    c:err_expect("on_signal: .*computed for too long without yielding")
    c:expect("got 12\n")
  end)

  for _, size in ipairs { "'16M'", "16777216" } do
    it("hook_memory = " .. size .. ": a hook that takes more fails", function()
      local out = script.run(([[
        reaper.configure{ hook_memory = %s }
        function on_start() local text = ("x"):rep(2^20) print(#text) print(#text:rep(100)) end
        function on_error(message, hook) print(hook, message) reaper.exit() end
      ]]):format(size))
      assert.matches("^1048576\non_start\t.*not enough memory\n$", out)
    end)
  end

  it("script_timeout: a script process that is stuck is replaced", function()
    local c = configured("script_timeout = 0.3", { more = [[
      function on_start(_, again) print("start", again) end
      function on_signal() os.execute("sleep 1000") end
    ]] })
    c:expect("start\tnil\n")
    c:kill("USR1")
    c:expect("got 10\n")
    c:kill("USR1")
    c:err_expect("the script process has read nothing for 0.3 s")
    c:expect("start\tcrash\n")
  end)

  it("script_timeout: without it a script process that is stuck is told after 10 s, once", function()
    local c = configured("", { more = 'function on_signal() os.execute("sleep 1000") end' })
    for _ = 1, 2 do
      c:kill("USR1")
      c:expect("got 10\n")
    end
    c:err_expect("the script process has read no event for 10 s", 20)
    c:kill("USR2")
    c:expect("got 12\n")
    assert.equal(1, select(2, c:err():gsub("has read no event", "")))
  end)

  it("parent_death: the signal comes when the parent of reaper-lua dies", function()
    local program = container.binary
    finally(function()
      container.binary = program
    end)
    container.binary = "/bin/sh"
    local chunk = [[
      reaper.configure{ parent_death = "USR1" }
      function on_signal(name) print("got", name) return false end
      function on_start() io.open("{folder}/go", "w"):close() end
    ]]
    local c = container.start { raw = { "-c", [[
      sh -c '"$@" & while [ ! -e {folder}/go ]; do sleep 0.01; done' sh "$@"
      sleep 1000]], "sh", program, "-x", chunk } }
    c:expect("got\tSIGUSR1\n")
  end)
end)

describe("a setting", function()
  after_each(container.close_all)

  it("of the command line wins over the script's, which wins over the environment's", function()
    local function code(args, setting, env)
      local _, _, got = script.run(setting, { args = args, env = env, command = { "sh", "-c", "exit 3" } })
      return got
    end
    local env, setting = { REAPER_MAP_EXIT = "3:1" }, "reaper.configure{ map_exit = { [3] = 2 } }"
    assert.are.equal(1, code({}, "", env))
    assert.are.equal(2, code({}, setting, env))
    assert.are.equal(9, code({ "-e", "3:9" }, setting, env))
  end)

  it("can change at any time", function()
    local c = configured("rewrite = { USR1 = 'USR2' }", { more = [[
      reaper.on("on_signal", function(name)
        if name == "SIGHUP" then reaper.configure{ rewrite = { USR1 = "QUIT" } } end
      end)
    ]] })
    c:kill("USR1")
    c:expect("got 12\n")
    c:kill("HUP")
    c:expect("got 1\n")
    c:kill("USR1")
    c:expect("got 3\n")
  end)

  it("works while the script process stands still, and while there is none", function()
    for _, signal in ipairs { "STOP", "KILL" } do
      local c = configured("grace = 0.4, rewrite = { USR1 = 'USR2' }, map_exit = { [0] = 77 }",
        { command = LEAVES_DEAF })
      script.kill_script(c, signal)
      c:kill("USR1")
      c:expect("got 12\n")
      c:kill("TERM")
      c:expect("got 15\n")
      assert.are.equal(77, c:wait(4.5))
    end
  end)

  local rows = {
    { "{ grcae = 1 }", "unknown setting \"grcae\"; did you mean \"grace\"?" },
    { "{ xyzzy = 1 }", "unknown setting \"xyzzy\"" },
    { "{ grace = -1 }", "bad argument 'grace' to 'reaper.configure'" },
    { "{ grace = 'x' }", "\"x\" is not a number of seconds" },
    { "{ grace = {} }", "bad argument 'grace' to 'reaper.configure' (a number of seconds expected, got table)" },
    { "{ kill_group = 'maybe' }", "\"maybe\" is neither yes" },
    { "{ parent_death = 'TREM' }", "\"TREM\" is not a signal; did you mean TERM?" },
    { "{ map_exit = 3 }", "bad argument 'map_exit' to 'reaper.configure' (table expected, got number)" },
    { "{ map_exit = { [256] = 1 } }", "\"256:1\" is not CODE or CODE:TO" },
    { "{ rewrite = 'TERM:QUIT' }", "bad argument 'rewrite' to 'reaper.configure' (table expected, got string)" },
    { "{ rewrite = { KILL = 'TERM' } }", "cannot be rewritten" },
    { "{ rewrite = { TERM = 'QIUT' } }", "\"QIUT\" is not a signal; did you mean QUIT?" },
    { "{ user = 'no-such-user' }", "there is no user \"no-such-user\"" },
    { "{ verbose = 4 }", "\"4\" is not a number from 0 to 3" },
    { "{ log_format = 'xml' }", "\"xml\" is neither text nor json" },
    { "{ hook_memory = '1X' }", "\"1X\" is not a size" },
    { "{ hook_timeout = 0/0 }", "bad argument 'hook_timeout' to 'reaper.configure'" },
    { "{ 3 }", "bad argument 'key' to 'reaper.configure' (string expected, got number)" },
    { "3", "bad argument 'settings' to 'reaper.configure' (table expected, got number)" },
  }
  for _, row in ipairs(rows) do
    it("that is wrong raises: " .. row[1], function()
      local out = script.printed(("local function f()\nreaper.configure(%s)\nend\nprint(select(2, pcall(f)))")
        :format(row[1]))
      assert.matches("^[^\n]*/hooks.lua:2: ", out)
      assert.is_truthy(out:find(row[2], 1, true), out)
    end)
  end
end)
