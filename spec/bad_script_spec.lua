-- A script that is missing, is no text, does not load, or is still loading when the container is stopped.

local container = require "spec.support.container"

local helper = container.helper

-- Words before the program that prepare the folder.
local function prepared(text)
  return { "/bin/sh", "-c", text .. '\nexec "$@"', "sh" }
end

describe("a script that cannot be loaded", function()
  after_each(container.close_all)

  -- What prepares it, its path, and what the message must contain. "{folder}" cannot stand in a pattern.
  local files = {
    { "is missing", ":", "{folder}/missing.lua", "cannot open the script [^\n]*/missing%.lua: No such file" },
    { "is behind a file", ":", "/etc/passwd/a.lua", "cannot open the script /etc/passwd/a%.lua: Not a directory" },
    { "has no name", ":", "", "cannot open the script : No such file" },
    { "is a directory", ":", "{folder}", "the script [^\n]* is a directory" },
    { "is a FIFO", "mkfifo {folder}/fifo", "{folder}/fifo", "the script [^\n]*/fifo is a FIFO" },
    { "is an empty device", ":", "/dev/null", "the script /dev/null is a device" },
    { "is an endless device", ":", "/dev/zero", "the script /dev/zero is a device" },
    { "is a program", ":", helper, "spec%-helper:1: " },
    { "is a link to itself", "ln -s loop {folder}/loop", "{folder}/loop", "cannot open the script [^\n]*/loop: " },
    { "is a binary chunk", "lua5.4 -e 'io.write(string.dump(load(\"print(1)\")))' >{folder}/binary",
      "{folder}/binary", "attempt to load a binary chunk" },
  }

  local texts = {
    { "has a syntax error", "local a = 1\nif a then", "hooks%.lua:2: 'end' expected near <eof>" },
    { "raises a string", "local function f()\n  error('boom')\nend\nf()",
      "hooks%.lua:2: boom\n  stack traceback:\n.*hooks%.lua:2: .*hooks%.lua:4: " },
    { "raises an object", "error(setmetatable({}, { __tostring = function() return 'an object' end }))", "an object" },
    { "raises nothing", "error()", "nil\n  stack traceback:" },
    { "calls what is not there", "reaper.spwan{ 'true' }", "hooks%.lua:1: .*'spwan'.*stack traceback" },
    { "requires what is not there", "require 'no.such.module'",
      "module 'no%.such%.module' not found.*stack traceback" },
    { "has a hook that is no function", "on_reap = 'x'", "the hook 'on_reap' is a string, not a function" },
    { "returns a hook that is no function", "return { on_exit = {} }", "the hook 'on_exit' is a table" },
    { "has a wrong setting", "reaper.configure{ grace = -1 }", "'grace' to 'reaper%.configure'.*stack traceback" },
    { "has an unknown setting", "reaper.configure{ kil_group = true }", "kil_group.*kill_group.*stack traceback" },
    { "loops for ever", "while true do end", "hooks%.lua:1: computed for too long without yielding" },
    { "eats memory", "local t = {} for i = 1, 1 << 40 do t[i] = ('x'):rep(9999) .. i end", "not enough memory",
      { "--hook-timeout=9", "--hook-memory=32M" } },
    { "recurses for ever", "local function f() return 1 + f() end f()", "stack overflow",
      { "--hook-timeout=9" } },
    { "kills itself", "os.execute('kill -KILL $PPID')",
      "the script process ended %(signal SIGKILL%) while it loaded the script" },
  }

  local function assert_refused(pattern, code, out, err)
    assert.are.same({ 125, "" }, { code, out })
    assert.matches("^reaper%-lua: ", err)
    assert.matches(pattern, err)
  end

  container.each_mode(function(mode)
    for _, row in ipairs(files) do
      it(row[1] .. ": COMMAND is not started", function()
        assert_refused(row[4], container.run{ mode = mode, wrap = prepared(row[2]), script_path = row[3],
          command = { "/bin/echo", "COMMAND ran" } })
      end)
    end

    for _, row in ipairs(texts) do
      it(row[1] .. ": COMMAND is not started", function()
        assert_refused(row[3], container.run{ mode = mode, script = row[2],
          args = row[4] or { "--hook-timeout=0.2", "--hook-memory=32M" }, command = { "/bin/echo", "COMMAND ran" } })
      end)
    end

    it("has spawned something: that is stopped", function()
      local code, out, err = container.run{ mode = mode, report_left = mode == "subreaper", script = ([[
        assert(reaper.spawn{ "%s", "daemon" })
        reaper.sleep(0.1)
        error("late")
      ]]):format(helper), command = { "/bin/echo", "COMMAND ran" } }
      assert.are.equal(125, code)
      assert.not_matches("COMMAND ran", out)
      assert.matches("hooks.lua:3: late", err, 1, true)
      assert.not_matches("host: left", err)
    end)
  end)

  it("is a text behind -x with an error", function()
    assert_refused("%-x:2: boom.*stack traceback", container.run{ args = { "-x", "\nerror('boom')" },
      command = { "/bin/echo", "COMMAND ran" } })
    assert_refused("binary chunk", container.run{ args = { "-x", "\27Lua" }, command = { "/bin/echo", "COMMAND ran" } })
  end)

  it("says why although hooks have no time to answer", function()
    for _ = 1, 6 do -- it is a matter of microseconds
      assert_refused("boom.*stack traceback", container.run{ args = { "--hook-timeout", "0" }, script = "error('boom')",
        command = { "/bin/echo", "COMMAND ran" } })
    end
  end)

  it("ends with 125 though nobody reads stderr", function()
    local c = container.start{ full_stderr = true, script = "error('boom')", command = { "/bin/true" } }
    assert.are.equal(125, c:wait(5))
  end)

  it("leaves the old one where it was when it is reloaded, though nobody reads stderr", function()
    local c = container.start{ full_stderr = true, args = { "--hook-timeout", "0.2" }, script = [[
      if io.open("{folder}/broken") then error("broken") end
      function on_start(_, again) print("start", again) end
    ]] }
    c:expect("start\tnil\n")
    local old = c:find("reaper-script").pid
    assert(io.open(c:file("broken"), "w")):close()
    c:kill("HUP")
    c:until_true(function() return #c:processes() == 3 end, 5, "the new script process")
    c:until_true(function() return #c:processes() == 2 end, 5, "the end of the new script process")
    assert.are.equal(old, c:find("reaper-script").pid)
    os.remove(c:file("broken"))
    c:kill("HUP")
    c:expect("start\treload\n")
  end)

  it("ends the engine when the script alone does not load", function()
    assert.are.equal(125, (container.run{ script = "if", command = nil }))
  end)
end)

describe("an odd script", function()
  local good = {
    { "that is empty", "" },
    { "that is a comment without a newline", "-- nothing" },
    { "with a line for the kernel", "#!/usr/bin/env reaper-lua\nassert(debug.getinfo(1).currentline == 2)" },
    { "of 2 megabytes",
      ("-- " .. ("x"):rep(97) .. "\n"):rep(20000) .. "assert(debug.getinfo(1).currentline == 20001)" },
    { "with carriage returns", "local a = 1\r\nlocal b = a\r\nassert(b == 1)\r\n" },
    { "that returns something else than hooks", "return 42" },
  }
  for _, row in ipairs(good) do
    it("is a script: one " .. row[1], function()
      assert.are.same({ 3, "", "" }, { container.run{ script = row[2], command = { helper, "exit", 3 } } })
    end)
  end
end)

describe("a signal while the script is loading", function()
  after_each(container.close_all)

  local ways = {
    { "waits", "reaper.sleep(60)" },
    { "computes", "while true do end" },
    { "blocks", "os.execute('sleep 60')", "sleep" }, -- once that one is there
    { "blocks in a read", "io.read()" },
  }
  local numbers = { TERM = 143, INT = 130, QUIT = 131 }

  container.each_mode(function(mode)
    for name, code in pairs(numbers) do
      for _, way in ipairs(ways) do
        it(("ends it with 128 + %s when it %s"):format(name, way[1]), function()
          local c = container.start{ mode = mode, args = { "--hook-timeout=30" },
            script = "print('loading')\n" .. way[2], command = { "/bin/echo", "COMMAND ran" } }
          c:expect("loading\n")
          c:until_true(function() return c:find(way[3] or "reaper-script") end)
          c:kill(name)
          assert.are.equal(code, c:wait(5))
          assert.are.equal("loading\n", c:out())
        end)
      end
    end

    it("stops what the script has spawned", function()
      local c = container.start{ mode = mode, report_left = mode == "subreaper", script = ([[
        reaper.spawn{ "%s", "daemon" , "--log", "{folder}/log" }
        reaper.sleep(60)
      ]]):format(helper) }
      c:expect("daemon %d+\n")
      c:kill("TERM")
      assert.are.equal(143, c:wait(5))
      assert.are.equal("got 15\n", c:read("log"))
      assert.not_matches("host: left", c:err())
    end)

    it("is kept for COMMAND when it is another one", function()
      local script = [[
        print("loading")
        repeat reaper.sleep(0.01) until io.open("{folder}/go")
      ]]
      local c = container.start{ mode = mode, script = script, command = { helper, "signals" },
        block = { "HUP", "USR1", "RTMIN" } } -- by COMMAND, until it looks
      c:expect("loading\n")
      for _, name in ipairs { "HUP", "USR1", "RTMIN" } do
        c:kill(name)
      end
      assert(io.open(c:file("go"), "w")):close()
      c:expect("ready\ngot 1\ngot 10\ngot 34\n")
      c:kill("TERM")
      assert.are.equal(0, c:wait())
    end)
  end)
end)
