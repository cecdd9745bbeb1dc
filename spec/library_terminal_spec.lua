-- The terminal stays with the program that has called reaper.start; Ctrl-C does what it does without the library.

local container = require "spec.support.container"
local screen = require "spec.support.screen"
local program = require "spec.support.program"

local helper = container.helper
local PROMPT, environment = screen.prompt, screen.environment
local CTRL_C, CTRL_Z, CTRL_D = screen.ctrl_c, screen.ctrl_z, screen.ctrl_d
local see, type_line, has_terminal = screen.see, screen.type_line, screen.has_terminal

-- The group of a process and the one in the terminal's foreground, as the machine counts.
local function has_luv()
  return (pcall(require, "luv"))
end

-- A program that has started the engine with these keys.
local function started(body, keys)
  return ([[
    io.stdout:setvbuf "line"
    local reaper = require "reaper"
    assert(reaper.start { enable_child_subreaper = true, %s })
    %s
  ]]):format(keys or "", body)
end

local function start(mode, text)
  return program.start(text, { mode = mode, tty = true, env = environment })
end

-- The program itself: the engine's oldest child.
local function program_of(c)
  return assert(c:children_of(c.nspid)[1], "the engine has no child")
end

describe("a program on a terminal", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is in the foreground as soon as reaper.start returns, and reads", function()
      local c = start(mode, started [[
        local stat = io.open("/proc/self/stat"):read("a")
        local group, foreground = stat:match("%) %S %d+ (%d+) %d+ %d+ (%-?%d+)")
        print("foreground-" .. tostring(group == foreground))
        print("got-" .. io.read() .. "-" .. 1 + 1)
      ]])
      see(c, "foreground-true")
      assert.is_true(has_terminal(program_of(c)))
      type_line(c, "word")
      see(c, "got-word-2")
      assert.equal(0, c:wait())
    end)

    it("has its end of input from Ctrl-D", function()
      local c = start(mode, started [[ print "up" print("got-" .. tostring(io.read()) .. "-" .. 1 + 1) ]])
      see(c, "up")
      c:write(CTRL_D)
      see(c, "got-nil-2")
      assert.equal(0, c:wait())
    end)

    it("shares the foreground with what it starts by itself, but not with what reaper.spawn does", function()
      local c = start(mode, started(([[
        pipe = io.popen("exec %s hold")
        assert(reaper.spawn { %q, "hold" })
        print "up"
        io.read()
        os.exit(0)
      ]]):format(helper, helper)))
      see(c, "up")
      local holds = c:until_true(function()
        local found = {}
        for _, process in ipairs(c:processes()) do
          if process.args == helper .. " hold" then
            found[#found + 1] = process
          end
        end
        return #found == 2 and found
      end, 10, "both children")
      local own = program_of(c).nspid
      for _, process in ipairs(holds) do
        assert.equal(process.ppid == own, has_terminal(process))
      end
      type_line(c, "")
      assert.equal(0, c:wait())
    end)
  end)
end)

-- What a program can be at when Ctrl-C comes.
local busy = {
  { "computes", "while true do end" },
  { "reads", "io.read()" },
  { "is in reaper.loop", "reaper.loop()" },
  { "is in reaper.poll(math.huge)", "while true do reaper.poll(math.huge) end" },
  { "is in reaper.sleep", "reaper.sleep(100)" },
  { "is in reaper.statuses", "for _ in reaper.statuses() do end" },
  { "is in reaper.run", "reaper.run { 'sleep', '100' }" },
  { "waits for a process", "reaper.spawn { 'sleep', '100' }:wait()" },
  { "is in a hook that sleeps", "os.execute '(exit 3) &' reaper.loop()",
    "on_reap = function() print 'in' reaper.sleep(100) end", "in" },
  { "is in a hook that runs a process", "os.execute '(exit 3) &' reaper.loop()",
    "on_reap = function() if seen then return end seen = true print 'in' reaper.run { 'sleep', '100' } end", "in" },
  { "is in a timer that sleeps", "reaper.after(0, function() print 'in' reaper.sleep(100) end) reaper.loop()",
    nil, "in" },
}

describe("Ctrl-C", function()
  after_each(container.close_all)

  it("ends a program without the library with 1: this is what the others are measured by", function()
    local c = start("init", "print 'up' io.stdout:flush() while true do end")
    see(c, "up")
    c:write(CTRL_C)
    assert.equal(1, c:wait())
    assert.matches("interrupted!", c:out(), 1, true)
  end)

  container.each_mode(function(mode)
    for _, row in ipairs(busy) do
      it("ends a program with 1 that " .. row[1], function()
        local c = start(mode, started("print 'up' " .. row[2], row[3]))
        see(c, "up")
        if row[4] then
          see(c, row[4])
        end
        -- It has to be at it: what it does last is to wait.
        c:until_true(function()
          return row[1] == "computes" or program_of(c).state == "S"
        end, 10, "the program to wait")
        c:write(CTRL_C)
        assert.equal(1, c:wait())
        assert.equal(1, select(2, c:out():gsub("interrupted!", "")))
      end)
    end

    it("ends os.execute's command and not the program, as the C library has it", function()
      local c = start(mode, started [[
        print "up"
        local _, kind, number = os.execute "exec sleep 100"
        print(kind .. "-" .. number)
      ]])
      see(c, "up")
      local sleep = c:until_true(function() return c:find("sleep") end, 10, "the command")
      assert.is_true(has_terminal(sleep))
      c:write(CTRL_C)
      see(c, "signal-2")
      assert.equal(0, c:wait())
    end)

    it("twice ends a hook that computes, as it ends a coroutine that computes", function()
      local c = start(mode, started("os.execute '(exit 3) &' reaper.loop()",
        "on_reap = function() print 'in' while true do end end"))
      see(c, "in")
      c:write(CTRL_C)
      c:until_true(function()
        -- The interpreter gives the signal back its default in its first handler.
        local file = io.open("/proc/" .. program_of(c).pid .. "/status")
        local caught = file and file:read("a"):match("SigCgt:%s*(%x+)")
        return file and file:close() and tonumber(caught, 16) & 2 == 0
      end, 10, "the first to be dealt with")
      c:write(CTRL_C)
      assert.equal(130, c:wait())
    end)

    it("can be caught by a program, which loses nothing; the next one ends it, as without the library", function()
      local c = start(mode, started [[
        print "up"
        local _, message = pcall(reaper.loop)
        os.execute "(exit 3) &"
        print("caught-" .. message:match "[^ ]+$" .. "-" .. tostring(select(2, reaper.statuses(20)())))
        reaper.loop()
      ]])
      see(c, "up")
      c:until_true(function() return program_of(c).state == "S" end, 10, "the program to wait")
      c:write(CTRL_C)
      see(c, "caught-interrupted!-exit 3")
      c:write(CTRL_C)
      assert.equal(130, c:wait())
    end)

    if has_luv() then
      it("reaches a handler of luv exactly once", function()
        -- A Ctrl-C throws away what the terminal has not shown yet, unless it is told not to.
        local c = start(mode, started [[
          os.execute "stty noflsh"
          local uv = require "luv"
          for _, name in ipairs { "sigint", "sigusr1" } do
            uv.new_signal():start(name, function() print("got-" .. name) end)
          end
          uv.new_signal():start("sigterm", function() os.exit(6) end)
          print "up"
          uv.run()
        ]])
        see(c, "up")
        for _ = 1, 3 do
          c:write(CTRL_C)
          see(c, "got-sigint")
          c:kill("USR1") -- comes after a second INT if there was one on its way
          see(c, "got-sigusr1")
        end
        assert.equal(3, select(2, c:out():gsub("got%-sigint", "")))
        c:kill("TERM")
        assert.equal(6, c:wait())
      end)
    else
      pending "reaches a handler of luv exactly once: there is no luv"
    end

    it("does not reach what reaper.spawn has started; the stop does", function()
      local c = start(mode, started(([[
        assert(reaper.spawn { %q, "signals", stdout = "{folder}/log" })
        repeat local log = io.open "{folder}/log" until log and log:read()
        print "up"
        reaper.loop()
      ]]):format(helper)))
      see(c, "up")
      c:write(CTRL_C)
      assert.equal(1, c:wait())
      assert.equal("ready\ngot 15\n", c:read("log"))
    end)
  end)
end)

-- The shells that lead the terminal's session, with the program as one of their jobs.
local shells = {}
for name, words in pairs { bash = { "/bin/bash", "--norc", "--noprofile", "-i" }, dash = { "/bin/dash", "-i" } } do
  if io.open(words[1]) then
    shells[#shells + 1] = { name = name, words = words }
  end
end

-- A sanitized library needs the sanitizer in the program that loads it.
local preload = os.getenv("SPEC_PRELOAD")
local LUA = (preload and "env LD_PRELOAD=" .. preload .. " " or "") .. "/usr/bin/lua5.4 "

describe("a program as a job of a shell", function()
  after_each(container.close_all)

  -- A container with a shell on its terminal, and the command that runs the program in it.
  local function start_shell(words, text)
    local env = {}
    for _, source in ipairs { program.env, environment } do
      for name, value in pairs(source) do
        env[name] = value
      end
    end
    local c = container.start { mode = "subreaper", tty = true, env = env, program = words, raw = {} }
    local file = assert(io.open(c:file("program.lua"), "w"))
    file:write((text:gsub("{folder}", c.folder)))
    file:close()
    return c, LUA .. c:file("program.lua")
  end

  local function check_shell(c, number)
    type_line(c, ("echo alive$((%d+1))"):format(number))
    see(c, "alive" .. number + 1)
    see(c, PROMPT)
  end

  -- The engine and the program, once both are there: the first has the program's own words, too.
  local function both(c)
    return table.unpack(c:until_true(function()
      local engine = c:find("reaper-lua")
      local child = engine and c:children_of(engine.nspid)[1]
      return child and { engine, child }
    end, 10, "engine and program"))
  end

  local function wait_for_state(c, process, states)
    c:until_true(function()
      for _, other in ipairs(c:processes()) do
        if other.pid == process.pid then
          return states:find(other.state, 1, true)
        end
      end
    end, 10, process.comm .. " in state " .. states)
  end

  local READING = started [[
    print "up"
    local line = io.read()
    print("got-" .. tostring(line) .. "-" .. 1 + 1)
    os.exit(7)
  ]]

  for _, shell in ipairs(shells) do
    it("is stopped by Ctrl-Z as a whole and goes on with fg (" .. shell.name .. ")", function()
      local c, command = start_shell(shell.words, READING)
      see(c, PROMPT)
      type_line(c, command .. "; echo code$?")
      see(c, "up")
      local engine, child = both(c)
      for _ = 1, 2 do
        c:write(CTRL_Z)
        see(c, PROMPT)
        wait_for_state(c, child, "T")
        wait_for_state(c, engine, "T")
        check_shell(c, 40)
        type_line(c, "fg")
        wait_for_state(c, child, "S")
        c:until_true(function() return has_terminal(child) end, 5, "the terminal given to the program again")
      end
      type_line(c, "word")
      see(c, "got-word-2")
      see(c, PROMPT)
      check_shell(c, 50)
    end)

    it("gives the terminal back with its code when it ends, is killed or interrupted (" .. shell.name .. ")",
      function()
        local c, command = start_shell(shell.words, READING)
        see(c, PROMPT)
        type_line(c, command .. "; echo code$?")
        see(c, "up")
        type_line(c, "word")
        see(c, "code7")
        see(c, PROMPT)
        check_shell(c, 60)
        type_line(c, command .. "; echo code$?")
        see(c, "up")
        local _, child = both(c)
        c:kill("KILL", child.pid)
        see(c, "code137")
        see(c, PROMPT)
        check_shell(c, 70)
        type_line(c, command .. "; echo code$?")
        see(c, "up")
        _, child = both(c)
        wait_for_state(c, child, "S") -- a Ctrl-C just before the read is seen only after it, in any program
        c:write(CTRL_C)
        see(c, "interrupted!")
        see(c, PROMPT)
        check_shell(c, 80)
      end)

    it("does not take the terminal in the background, and stops when it wants to read (" .. shell.name .. ")",
      function()
        local c, command = start_shell(shell.words, READING)
        see(c, PROMPT)
        type_line(c, command .. " &")
        see(c, "up")
        local engine, child = both(c)
        wait_for_state(c, child, "T") -- TTIN
        wait_for_state(c, engine, "T")
        check_shell(c, 90)
        type_line(c, "fg")
        wait_for_state(c, child, "S")
        c:until_true(function() return has_terminal(child) end, 5, "the terminal for the program")
        type_line(c, "word")
        see(c, "got-word-2")
        check_shell(c, 100)
      end)
  end

  it("is told with pid = 0 of what dies in its group, which is the job's", function()
    local c, command = start_shell(shells[1].words, started([[
      assert(reaper.spawn { "sh", "-c", "exit 4" }:wait())
      os.execute "(exit 3) &"
      reaper.loop()
    ]], "pid = 0, on_reap = function(_, status) print('reaped-' .. tostring(status)) os.exit(0) end"))
    see(c, PROMPT)
    type_line(c, command)
    see(c, "reaped-")
    see(c, "exit 3")
    assert.is_nil(c:out():find("exit 4", 1, true))
  end)

  it("gives the terminal back to a script, which shares its group", function()
    local c = start_shell({ "/bin/sh", "-c", "until test -s {folder}/program.lua; do sleep 0.01; done; "
      .. LUA .. "{folder}/program.lua; echo code$?; read x; echo got-$x-$((2+1))" }, READING)
    see(c, "up")
    type_line(c, "word")
    see(c, "got-word-2")
    see(c, "code7")
    type_line(c, "more")
    see(c, "got-more-3")
    assert.equal(0, c:wait())
  end)
end)
