-- The terminal: job control under process 1, and under a shell that has started reaper-lua as one of its jobs.

local container = require "spec.support.container"
local screen = require "spec.support.screen"

local helper, program = container.helper, container.binary
local PROMPT, environment = screen.prompt, screen.environment
local CTRL_C, CTRL_Z, CTRL_D = screen.ctrl_c, screen.ctrl_z, screen.ctrl_d
local see, type_line, has_terminal, groups_of = screen.see, screen.type_line, screen.has_terminal, screen.groups_of

local shells = {}
for name, words in pairs{ bash = { "/bin/bash", "--norc", "--noprofile", "-i" }, dash = { "/bin/dash", "-i" } } do
  if io.open(words[1]) then
    shells[#shells + 1] = { name = name, words = words }
  end
end

local function see_prompt(c)
  see(c, PROMPT)
end

-- Types a line and waits for what the shell computes from it: the shell has the terminal and works.
local function check_shell(c, number)
  type_line(c, ("echo alive$((%d+1))"):format(number))
  see(c, "alive" .. number + 1)
  see_prompt(c)
end

local function start(options)
  options.tty = true
  options.env = environment
  return container.start(options)
end

-- Waits until a process with these words has that state; gives it.
local function wait_for(c, words, state)
  return c:until_true(function()
    for _, process in ipairs(c:processes()) do
      if process.args:find(words, 1, true) == 1 and (not state or state:find(process.state, 1, true)) then
        return process
      end
    end
  end, 10, words .. " in state " .. (state or "any"))
end

-- A shell may reap its job only when it shows the next prompt.
local function wait_for_end(c)
  c:until_true(function()
    local found = c:find(container.comm)
    return not found or found.state == "Z"
  end, 5, "the end of reaper-lua")
end

describe("on a terminal", function()
  after_each(function()
    container.close_all()
    container.binary = program
  end)

  container.each_mode(function(mode)
    for _, shell in ipairs(shells) do
      local function start_shell(more)
        local c = start{ mode = mode, command = shell.words, script = more and more.script }
        see_prompt(c)
        return c
      end

      it("an interactive " .. shell.name .. " has job control", function()
        local c = start_shell()
        assert.is_nil(c:all():match("job control turned off") or c:all():match("can't access tty")
          or c:all():match("cannot set terminal process group"))
        type_line(c, "sleep 100 &")
        see_prompt(c)
        type_line(c, "jobs")
        see(c, "Running")
        see(c, "sleep 100")
        type_line(c, "fg")
        local sleep = wait_for(c, "sleep 100")
        c:until_true(function() return has_terminal(sleep) end, 5, "fg")
        c:write(CTRL_Z)
        wait_for(c, "sleep 100", "T")
        see(c, "Stopped")
        see_prompt(c)
        type_line(c, "fg")
        wait_for(c, "sleep 100", "S")
        c:until_true(function() return has_terminal(sleep) end, 5, "fg again")
        c:write(CTRL_C)
        see_prompt(c)
        c:until_true(function() return not c:find("sleep") end, 5, "the end of sleep")
        check_shell(c, 40)
        type_line(c, "exit 3")
        assert.are.equal(3, c:wait(5))
      end)

      it("Ctrl-C at " .. shell.name .. " stops neither it nor a policy", function()
        local c = start_shell{ script = "function on_signal(name) print('signal ' .. name) end" }
        local script_process = assert(c:find("reaper-script"))
        c:write "typed"
        screen.interrupt_shell(c, shell.name)
        see_prompt(c)
        check_shell(c, 50)
        assert.are.equal(script_process.pid, c:find("reaper-script").pid)
        assert.is_nil(c:out():match("signal SIG"))
        type_line(c, "exit")
        c:wait(5)
      end)
    end

    for _, group in ipairs{ false, true } do
      it("Ctrl-C reaches COMMAND exactly once" .. (group and " with -g" or ""), function()
        -- A Ctrl-C throws away what the terminal has not shown yet, unless it is told not to.
        local c = start{ mode = mode, args = { group and "-g" or nil },
          command = { "/bin/sh", "-c", "stty noflsh; exec " .. helper .. " signals" } }
        see(c, "ready")
        for _ = 1, 3 do
          c:write(CTRL_C)
          see(c, "got 2\r")
          c:kill("USR1") -- comes after a second INT if there was one on its way
          see(c, "got 10\r")
        end
        assert.are.equal(3, select(2, c:out():gsub("got 2\r", "")))
        c:kill("TERM")
        assert.are.equal(0, c:wait(5))
      end)
    end

    it("a change of its size reaches COMMAND exactly once", function()
      local c = start{ mode = mode, command = { "/bin/sh", "-c", "stty rows 20; exec " .. helper .. " signals" } }
      see(c, "ready")
      local command = c:find("spec-helper") and wait_for(c, helper .. " signals")
      assert(os.execute(("stty rows 33 -F /proc/%d/fd/0 >/dev/null"):format(command.pid)))
      c:expect("got 28\r")
      c:kill("USR1")
      c:expect("got 10\r")
      assert.are.equal(1, select(2, c:out():gsub("got 28\r", "")))
    end)

    it("COMMAND has the foreground, with a script, too", function()
      local c = start{ mode = mode, command = { helper, "signals" }, script = "function on_reap() end" }
      see(c, "ready")
      assert.is_true(has_terminal(wait_for(c, helper .. " signals")))
      assert.is_false(has_terminal(assert(c:find("reaper-script"))))
    end)
  end)
end)

describe("started from an interactive shell", function()
  after_each(function()
    container.close_all()
    container.binary = program
  end)

  -- Process 1 is the helper; below it the shell, which leads the terminal's session.
  local function start_shell(shell)
    container.binary = shell.words[1]
    local c = start{ mode = "subreaper", raw = table.move(shell.words, 2, #shell.words, 1, {}) }
    see_prompt(c)
    return c
  end

  local reading = program .. [[ -- /bin/sh -c 'echo pid$((0)); read x; echo got-$x-$((1+1))']]

  for _, shell in ipairs(shells) do
    it("Ctrl-Z stops the whole job, and fg lets it go on (" .. shell.name .. ")", function()
      local c = start_shell(shell)
      type_line(c, reading)
      see(c, "pid0")
      for _ = 1, 2 do
        c:write(CTRL_Z)
        see(c, "Stopped")
        see_prompt(c)
        wait_for(c, program, "T")
        wait_for(c, "/bin/sh -c", "T")
        check_shell(c, 60)
        type_line(c, "fg")
        local command = wait_for(c, "/bin/sh -c", "S")
        c:until_true(function() return has_terminal(command) end, 5, "the terminal given to COMMAND again")
      end
      type_line(c, "word")
      see(c, "got-word-2")
      see_prompt(c)
      check_shell(c, 70)
    end)

    it("can be brought to the foreground before COMMAND wants to read (" .. shell.name .. ")", function()
      local c = start_shell(shell)
      type_line(c, ("%s -- /bin/sh -c 'echo pid$((0)); until test -e %s; do :; done; read x; echo got-$x-$((1+1))' &")
        :format(program, c:file("go")))
      see(c, "pid0")
      local job, command = wait_for(c, program), wait_for(c, "/bin/sh -c")
      type_line(c, "fg")
      c:until_true(function() return has_terminal(job) or has_terminal(command) end, 5, "the terminal for the job")
      io.open(c:file("go"), "w"):close()
      c:until_true(function() return has_terminal(command) end, 5, "the terminal for COMMAND")
      type_line(c, "word")
      see(c, "got-word-2")
      check_shell(c, 150)
    end)

    it("gives the terminal back when COMMAND ends or is killed by Ctrl-C (" .. shell.name .. ")", function()
      local c = start_shell(shell)
      type_line(c, program .. " -- sleep 100; echo code$?")
      local command = wait_for(c, "sleep 100")
      c:until_true(function() return has_terminal(command) end, 5, "the terminal for COMMAND")
      c:write(CTRL_C)
      see(c, "code130")
      see_prompt(c)
      check_shell(c, 80)
    end)

    it("does not take the terminal when it is started in the background (" .. shell.name .. ")", function()
      local c = start_shell(shell)
      type_line(c, program .. " -- sleep 100 &")
      see_prompt(c)
      local command = wait_for(c, "sleep 100")
      check_shell(c, 90)
      local _, foreground = groups_of(command)
      assert.are.equal(foreground, (groups_of(wait_for(c, shell.words[1]))))
      c:kill("TERM", command.pid)
      wait_for_end(c)
      check_shell(c, 100)
    end)

    it("can be brought to the foreground when COMMAND wants to read (" .. shell.name .. ")", function()
      local c = start_shell(shell)
      type_line(c, reading .. " &")
      see(c, "pid0")
      wait_for(c, "/bin/sh -c", "T") -- TTIN
      wait_for(c, program, "T")
      check_shell(c, 110)
      type_line(c, "fg")
      local command = wait_for(c, "/bin/sh -c", "S")
      c:until_true(function() return has_terminal(command) end, 5, "the terminal for COMMAND")
      type_line(c, "word")
      see(c, "got-word-2")
      check_shell(c, 120)
    end)

    it("leaves the terminal to the shell when it ends in the background after bg (" .. shell.name .. ")", function()
      local c = start_shell(shell)
      type_line(c, program .. " -- sleep 100")
      local command = wait_for(c, "sleep 100")
      c:until_true(function() return has_terminal(command) end, 5, "the terminal for COMMAND")
      c:write(CTRL_Z)
      see(c, "Stopped")
      see_prompt(c)
      type_line(c, "bg")
      see_prompt(c)
      wait_for(c, "sleep 100", "S")
      c:kill("TERM", command.pid)
      wait_for_end(c)
      assert.is_true(has_terminal(wait_for(c, shell.words[1])))
      check_shell(c, 130)
    end)
  end

  it("gives the terminal back to a script, which shares its group", function()
    container.binary = "/bin/sh"
    local c = start{ mode = "subreaper",
      raw = { "-c", program .. " -- true; echo code$?; read x; echo got-$x-$((1+1))" } }
    see(c, "code0")
    type_line(c, "word")
    see(c, "got-word-2")
    assert.are.equal(0, c:wait(5))
  end)

  it("leaves the terminal to a script that has started it in the background", function()
    container.binary = "/bin/sh"
    local script = ("%s -- sh -c 'echo up >{folder}/up; sleep 5' & until test -s {folder}/up; do sleep 0.02; done; "
      .. "echo reading; read x </dev/tty; echo got-$x-$((1+1))"):format(program)
    local c = start{ mode = "subreaper", raw = { "-c", script } }
    see(c, "reading")
    type_line(c, "word")
    see(c, "got-word-2")
  end)

  it("is ended by Ctrl-D at a COMMAND that reads", function()
    local c = start_shell(shells[1])
    type_line(c, program .. " -- cat; echo code$?")
    local command = wait_for(c, "cat")
    c:until_true(function() return has_terminal(command) end, 5, "the terminal for cat")
    c:write(CTRL_D)
    see(c, "code0")
    check_shell(c, 140)
  end)
end)
