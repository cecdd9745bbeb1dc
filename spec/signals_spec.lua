-- Forwarding: every signal that can be caught reaches COMMAND, once, with its value, in both forwarding modes.

local container = require "spec.support.container"

local helper = container.helper
local KILL, STOP, CONT, RTMAX = 9, 19, 18, 64
local SUSPENDING = { [20] = true, [21] = true, [22] = true } -- TSTP, TTIN, TTOU
local signals_command = { helper, "signals", "--exit-on", "RTMAX" }

local ways = {
  { name = "to the main child", args = {} },
  { name = "to the process group (-g)", args = { "-g" } },
}

local function catchable()
  local list = {}
  for number = 1, RTMAX do
    if number ~= KILL and number ~= STOP then
      list[#list + 1] = number
    end
  end
  return list
end

local function state_of(c)
  for _, process in ipairs(c:processes()) do
    if process.nspid == c.nspid then
      return process.state
    end
  end
end

local function wait_for_state(c, state)
  c:until_true(function()
    return state_of(c) == state
  end, 5, "state " .. state)
end

-- What COMMAND has printed, one line after the other.
local function lines(c)
  local list = {}
  for line in c:out():gmatch("[^\n]+") do
    list[#list + 1] = line
  end
  return list
end

local function start(mode, args, more)
  local options = { mode = mode, args = args, command = signals_command }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  local c = container.start(options)
  c:expect("ready\n")
  return c
end

-- Sends one and waits until COMMAND has printed it. What suspends the subreaper is followed by a CONT.
local function send_and_expect(c, number, expected)
  local function expect(one)
    expected[#expected + 1] = "got " .. one
    c:until_true(function()
      return #lines(c) >= #expected
    end, 5, "got " .. one)
  end
  assert(c:kill(number))
  expect(number)
  if SUSPENDING[number] and c.mode == "subreaper" then
    wait_for_state(c, "T")
    c:kill(CONT)
    expect(CONT)
  end
end

describe("forwarding", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, way in ipairs(ways) do
      it("passes each signal from 1 to 64 on exactly once, " .. way.name, function()
        local c = start(mode, way.args)
        local expected = { "ready" }
        for _, number in ipairs(catchable()) do
          send_and_expect(c, number, expected)
        end
        assert.are.equal(0, c:wait(5))
        assert.are.same(expected, lines(c))
        assert.are.equal("", c:err())
      end)
    end

    it("passes the value of a queued signal on", function()
      local c = start(mode)
      for number, value in pairs{ [10] = 7, [17] = 5, [32] = 3, [35] = -1, [50] = 2147483647 } do
        c:queue(number, value)
        c:expect((("got %d value %d\n"):format(number, value):gsub("-", "%%-")))
      end
    end)

    it("passes a SIGCHLD on that somebody sent, and none that tells of a death", function()
      local c = start(mode, nil, { command = { "/bin/sh", "-c", helper .. " orphans 20; exec " .. helper
        .. " signals" } })
      c:until_true(function() -- two SIGCHLD that wait at the same time are one
        return c:zombies() == 0 and state_of(c) == "S"
      end, 5, "all deaths reaped")
      c:kill("CHLD")
      c:expect("got 17\n")
      c:kill("TERM")
      assert.are.equal(0, c:wait(5))
      assert.are.equal("made 20\nready\ngot 17\ngot 15\n", c:out())
    end)

    it("delivers 200 queued real-time signals in order", function()
      local c = start(mode)
      assert(c:kill("STOP"))
      wait_for_state(c, "T")
      for value = 1, 200 do
        assert(c:queue("RTMIN+3", value))
      end
      c:kill("CONT")
      c:expect("got 37 value 200\n")
      local values = {}
      for value in c:out():gmatch("got 37 value (%d+)\n") do
        values[#values + 1] = tonumber(value)
      end
      assert.are.equal(200, #values)
      for index, value in ipairs(values) do
        assert.are.equal(index, value)
      end
      assert.matches("got 18\n", c:out(), 1, true)
    end)

    local pair = { "/bin/sh", "-c", helper .. " signals >{folder}/other & exec " .. helper .. " signals" }

    local function start_pair(args)
      local c = start(mode, args, { command = pair })
      c:until_true(function() return c:read("other") == "ready\n" end, 5, "the other process")
      return c
    end

    it("reaches every process of the main child's group with -g", function()
      local c = start_pair{ "-g" }
      c:kill("USR1")
      c:expect("got 10\n")
      c:until_true(function() return c:read("other") == "ready\ngot 10\n" end, 5, "the signal in the group")
    end)

    it("reaches the main child alone without -g", function()
      local c = start_pair()
      c:kill("USR1")
      c:expect("got 10\n")
      c:kill("TERM") -- the other one is told of this by the stop, after USR1 if that had been sent to it
      assert.are.equal(0, c:wait(5))
      assert.are.equal("ready\ngot 15\n", c:read("other"))
    end)

    it("reaches a main child that has left its group, with -g", function()
      local c = start(mode, { "-g" }, { command = { "/usr/bin/setsid", "-w", helper, "signals" } })
      c:kill("USR1")
      assert.are.equal(138, c:wait(5)) -- setsid forked, since it led a group; it dies of the signal
    end)

    for _, case in ipairs{ { "stopped", "STOP" }, { "killed", "KILL" } } do
      it("goes on while the script process is " .. case[1], function()
        local c = start(mode, { "--hook-timeout", "30" }, { script = "function on_reap() end" })
        local process = assert(c:find("reaper-script"))
        c:kill(case[2], process.pid)
        c:until_true(function()
          local now = c:find("reaper-script")
          return not now or now.pid ~= process.pid or now.state == "T"
        end, 5, "the script process " .. case[1])
        for _, number in ipairs{ 1, 10, 15, 40 } do
          c:kill(number)
          c:expect("got " .. number .. "\n", 5)
        end
      end)
    end

    it("is kept for COMMAND while the script is still loading", function()
      local c = container.start{
        mode = mode, command = signals_command, block = { "USR1", "RTMIN+1" },
        script = "print 'loading'; reaper.sleep(0.3); function on_reap() end",
      }
      c:expect("loading")
      c:kill("USR1")
      c:kill("RTMIN+1")
      c:expect("ready\ngot 10\ngot 35\n")
    end)
  end)
end)

describe("suspending", function()
  after_each(container.close_all)

  for number in pairs(SUSPENDING) do
    it("stops a subreaper for signal " .. number .. " and wakes COMMAND with it", function()
      local c = start("subreaper")
      c:kill(number)
      c:expect("got " .. number .. "\n")
      wait_for_state(c, "T")
      c:kill("USR1") -- waits until it goes on
      c:kill("CONT")
      c:expect("got 18\n")
      c:expect("got 10\n")
      wait_for_state(c, "S")
    end)

    it("does not stop process 1 for signal " .. number, function()
      local c = start("init")
      c:kill(number)
      c:kill("USR1")
      c:expect("got 10\n")
      assert.matches("got " .. number .. "\n", c:out(), 1, true)
      assert.are_not.equal("T", state_of(c))
    end)
  end

  it("stops a COMMAND that does not catch TSTP, once TSTP is rewritten to STOP", function()
    for _, mode in ipairs(container.modes) do
      local c = container.start{ mode = mode, args = { "-r", "TSTP:STOP" }, command = { helper, "hold" } }
      local function command_state()
        local child = c:children_of(c.nspid)[1]
        return child and child.comm == "spec-helper" and child.state
      end
      c:until_true(function() return command_state() == "S" end, 5, "COMMAND")
      c:kill("TSTP")
      c:until_true(function() return command_state() == "T" end, 5, "COMMAND to be stopped")
      if mode == "subreaper" then
        wait_for_state(c, "T")
      end
      c:kill("CONT")
      c:until_true(function() return command_state() == "S" end, 5, "COMMAND to go on")
    end
  end)

  for _, args in ipairs { {}, { "-g" } } do
    it("ends a COMMAND that somebody has stopped, when TERM comes: " .. (args[1] or "alone"), function()
      for _, mode in ipairs(container.modes) do
        local c = container.start { mode = mode, args = args, command = { "/bin/sh", "-c", "sleep 1000; exit 5" } }
        local function states()
          local main = c:children_of(c.nspid)[1]
          local child = main and c:children_of(main.nspid)[1]
          return child and child.comm == "sleep" and main.state .. child.state
        end
        c:until_true(function() return states() == "SS" end, 5, "COMMAND and its child")
        local main = c:children_of(c.nspid)[1]
        c:kill("STOP", main.pid)
        c:kill("STOP", c:children_of(main.nspid)[1].pid)
        c:until_true(function() return states() == "TT" end, 5, "both to be stopped")
        c:kill("TERM")
        assert.equal(143, c:wait())
      end
    end)
  end
end)
