-- What reaper.start takes: each key, wrong ones, the environment, and where it cannot be called.

local container = require "spec.support.container"
local program = require "spec.support.program"

local helper = container.helper

-- The three ways to a setting. `setting` stands in a table constructor, `variable` is NAME=value.
local WAYS = { "reaper.start", "reaper.configure after it", "the environment" }
local set = {
  ["reaper.start"] = function(setting)
    return ("assert(reaper.start { enable_child_subreaper = true, %s })"):format(setting), {}
  end,
  -- A request is answered after the orders before it, so the setting is in force then.
  ["reaper.configure after it"] = function(setting)
    return ("assert(reaper.start { enable_child_subreaper = true }) reaper.configure { %s } reaper.stats()")
      :format(setting), {}
  end,
  ["the environment"] = function(_, variable)
    local name, value = variable:match("^(.-)=(.*)$")
    return "assert(reaper.start { enable_child_subreaper = true })", { [name] = value }
  end,
}

-- A program that has set it in that way and goes on with `body`, as text and options for program.start.
local function set_by(way, mode, row, body)
  local start, env = set[way](row.setting, row.variable)
  local text = ('local reaper = require "reaper"\nlocal helper = %q\n%s\n%s'):format(helper, start, body)
  return text, { mode = mode, env = env, report_left = mode == "subreaper" }
end

-- What each setting does: `body` is run as a program, `check` sees its end. `modes`: where it can be seen, if not in
-- both.
local settings = {
  {
    setting = "grace = 0.3", variable = "REAPER_GRACE=0.3", does = "is the time between TERM and KILL at the end",
    body = 'os.execute(helper .. " daemon --ignore-term") os.exit(5)',
    check = function(code, _, err)
      assert.same(5, code)
      assert.matches("the grace period of 0.3 s is over", err, 1, true)
      assert.is_nil(err:find("host: left", 1, true))
    end,
  },
  {
    setting = "leave_orphans = true", variable = "REAPER_LEAVE_ORPHANS=1", does = "leaves alone what is left",
    modes = { "subreaper" },
    body = 'os.execute(helper .. " daemon --log {folder}/log") os.exit(5)',
    check = function(code, _, err)
      assert.same(5, code)
      assert.matches("host: left %d+ [RS] spec%-daemon\n", err)
    end,
  },
  {
    setting = "map_exit = { [3] = 4 }", variable = "REAPER_MAP_EXIT=3:4", does = "gives another exit code",
    body = "os.exit(3)",
    check = function(code, _, err)
      assert.same({ 4, "" }, { code, err })
    end,
  },
  {
    setting = "warn = true", variable = "REAPER_WARN=yes", does = "tells each orphan on stderr",
    body = 'os.execute(helper .. " orphans 2 --comm lonely --code 3 >/dev/null")',
    check = function(code, _, err)
      assert.same(0, code)
      assert.same(2, select(2, err:gsub("reaper%-lua: warning: reaped orphan %d+ %(lonely%): exit 3\n", "")))
    end,
  },
  {
    setting = "verbose = 1", variable = "REAPER_VERBOSE=1", does = "tells more, in the engine and in reaper.log",
    body = 'reaper.log("debug", "from the program") reaper.log("trace", "too much") os.exit(6)',
    check = function(code, _, err)
      assert.same(6, code)
      assert.matches("reaper%-lua: from the program\n.*reaper%-lua: the main child %d+ ended: exit 6\n", err)
      assert.is_nil(err:find("too much", 1, true))
    end,
  },
  {
    setting = "quiet = true, grace = 0.1", variable = "REAPER_QUIET=1", does = "tells errors only",
    body = [[reaper.configure { grace = 0.1 }
      reaper.log("warning", "a warning") reaper.log("error", "an error")
      os.execute(helper .. " daemon --ignore-term")]],
    check = function(code, _, err)
      assert.same({ 0, "reaper-lua: an error\n" }, { code, err })
    end,
  },
  {
    setting = "log_format = 'json', grace = 0.1", variable = "REAPER_LOG_FORMAT=json",
    does = "is the form of the lines of engine and program",
    body = [[reaper.configure { grace = 0.1 }
      reaper.log("info", "mine", { n = 1 }) os.execute(helper .. " daemon --ignore-term")]],
    check = function(code, _, err)
      assert.same(0, code)
      assert.matches('^{"time":"[^"]+","level":"info","message":"mine","n":1}\n'
        .. '{"time":"[^"]+","level":"info","message":"the grace period of 0%.1 s is over[^"]+"}\n$', err)
    end,
  },
}

-- The same for settings that are seen from outside, while the program runs.
local live_settings = {
  {
    setting = "rewrite = { USR1 = 'QUIT', usr2 = false }", variable = "REAPER_REWRITE=USR1:QUIT,usr2:0",
    does = "changes or drops a signal before it is forwarded",
    body = 'print("ready") reaper.loop()',
    check = function(c)
      c:kill("USR2")
      c:kill("USR1")
      assert.same(128 + 3, c:wait())
    end,
  },
  {
    setting = "hook_timeout = 0.3", variable = "REAPER_HOOK_TIMEOUT=0.3", does = "is how long an answer is waited for",
    body = 'reaper.on("on_signal", function() return false end) reaper.stats() print("ready") io.read()',
    check = function(c)
      c:kill("USR1")
      c:err_expect("on_signal has not answered within 0.3 s: taking the default")
      assert.same(128 + 10, c:wait())
    end,
  },
}

-- Two processes of one group; neither dies of WINCH.
local GROUP = [[
  reaper.configure { hook_timeout = 60 }
  reaper.on("on_signal", function(name)
    if name == "SIGRTMIN+1" then -- taken after WINCH, whose number is lower
      reaper.stats() -- the answer for WINCH was sent before it
      print("settled")
      return false
    end
  end)
  local pipe <close> = io.popen(helper .. " signals >&2")
  reaper.loop()
]]

describe("a setting given to", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, way in ipairs(WAYS) do
      for _, row in ipairs(settings) do
        if not row.modes or row.modes[1] == mode then
          it(("%s: %s %s"):format(way, row.setting:match("^%S+"), row.does), function()
            row.check(program.run(set_by(way, mode, row, row.body)))
          end)
        end
      end

      for _, row in ipairs(live_settings) do
        it(("%s: %s %s"):format(way, row.setting:match("^%S+"), row.does), function()
          local c = program.start(set_by(way, mode, row, row.body))
          c:expect("ready\n")
          row.check(c)
        end)
      end

      it(way .. ": kill_group forwards to the program's group", function()
        for setting, expected in pairs { ["true"] = true, ["false"] = false } do
          local row = { setting = "kill_group = " .. setting, variable = "REAPER_KILL_GROUP=" .. setting }
          local c = program.start(set_by(way, mode, row, GROUP))
          c:expect("ready\n")
          c:kill("WINCH")
          c:kill("RTMIN+1")
          c:expect("settled\n")
          local _, helpers = c:find("spec-helper")
          c:kill("RTMIN", helpers[#helpers].pid)
          c:expect("got 34\n")
          assert.same(expected, c:err():find("got 28\n", 1, true) ~= nil)
        end
      end)
    end
  end)
end)

-- The start of a program that looks at parents: stat(pid) gives its parent's pid.
local PARENTS = [[
  local function parent_of(pid)
    local file = io.open("/proc/" .. pid .. "/stat")
    return file and math.tointeger(file:read("a"):match("%) %a (%d+)"))
  end
  local me = io.open("/proc/self/stat"):read("n")
  -- The parent of a process whose own parent has ended.
  local function adopter()
    local pipe = io.popen("(sleep 1000 >/dev/null & echo $!)")
    local pid = pipe:read("n")
    pipe:close()
    return parent_of(pid)
  end
]]

describe("the key", function()
  after_each(container.close_all)

  local function printed(mode, config, body)
    return program.printed(('local reaper = require "reaper"\nlocal helper = %q\nassert(reaper.start { %s })\n%s')
      :format(helper, config, body), { mode = mode })
  end

  it("enable_child_subreaper lets the engine adopt orphans where it is not process 1", function()
    assert.same("true\n", printed("subreaper", "enable_child_subreaper = true",
      PARENTS .. "print(adopter() == parent_of(me))"))
  end)

  it("disable_pid1_check lets it run there without that", function()
    assert.same("true\ttrue\n", printed("subreaper", "disable_pid1_check = true",
      PARENTS .. "local parent = adopter() print(parent == 1, parent ~= parent_of(me))"))
  end)

  for _, keys in ipairs { "", "enable_child_subreaper = false", "disable_pid1_check = false" } do
    it(("is needed there: { %s } gives nil and a message that names both"):format(keys), function()
      assert.same("nil\treaper.start: this is process 2, not 1: set enable_child_subreaper to adopt orphans all the "
        .. "same, or disable_pid1_check\ntrue\n", program.printed(([[
        local reaper = require "reaper"
        %s
        local pid = me
        print(reaper.start { %s })
        print(parent_of(me) == 1 and io.open("/proc/self/stat"):read("n") == pid)
      ]]):format(PARENTS, keys), { mode = "subreaper" }))
    end)
  end

  container.each_mode(function(mode)
    it("debug tells each reap on stderr", function()
      local code, out, err = program.run(('local reaper = require "reaper"\n'
        .. 'assert(reaper.start { enable_child_subreaper = true, debug = true })\n'
        .. 'os.execute("%s orphans 3 --comm lonely --code 4 >/dev/null")'):format(helper), { mode = mode })
      assert.same({ 0, "" }, { code, out })
      assert.same(3, select(2, err:gsub("reaper%-lua: reaped orphan %d+ %(lonely%): exit 4\n", "")))
    end)

    it("debug = false tells nothing", function()
      local code, out, err = program.run(('local reaper = require "reaper"\n'
        .. 'assert(reaper.start { enable_child_subreaper = true, debug = false })\n'
        .. 'os.execute("%s orphans 3 >/dev/null")'):format(helper), { mode = mode })
      assert.same({ 0, "", "" }, { code, out, err })
    end)

    for _, row in ipairs {
      { "-1: all", "-1", "early 4\ngroup 5\nlate 6\n" },
      { "one pid: that one", "early", "early 4\n" },
      { "0: those of the program's group", "0", "late 6\n" },
      { "-PID: those of that group", "-group", "group 5\n" },
    } do
      -- What a program starts before reaper.start is the engine's child afterwards, so that its pid is known.
      it("pid says whose deaths are told, and all are reaped: " .. row[1], function()
        local out = program.printed(([[
          local reaper = require "reaper"
          local wait = "while [ ! -e {folder}/go ]; do sleep 0.01; done; "
          local pipes = { io.popen("echo $$; " .. wait .. "exit 4"),
            io.popen("exec setsid sh -c 'echo $$; " .. wait .. "exit 5'") }
          local early, group = pipes[1]:read("n"), pipes[2]:read("n")
          local names = { [4] = "early 4", [5] = "group 5", [6] = "late 6" }
          local told = {}
          assert(reaper.start { enable_child_subreaper = true, pid = %s, on_reap = function(_, status)
            told[#told + 1] = names[status.code]
          end })
          io.open("{folder}/go", "w"):close()
          os.execute("(" .. wait .. "exit 6) &")
          local p = reaper.spawn { "sh", "-c", "exit 7" }
          assert(p:wait().code == 7)
          repeat
            reaper.sleep(0.01)
            local left = io.open("/proc/" .. early) or io.open("/proc/" .. group)
          until not left and reaper.stats().reaped >= 4
          reaper.poll()
          table.sort(told)
          for _, name in ipairs(told) do print(name) end
        ]]):format(row[2]), { mode = mode })
        assert.same(row[3], out)
      end)
    end

    for _, options in ipairs { "0", "reaper.WNOHANG", "reaper.__WALL | reaper.__WNOTHREAD | reaper.WNOHANG" } do
      it("options may be " .. options, function()
        assert.same("exit 4\n", program.printed(([[
          local reaper = require "reaper"
          local told
          assert(reaper.start { enable_child_subreaper = true, options = %s, on_reap = function(_, status)
            told = status
          end })
          os.execute("(exit 4) &")
          while not told do reaper.poll(1) end
          print(told)
        ]]):format(options), { mode = mode }))
      end)
    end

    it("on_… is a hook, and so are others of its kind", function()
      local out = printed(mode, [[enable_child_subreaper = true, hook_timeout = 10,
        on_start = function() print("start") end,
        on_reap = function(_, status) print("reap", status) end,
        on_error = function(message, hook) print("error", hook) end,
        on_signal = function(name) print("signal", name) reaper.exit() return false end,
        on_stop = function(reason) print("stop", reason) error("oops") end,
        on_exit = function(code) print("exit", code) end,
        on_overflow = print]], [[
        reaper.run { "sh", "-c", "exit 3" }
        os.execute("kill -HUP " .. io.open("/proc/self/stat"):read("a"):match("%) %a (%d+)"))
        reaper.loop()
      ]])
      assert.same("start\nreap\texit 3\nsignal\tSIGHUP\nstop\texit\nerror\ton_stop\nexit\t0\n", out)
    end)
  end)

  -- The program stands below a shell that ends, in a container whose process 1 is another Lua program.
  for _, row in ipairs {
    { "reaper.start", "parent_death = 'USR1'", "", "" },
    { "reaper.configure after it", "", "reaper.configure { parent_death = 'sigusr1' } reaper.stats()", "" },
    { "the environment", "", "", "export REAPER_PARENT_DEATH=10;" },
  } do
    it("parent_death, given to " .. row[1] .. ", is the signal that comes when the parent dies", function()
      local c = program.start(([==[
        local file = io.open("{folder}/inner.lua", "w")
        file:write [[
          local reaper = require "reaper"
          assert(reaper.start { enable_child_subreaper = true, on_signal = function(name)
            print("got", name)
            return false
          end, %s })
          %s
          io.open("{folder}/go", "w"):close()
          reaper.loop()
        ]]
        file:close()
        os.execute [[%s sh -c 'lua5.4 {folder}/inner.lua & while [ ! -e {folder}/go ]; do sleep 0.01; done']]
        io.read()
      ]==]):format(row[2], row[3], row[4]))
      c:expect("got\tSIGUSR1\n")
      assert.same("", c:err())
    end)
  end
end)

describe("the precedence of settings", function()
  after_each(container.close_all)

  local rows = {
    { "reaper.configure over all", 0.1, "grace = 0.2", "reaper.configure { grace = 0.1 }", "0.3" },
    { "reaper.start over the environment", 0.2, "grace = 0.2", "", "0.3" },
    { "the environment over the default", 0.3, "", "", "0.3" },
  }
  for _, row in ipairs(rows) do
    it("is " .. row[1], function()
      local code, _, err = program.run(([[
        local reaper = require "reaper"
        assert(reaper.start { enable_child_subreaper = true, %s })
        %s
        os.execute("%s daemon --ignore-term")
      ]]):format(row[3], row[4], helper), { env = { REAPER_GRACE = row[5] } })
      assert.same(0, code)
      assert.same(row[2], tonumber(err:match("^reaper%-lua: the grace period of (%S+) s is over: [^\n]*\n$")))
    end)
  end

  it("is decided for each exit code by itself", function()
    for code, expected in pairs { [3] = 10, [4] = 20, [5] = 30, [6] = 6 } do
      assert.same(expected, (program.run(([[
        local reaper = require "reaper"
        assert(reaper.start { enable_child_subreaper = true, map_exit = { [3] = 11, [4] = 20 } })
        reaper.configure { map_exit = { [3] = 10 } }
        os.exit(%d)
      ]]):format(code), { env = { REAPER_MAP_EXIT = "3:12,4:21,5:30" } })))
    end
  end)
end)

describe("the environment of a program", function()
  after_each(container.close_all)

  for variable, message in pairs {
    ["REAPER_GRACE=abc"] = 'REAPER_GRACE: "abc" is not a number of seconds (a decimal that is not negative, such as '
      .. '2.5)',
    ["REAPER_REWRITE=TERM:QIUT"] = 'REAPER_REWRITE: "QIUT" is not a signal; did you mean QUIT?',
    ["REAPER_LOG_FORMAT=xml"] = 'REAPER_LOG_FORMAT: "xml" is neither text nor json',
    ["REAPER_WARN=perhaps"] = 'REAPER_WARN: "perhaps" is neither yes (1, true, on) nor no (0, false, off)',
  } do
    it("with a bad value lets no engine start, and nothing has changed: " .. variable, function()
      local name, value = variable:match("^(.-)=(.*)$")
      -- The right start that follows does not call the hooks of the wrong one.
      local out = program.printed(([[
        local reaper = require "reaper"
        local pid = io.open("/proc/self/stat"):read("n")
        local ok, message = reaper.start { enable_child_subreaper = true, on_reap = function() print("wrong") end }
        print(ok, message)
        print(io.open("/proc/self/stat"):read("n") == pid, pcall(reaper.stats) == false)
        require("luv").os_unsetenv("%s")
        assert(reaper.start { enable_child_subreaper = true })
        reaper.run { "true" }
        print(reaper.poll(0.05))
      ]]):format(name), { env = { [name] = value } })
      assert.same(("nil\treaper.start: %s\ntrue\ttrue\n0\n"):format(message), out)
    end)
  end

  it("may have what only reaper-lua itself understands, and what is empty", function()
    assert.same("true\n", program.printed('print(require("reaper").start { enable_child_subreaper = true })', { env = {
      REAPER_EVAL = "print(1)", REAPER_CHECK = "1", REAPER_PAUSE = "1", REAPER_USER = "nobody", REAPER_SUBREAPER = "1",
      REAPER_HOOK_MEMORY = "1M", REAPER_SCRIPT_TIMEOUT = "0.1", REAPER_SINGLE_CHILD = "1", REAPER_GRACE = "" } }))
  end)
end)

describe("reaper.start raises for", function()
  after_each(container.close_all)

  local text = "\"x\" is not a number of seconds (a decimal that is not negative, such as 2.5)"
  local rows = {
    -- Unknown keys, with the nearest known one.
    { "{ grcae = 1 }", "unknown key 'grcae' in 'reaper.start'; did you mean 'grace'?" },
    { "{ on_raep = print }", "unknown key 'on_raep' in 'reaper.start'; did you mean 'on_reap'?" },
    { "{ DisablePid1Check = true }", "unknown key 'DisablePid1Check' in 'reaper.start'; did you mean "
      .. "'disable_pid1_check'?" },
    { "{ Pid = 1 }", "unknown key 'Pid' in 'reaper.start'; did you mean 'pid'?" },
    { "{ xyzzy = 1 }", "unknown key 'xyzzy' in 'reaper.start'" },
    { "{ 'grace' }", "unknown key '1' in 'reaper.start'" },
    { "{ print, grace = 1 }", "unknown key '1' in 'reaper.start'" },
    { "{ [true] = 1 }", "unknown key 'true' in 'reaper.start'" },
    { "{ [0.5] = 1 }", "unknown key '0.5' in 'reaper.start'" },
    -- Not a table.
    { "3", "bad argument 'config' to 'reaper.start' (table expected, got number)" },
    { "'grace=3'", "bad argument 'config' to 'reaper.start' (table expected, got string)" },
    { "print", "bad argument 'config' to 'reaper.start' (table expected, got function)" },
    { "false", "bad argument 'config' to 'reaper.start' (table expected, got boolean)" },
    -- Wrong types and values of each key.
    { "{ grace = {} }", "'grace' to 'reaper.start' (a number of seconds expected, got table)" },
    { "{ grace = 'x' }", "'grace' to 'reaper.start' (" .. text },
    { "{ grace = -1 }", "'grace' to 'reaper.start' (\"-1\" is not a number of seconds" },
    { "{ grace = 0/0 }", "'grace' to 'reaper.start' (\"" },
    { "{ hook_timeout = true }", "'hook_timeout' to 'reaper.start' (a number of seconds expected, got boolean)" },
    { "{ kill_group = {} }", "'kill_group' to 'reaper.start' (a boolean expected, got table)" },
    { "{ kill_group = 'maybe' }", "'kill_group' to 'reaper.start' (\"maybe\" is neither yes" },
    { "{ leave_orphans = print }", "'leave_orphans' to 'reaper.start' (a boolean expected, got function)" },
    { "{ warn = {} }", "'warn' to 'reaper.start' (a boolean expected, got table)" },
    { "{ quiet = {} }", "'quiet' to 'reaper.start' (a boolean expected, got table)" },
    { "{ verbose = {} }", "'verbose' to 'reaper.start' (a boolean or a number from 0 to 3 expected, got table)" },
    { "{ verbose = 4 }", "'verbose' to 'reaper.start' (\"4\" is not a number from 0 to 3)" },
    { "{ rewrite = 'TERM:QUIT' }", "'rewrite' to 'reaper.start' (table expected, got string)" },
    { "{ rewrite = { TERM = 'QIUT' } }", "'rewrite' to 'reaper.start' (\"QIUT\" is not a signal; did you mean QUIT?)" },
    { "{ rewrite = { TERM = {} } }", "'rewrite' to 'reaper.start' (string expected, got table)" },
    { "{ rewrite = { KILL = 'TERM' } }", "'rewrite' to 'reaper.start' (\"KILL:TERM\": KILL and STOP never arrive" },
    { "{ map_exit = 3 }", "'map_exit' to 'reaper.start' (table expected, got number)" },
    { "{ map_exit = { [256] = 1 } }", "'map_exit' to 'reaper.start' (\"256:1\" is not CODE or CODE:TO" },
    { "{ log_format = true }", "'log_format' to 'reaper.start' (a text expected, got boolean)" },
    { "{ log_format = 'xml' }", "'log_format' to 'reaper.start' (\"xml\" is neither text nor json)" },
    { "{ parent_death = true }", "'parent_death' to 'reaper.start' (a signal's name or number expected, got boolean)" },
    { "{ parent_death = 'TREM' }", "'parent_death' to 'reaper.start' (\"TREM\" is not a signal; did you mean TERM?)" },
    { "{ debug = 1 }", "'debug' to 'reaper.start' (boolean expected, got number)" },
    { "{ disable_pid1_check = 'yes' }", "'disable_pid1_check' to 'reaper.start' (boolean expected, got string)" },
    { "{ enable_child_subreaper = 1 }", "'enable_child_subreaper' to 'reaper.start' (boolean expected, got number)" },
    { "{ pid = '1' }", "'pid' to 'reaper.start' (an integer from -2147483647 to 2147483647 expected, got string)" },
    { "{ pid = 1.5 }", "'pid' to 'reaper.start' (an integer from -2147483647 to 2147483647 expected, got 1.5)" },
    { "{ pid = 1 << 40 }", "'pid' to 'reaper.start' (an integer from -2147483647 to 2147483647 expected, got 109" },
    { "{ options = 'WNOHANG' }", "'options' to 'reaper.start' (an integer from 0 to 4294967295 expected, got string)" },
    { "{ on_reap = 3 }", "'on_reap' to 'reaper.start' (function expected, got number)" },
    { "{ on_signal = {} }", "'on_signal' to 'reaper.start' (function expected, got table)" },
    { "{ on_start = 'x' }", "'on_start' to 'reaper.start' (function expected, got string)" },
  }
  for _, name in ipairs { "WUNTRACED", "WCONTINUED", "__WCLONE" } do
    rows[#rows + 1] = { ("{ options = reaper.%s | reaper.WNOHANG }"):format(name), "'options' to 'reaper.start' "
      .. "(WNOHANG, __WALL and __WNOTHREAD expected: only deaths are told, of every kind of child; for stops use "
      .. "reaper.wait4)" }
  end
  -- What only a script of reaper-lua can mean, with the reason.
  local refused = {
    user = { "'nobody'", "it says as whom COMMAND runs, and this program runs already" },
    hook_memory = { "'64M'", "a program has its Lua state for itself" },
    script_timeout = { "1", "a program that reads nothing is not replaced" },
    on_reload = { "print", "a program is not loaded anew" },
  }
  for key, row in pairs(refused) do
    rows[#rows + 1] = { ("{ %s = %s }"):format(key, row[1]), ("'%s' to 'reaper.start' (%s)"):format(key, row[2]) }
  end

  it("each of these, where it is called, and nothing has changed", function()
    local lines = { 'local reaper = require "reaper"', "local function try(config) reaper.start(config) end" }
    for index, row in ipairs(rows) do
      lines[#lines + 1] = ("print(%d, select(2, pcall(try, %s)))"):format(index, row[1])
    end
    lines[#lines + 1] = 'print("pid", io.open("/proc/self/stat"):read("n"))'
    local out = program.printed(table.concat(lines, "\n"))
    for index, row in ipairs(rows) do
      local line = out:match(("\n%d\t([^\n]*)\n"):format(index)) or out:match("^1\t([^\n]*)\n")
      assert.matches("^[^\n]*/hooks%.lua:2: ", line)
      assert.is_truthy(line:find(row[2], 1, true), row[1] .. ": " .. line)
    end
    assert.matches("\npid\t1\n$", out)
  end)

  for _, row in ipairs {
    { "reaper.run_forked { grcae = 1 }", "unknown key 'grcae' in 'reaper.run_forked'; did you mean 'grace'?" },
    { "reaper.with_reaper({ grcae = 1 }, print)", "unknown key 'grcae' in 'reaper.with_reaper'; did you mean "
      .. "'grace'?" },
    { "reaper.on('on_reload', print)", "bad argument 'hook' to 'reaper.on' (on_reload: a program is not loaded anew)" },
    { "reaper.with_reaper({})", "bad argument 'fn' to 'reaper.with_reaper' (function expected, got no value)" },
    { "reaper.with_reaper(nil, 3)", "bad argument 'fn' to 'reaper.with_reaper' (function expected, got number)" },
    { "reaper.with_reaper(3, print)", "bad argument 'config' to 'reaper.with_reaper' (table expected, got number)" },
  } do
    it("wrong arguments, as its kin do: " .. row[1], function()
      local out = program.printed(('local reaper = require "reaper"\nprint(select(2, pcall(function() %s end)))')
        :format(row[1]))
      assert.is_truthy(out:find("hooks.lua:2: " .. row[2], 1, true), out)
    end)
  end

  for key, row in pairs(refused) do
    if key ~= "on_reload" then
      it("what only a script can mean, as reaper.configure does: " .. key, function()
        local out = program.printed(([[
          local reaper = require "reaper"
          assert(reaper.start { enable_child_subreaper = true })
          print(select(2, pcall(function() reaper.configure { %s = %s } end)))
        ]]):format(key, row[1]))
        assert.is_truthy(out:find(("hooks.lua:3: bad argument '%s' to 'reaper.configure' (%s)"):format(key, row[2]), 1,
          true), out)
      end)
    end
  end

  it("wrong settings, as reaper.configure does", function()
    local out = program.printed([[
      local reaper = require "reaper"
      assert(reaper.start { enable_child_subreaper = true })
      for _, given in ipairs { { grcae = 1 }, { grace = {} }, { grace = "x" }, { on_reap = print }, { 3 }, 3 } do
        print(select(2, pcall(function() reaper.configure(given) end)))
      end
    ]])
    for _, message in ipairs { "(unknown setting \"grcae\"; did you mean \"grace\"?)",
      "'grace' to 'reaper.configure' (a number of seconds expected, got table)", "(" .. text, "'on_reap'",
      "bad argument 'key' to 'reaper.configure' (string expected, got number)",
      "bad argument 'settings' to 'reaper.configure' (table expected, got number)" } do
      assert.is_truthy(out:find(message, 1, true), message .. "\n" .. out)
    end
  end)
end)

describe("reaper.start", function()
  after_each(container.close_all)

  -- What a program prints whose start failed: its pid is the same, and there is no engine to ask.
  local UNCHANGED = [[
    local reaper = require "reaper"
    local function stat() return io.open("/proc/self/stat"):read("n", "a") end
    local pid = stat()
    local function unchanged() return stat() == pid and not pcall(reaper.stats) end
    local function try(...)
      local ok, message, errno = reaper.start { enable_child_subreaper = true, on_reap = function() print("wrong") end }
      print(ok, message, errno)
    end
  ]]
  -- A right start after it, whose hooks are the only ones.
  local RIGHT = [[
    assert(reaper.start { enable_child_subreaper = true, on_reap = function(_, status) print("right", status) end })
    reaper.run { "sh", "-c", "exit 3" }
    reaper.sleep(0)
  ]]

  local posix = io.open("build/luaposix/posix/unistd.so")
  if posix then
    posix:close()
  end

  local function it_with_luaposix(title, f)
    if posix then
      it(title, f)
    else
      pending(title .. ": make build/luaposix/posix/unistd.so was in vain")
    end
  end

  container.each_mode(function(mode)
    it("a second time gives nil and a message, in the main chunk and in a hook, and its hooks are not taken", function()
      assert.same(("nil\treaper.start: reaping runs already\n"):rep(2) .. "nil\treaper.reap: reaping runs already\n"
        .. "nil\treaper.run_forked: reaping runs already\nnil\treaper.with_reaper: reaping runs already\tnil\n"
        .. "first\texit 3\n", program.printed([[
        local reaper = require "reaper"
        assert(reaper.start { enable_child_subreaper = true, on_reap = function(_, status) print("first", status) end })
        local again = { enable_child_subreaper = true, on_reap = function() print("second") end }
        print(reaper.start(again))
        reaper.after(0, function() print(reaper.start(again)) end)
        reaper.sleep(0.01)
        print(reaper.reap())
        print(reaper.run_forked(again))
        print(reaper.with_reaper(again, function() print("not called") end))
        reaper.run { "sh", "-c", "exit 3" }
        reaper.sleep(0)
      ]], { mode = mode }))
    end)

    it("works in a coroutine, which goes on in the program", function()
      assert.same("true\texit 3\nresumed\texit 4\n", program.printed([[
        local reaper = require "reaper"
        local co = coroutine.wrap(function()
          local ok = reaper.start { enable_child_subreaper = true }
          print(ok, (reaper.run { "sh", "-c", "exit 3" }))
          coroutine.yield()
          print("resumed", (reaper.run { "sh", "-c", "exit 4" }))
        end)
        co()
        reaper.sleep(0)
        co()
      ]], { mode = mode }))
    end)

    it("works in a timer of a program that sleeps before it", function()
      assert.same("true\nexit 3\n", program.printed([[
        local reaper = require "reaper"
        reaper.after(0.01, function() print(reaper.start { enable_child_subreaper = true }) end)
        reaper.sleep(0.05)
        print((reaper.run { "sh", "-c", "exit 3" }))
      ]], { mode = mode }))
    end)

    for what, make in pairs {
      ["a thread"] = [[
        local thread = uv.new_thread(function()
          while not io.open("{folder}/go") do require("luv").sleep(1) end
        end)
        local function unmake()
          io.open("{folder}/go", "w"):close()
          thread:join()
        end]],
      ["luv's pool of threads"] = [[
        uv.fs_stat("/", function() end)
        uv.run()
        local unmake]],
      ["luv's pool of threads, which looks up a name"] = [[
        uv.getaddrinfo("127.0.0.1", nil, nil, function() end)
        uv.run()
        local unmake]],
    } do
      it(("gives nil and a message after %s was made, and nothing has changed"):format(what), function()
        local message = "nil\treaper.start: this process has threads, which would end in the fork: call it before they "
          .. "are made\tnil\ntrue\n"
        local out = program.printed(("local uv = require 'luv'\n%s\n%s try() print(unchanged())\n"
          .. "if unmake then unmake() %s end"):format(make, UNCHANGED, RIGHT), { mode = mode })
        assert.same(message .. (make:find("join", 1, true) and "right\texit 3\n" or ""), out)
      end)
    end

    it("gives nil, a message and the errno when descriptors are used up, and works when there are some", function()
      assert.same("nil\treaper.start: cannot start the engine: Too many open files\t24\ntrue\nright\texit 3\n",
        program.printed(UNCHANGED .. [[
          local files = {}
          repeat
            files[#files + 1] = io.open("/dev/null")
          until not io.open("/dev/null")
          try()
          for _, file in ipairs(files) do file:close() end
          print(unchanged())
        ]] .. RIGHT, { mode = mode, wrap = { "/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh" } }))
    end)

    it_with_luaposix("works in a process that was forked before it, and in the one that has forked it", function()
      local out = program.printed([[
        local reaper = require "reaper"
        local unistd = require "posix.unistd"
        local function serve(name, code)
          local pid, told = unistd.getpid(), nil
          assert(reaper.start { enable_child_subreaper = true, on_reap = function(_, status) told = status end })
          os.execute("(exit " .. code .. ") &")
          while not told do reaper.poll(1) end
          print(name, unistd.getppid() == pid, told)
          os.exit(code)
        end
        local child = unistd.fork()
        if child == 0 then
          serve("child", 3)
        end
        print("ended", (select(2, reaper.wait4(child))))
        serve("parent", 0)
      ]], { mode = mode })
      assert.same("child\ttrue\texit 3\nended\texit 3\nparent\ttrue\texit 0\n", out)
    end)

    it_with_luaposix("gives nil, message in a process that was forked after it, where poll and spawn raise", function()
      local forked = "this process was forked from the program that the engine belongs to\n"
      local out = program.printed([[
        local reaper = require "reaper"
        local unistd = require "posix.unistd"
        assert(reaper.start { enable_child_subreaper = true })
        local child = unistd.fork()
        if child == 0 then
          print(reaper.start { enable_child_subreaper = true })
          print(reaper.reap())
          for _, name in ipairs { "poll", "loop", "fd", "stats", "exit" } do
            print((select(2, pcall(reaper[name])):gsub("^.*%d: ", "")))
          end
          print((select(2, pcall(reaper.spawn, { "true" })):gsub("^.*%d: ", "")))
          print((select(2, pcall(reaper.sleep, 0)):gsub("^.*%d: ", "")))
          os.exit(5)
        end
        print((select(2, reaper.wait4(child))))
      ]], { mode = mode })
      local expected = "reaper.start: this process was forked from a program whose orphans are reaped already\n"
      expected = "nil\t" .. expected .. "nil\t" .. expected:gsub("start", "reap")
      for _, name in ipairs { "poll", "loop", "fd", "stats", "exit", "spawn" } do
        expected = expected .. "reaper." .. name .. ": " .. forked
      end
      assert.same(expected .. "this process was forked from the one that the engine tells of events\nexit 5\n", out)
    end)

    for ending, call in pairs {
      ["closes its Lua state"] = "os.exit(5, true)",
      ["collects its garbage and exits"] = "p = nil collectgarbage() collectgarbage() os.exit(5)",
      ["makes timers and reads"] = "reaper.after(0, print) pcall(p.stdin.write, p.stdin, '') os.exit(5)",
      ["raises an error"] = "error('oops')",
    } do
      it_with_luaposix("leaves the program undisturbed by a process that was forked after it and " .. ending, function()
        local code, out, err = program.run(([[
          local reaper = require "reaper"
          local uv = require "luv"
          local unistd = require "posix.unistd"
          assert(reaper.start { enable_child_subreaper = true })
          local fd = reaper.fd()
          local p = reaper.spawn { "sh", "-c", "read line; echo got $line; exit 3", stdin = "pipe",
            stdout = function(line) print(line) end }
          reaper.poll(0)
          local fired
          reaper.after(0.3, function() fired = true print("fired") end)
          local child = unistd.fork()
          if child == 0 then
            %s
          end
          print(child > 0 and (select(2, reaper.wait4(child))).kind)
          -- Another event loop waits, so that nothing else than the descriptor tells of the timer.
          uv.new_poll(fd):start("r", function()
            reaper.poll()
            if fired then uv.stop() end
          end)
          uv.new_timer():start(20000, 0, function() uv.stop() end)
          uv.run()
          p.stdin:write("it\n")
          print((p:wait()))
          reaper.sleep(0.01)
        ]]):format(call), { mode = mode })
        assert.same({ 0, "exit\nfired\ngot it\nexit 3\n" }, { code, out })
        assert.same(call:find("error") and "oops" or "", err:match("oops") or err)
      end)
    end
  end)
end)
