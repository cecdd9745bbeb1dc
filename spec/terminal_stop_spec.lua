-- Ctrl-C goes past process 1, to COMMAND: a COMMAND that it ends in the terminal's foreground is not started again.

local container = require "spec.support.container"
local screen = require "spec.support.screen"

local helper, program = container.helper, container.binary
local see, type_line = screen.see, screen.type_line
local CTRL_C, CTRL_BACKSLASH = screen.ctrl_c, "\28"
local SHELL = { "/bin/bash", "--norc", "--noprofile", "-i" }

-- Restarts COMMAND after a pause, whatever it ended with, and tells what it is told.
local RESTARTS = [[
  function on_reap(_, status, _, info)
    if not info.main then return end
    print("reaped-" .. tostring(status))
    reaper.sleep(0.01)
    local ok, why = reaper.main:start()
    print(ok and "again" or why)
  end
  function on_stop(reason) print("stop-" .. reason) end
  function on_exit(code) print("exit-" .. code) end
]]

local function start(options)
  options.tty = true
  options.env = screen.environment
  return container.start(options)
end

local function start_shell(files)
  local c = start { mode = "subreaper", program = SHELL, raw = {}, files = files }
  see(c, screen.prompt)
  return c
end

-- How a shell starts reaper-lua: as its child, or as process 1 of a namespace, where its group has no number.
local jobs = {
  { "a job of a shell", "" },
  { "a job of a shell in a PID namespace", "unshare --pid --fork --mount-proc --kill-child " },
}

-- What ends COMMAND, and with which code.
local ends = {
  { "is killed by Ctrl-C", helper .. " hold", CTRL_C, 130 },
  { "is killed by Ctrl-\\", helper .. " hold", CTRL_BACKSLASH, 131 },
  { "catches Ctrl-C and ends with 130",
    [[/bin/sh -c 'trap "exit 130" INT; echo up$((0)); while :; do sleep 0.02; done']], CTRL_C, 130 },
}

local function wait_for_command(c, command)
  if command:find "trap" then
    see(c, "up0")
  else
    c:until_true(function()
      for _, process in ipairs(c:processes()) do
        if process.args:find(command, 1, true) == 1 and process.state == "S" then
          return true
        end
      end
    end, 10, command)
  end
end

describe("a COMMAND in the terminal's foreground", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, row in ipairs(ends) do
      it(row[1] .. " and stays so, with --restart", function()
        local c = start { mode = mode, args = { "--restart", "always" },
          command = { "/bin/sh", "-c", "exec " .. row[2] } }
        wait_for_command(c, row[2])
        c:write(row[3])
        assert.are.equal(row[4], c:wait())
        assert.is_nil(c:out():find("again", 1, true))
      end)

      it(row[1] .. " and stays so: a script is told, and not asked", function()
        local c = start { mode = mode, script = RESTARTS, command = { "/bin/sh", "-c", "exec " .. row[2] } }
        wait_for_command(c, row[2])
        c:write(row[3])
        assert.are.equal(row[4], c:wait())
        for _, text in ipairs { "reaped-", "stop-main", "exit-" .. row[4] } do
          assert.matches(text, c:out(), 1, true)
        end
        assert.is_nil(c:out():find("again", 1, true))
      end)
    end

    it("that is a shell stays ended when it ends with 130 after a Ctrl-C", function()
      local c = start { mode = mode, args = { "--restart", "always" }, command = SHELL }
      see(c, screen.prompt)
      c:write "typed"
      screen.interrupt_shell(c, "bash")
      see(c, screen.prompt)
      type_line(c, "exit")
      assert.are.equal(130, c:wait())
    end)

    it("is started again after any other end, and reads", function()
      local c = start { mode = mode, script = RESTARTS,
        command = { "/bin/sh", "-c", "read x; echo got-$x-$((1+1)); exit 129" } }
      for _, word in ipairs { "first", "second", "third" } do
        type_line(c, word)
        see(c, "got-" .. word .. "-2")
        see(c, "again")
      end
    end)

    it("is started again, and has the terminal, when a job of its own had it", function()
      local c = start { mode = mode, script = RESTARTS, command = SHELL }
      see(c, screen.prompt)
      local shell = assert(c:find "bash")
      type_line(c, "sleep 100")
      c:until_true(function()
        local sleep = c:find "sleep"
        return sleep and screen.has_terminal(sleep)
      end, 10, "the job")
      c:kill("KILL", shell.pid)
      see(c, screen.prompt)
      type_line(c, "echo alive$((1+1))")
      see(c, "alive2")
    end)

    it("can be stopped by Ctrl-C in the pause before it is started again", function()
      local c = start { mode = mode, command = { "/bin/sh", "-c", "exit 7" },
        script = [[function on_reap(_, _, _, info) if info.main then print "pause" reaper.sleep(1000) end end]] }
      see(c, "pause")
      c:write(CTRL_C)
      assert.are.equal(7, c:wait())
    end)
  end)

  -- It is started beside a service that shows what it gets, and that goes on for a while.
  local BESIDE = [[
    require "reaper.supervisor".run { { name = "db", stop = { grace = %s }, ready = { line = "%s" },
      command = { "sh", "-c", "trap 'echo db-got-TERM; %s' TERM; trap 'echo db-got-INT' INT; echo up; "
        .. "while :; do sleep 0.02; done" } } }
    function on_service(name, state) if name == "db" then print("db-" .. state) end end
    function on_reap(_, status, _, info) if info.main then print("main-" .. tostring(status)) end end
    function on_stop(reason) print("stop-" .. reason) end
  ]]

  container.each_mode(function(mode)
    for _, row in ipairs(ends) do
      it("beside services " .. row[1] .. ": nothing is started again, and they are stopped in order", function()
        local c = start { mode = mode, script = BESIDE:format("5", "up", "exit 0"),
          command = { "/bin/sh", "-c", "read x; echo got-$x; exec " .. row[2] } }
        see(c, "db-running")
        type_line(c, "word") -- it has the foreground
        see(c, "got-word")
        wait_for_command(c, row[2])
        c:write(row[3])
        assert.are.equal(row[4], c:wait())
        assert.matches("main%-%w+ [^\n]*\n.*db%-got%-TERM.*stop%-main", c:out())
        assert.not_matches("db-got-INT", c:out(), 1, true)
      end)
    end

    it("is stopped by the user, whose second Ctrl-C kills services that go on", function()
      local c = start { mode = mode, script = BESIDE:format("1000", "up", ":"), args = { "--grace", "1000" },
        command = { "/bin/sh", "-c", "echo command-up$((0)); exec " .. helper .. " hold" } }
      see(c, "command-up0")
      wait_for_command(c, helper .. " hold")
      c:write(CTRL_C)
      see(c, "db-got-TERM")
      c:write(CTRL_C)
      assert.are.equal(130, c:wait())
    end)

    it("is not there yet: Ctrl-C is the stop", function()
      local c = start { mode = mode, script = BESIDE:format("5", "never", "exit 0"), command = { helper, "hold" } }
      see(c, "up")
      c:write(CTRL_C)
      assert.are.equal(130, c:wait())
      assert.matches("db%-got%-TERM.*stop%-SIGINT", c:out())
    end)
  end)

  for _, job in ipairs(jobs) do
    it("stays ended by Ctrl-C, with --restart (" .. job[1] .. ")", function()
      local c = start_shell()
      type_line(c, job[2] .. program .. " --restart always -- " .. helper .. " hold; echo code$?")
      wait_for_command(c, helper .. " hold")
      c:write(CTRL_C)
      see(c, screen.prompt)
      c:until_true(function()
        return not c:find(container.comm)
      end, 10, "the end")
      assert.is_nil(c:out():find("again", 1, true))
    end)
  end
end)

describe("a COMMAND in the background", function()
  after_each(container.close_all)

  for _, job in ipairs(jobs) do
    it("that INT has killed is started again (" .. job[1] .. ")", function()
      local c = start_shell()
      type_line(c, ("GO=%s; export GO"):format(c:file "go"))
      type_line(c, job[2] .. program .. " --restart always -- /bin/sh -c 'echo run$((0)); "
        .. "until test -e $GO; do sleep 0.02; done; rm $GO; kill -INT $$' &")
      for _ = 1, 2 do
        see(c, "run0")
        io.open(c:file "go", "w"):close()
      end
      see(c, "run0")
    end)
  end
end)

describe("a job of a shell", function()
  after_each(container.close_all)

  it("has a script that sees no Ctrl-C, but what is sent to reaper-lua alone", function()
    local c = start_shell { ["hooks.lua"] = "function on_signal(name) print('signal-' .. name) end" }
    type_line(c, ("stty noflsh; %s %s -- %s signals"):format(program, c:file "hooks.lua", helper))
    see(c, "ready")
    c:write(CTRL_C)
    see(c, "got 2\r")
    c:kill("USR1", assert(c:find(container.comm)).pid)
    see(c, "signal-SIGUSR1")
    see(c, "got 10\r")
    assert.is_nil(c:out():find("signal-SIGINT", 1, true))
  end)

  it("has Ctrl-C forwarded to a COMMAND that has left the group", function()
    local c = start_shell()
    type_line(c, ("stty noflsh; %s -- setsid %s signals"):format(program, helper))
    see(c, "ready")
    c:write(CTRL_C)
    see(c, "got 2\r")
  end)

  it("has signals forwarded with -g to COMMAND's children, and not to its neighbours in a pipeline", function()
    local c = start_shell()
    local line = [[%s -g -- /bin/sh -c '%s signals >%s & exec %s signals >%s' | %s signals >%s &]]
    type_line(c, line:format(program, helper, c:file "child", helper, c:file "command", helper, c:file "neighbour"))
    local function wait_for_all(text)
      c:until_true(function()
        return (c:read "child" or ""):find(text, 1, true) and (c:read "command" or ""):find(text, 1, true)
      end, 10, text)
    end
    wait_for_all "ready\n"
    c:until_true(function()
      return c:read "neighbour" == "ready\n"
    end, 10, "the neighbour")
    c:kill("USR1", assert(c:find(container.comm)).pid)
    wait_for_all "got 10\n"
    type_line(c, "kill -USR2 %1") -- comes after what was on its way
    c:until_true(function()
      return (c:read "neighbour"):find("got 12\n", 1, true)
    end, 10, "the second signal")
    assert.are.equal("ready\ngot 12\n", c:read "neighbour")
  end)

  it("gives the terminal back, when COMMAND is a shell that was killed, to a script that shares the group", function()
    local c = start { mode = "subreaper", program = { "/bin/sh", "-c" }, raw = {
      program .. " -- " .. table.concat(SHELL, " ") .. "; echo code$?; read x; echo got-$x-$((1+1))" } }
    see(c, screen.prompt)
    c:kill("KILL", assert(c:find "bash").pid)
    see(c, "code137")
    type_line(c, "word")
    see(c, "got-word-2")
  end)

  it("is stopped when a shell as COMMAND suspends itself", function()
    local c = start_shell()
    type_line(c, program .. " -- " .. table.concat(SHELL, " "))
    see(c, screen.prompt)
    type_line(c, "suspend -f")
    see(c, "Stopped")
    see(c, screen.prompt)
    type_line(c, "echo outer$((1+1)); fg")
    see(c, "outer2")
    see(c, screen.prompt)
    type_line(c, "echo inner$((1+1))")
    see(c, "inner2")
  end)

  it("goes on when somebody stops COMMAND in the background", function()
    local c = start_shell()
    type_line(c, ("%s -- %s hold &"):format(program, helper))
    wait_for_command(c, helper .. " hold")
    local function command()
      return c:children_of(assert(c:find(container.comm)).nspid)[1]
    end
    c:kill("STOP", command().pid)
    c:until_true(function()
      return command().state == "T"
    end, 10, "COMMAND to be stopped")
    c:kill("TERM", c:find(container.comm).pid) -- a stopped reaper-lua would not forward it, with the CONT behind it
    c:until_true(function()
      return not c:find(container.comm)
    end, 10, "the end")
  end)
end)
