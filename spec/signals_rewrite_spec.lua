-- Signals that are rewritten or dropped, signals without a COMMAND, and the signal state that COMMAND is started with.

local container = require "spec.support.container"
local received = require "spec.support.received"

local helper = container.helper

describe("rewriting", function()
  after_each(container.close_all)

  local rows = {
    { "names", { "-r", "USR1:USR2" }, { "USR1", "USR2" }, { 12, 12 } },
    { "names with SIG, in any case", { "-r", "SIGUSR1:sigHup" }, { "USR1" }, { 1 } },
    { "numbers", { "-r", "10:1" }, { 10 }, { 1 } },
    { "a number and a name", { "--rewrite", "12:WINCH" }, { 12 }, { 28 } },
    { "other names of a signal", { "-r", "POLL:IOT" }, { "IO" }, { 6 } },
    { "real-time signals", { "-r", "RTMIN+2:RTMAX-1", "-r", "SIGRTMAX:SIGRTMIN" }, { 36, 64 }, { 63, 34 } },
    { "signals 32 and 33", { "-r", "32:33", "-r", "33:10" }, { 32, 33 }, { 33, 10 } },
    { "to nothing with TO 0", { "-r", "USR1:0" }, { "USR1", "USR2" }, { 12 } },
    { "once, not what it has become", { "-r", "USR1:USR2", "-r", "USR2:HUP" }, { "USR1", "USR2" }, { 12, 1 } },
    { "with the last of two rules", { "-r", "USR1:USR2", "-r", "USR1:HUP" }, { "USR1" }, { 1 } },
    { "two signals into each other", { "-r", "INT:QUIT", "-r", "QUIT:INT" }, { "INT", "QUIT" }, { 3, 2 } },
    { "with -g, too", { "-g", "-r", "USR1:USR2" }, { "USR1" }, { 12 } },
  }

  container.each_mode(function(mode)
    for _, row in ipairs(rows) do
      it("takes " .. row[1], function()
        local c = received.start(mode, { args = row[2] })
        assert.are.same(row[4], received.of(c, row[3]))
      end)
    end

    it("keeps the value of a queued signal", function()
      local c = received.start(mode, { args = { "-r", "RTMIN:RTMIN+1" } })
      c:queue("RTMIN", 99)
      c:expect("got 35 value 99\n")
    end)

    it("makes TERM what COMMAND ends with", function()
      local c = received.start(mode, { args = { "-r", "TERM:QUIT" }, command = { helper, "signals", "--exit-on",
        "QUIT" } })
      c:kill("TERM")
      assert.are.equal(0, c:wait(5))
      assert.are.equal("ready\ngot 3\n", c:out())
    end)
  end)
end)

describe("without a COMMAND", function()
  after_each(container.close_all)

  local function start_script(mode, script)
    local c = container.start{ mode = mode, script = script .. "\nfunction on_start() print 'started' end" }
    c:expect("started\n")
    return c
  end

  container.each_mode(function(mode)
    for _, signal in ipairs{ "TERM", "INT", "QUIT" } do
      it(signal .. " begins the stop, which ends with 0", function()
        local c = start_script(mode, "function on_stop(reason) print('stop ' .. reason) end")
        c:kill(signal)
        assert.are.equal(0, c:wait(5))
        assert.are.equal("started\nstop SIG" .. signal .. "\n", c:out())
        assert.are.equal("", c:err())
      end)

      it(signal .. " ends a pause container with 0", function()
        local c = container.start{ mode = mode, args = { "-P" } }
        c:kill(signal)
        assert.are.equal(0, c:wait(5))
      end)
    end

    it("HUP loads the script anew", function()
      local c = start_script(mode, "print('loaded', ...)")
      c:kill("HUP")
      c:expect("loaded\nstarted\nloaded\nstarted\n")
      assert.is_nil(c:ended())
    end)

    it("other signals are told to on_signal and then dropped", function()
      local c = start_script(mode, "function on_signal(name, number) print(name, number) end")
      for _, row in ipairs{ { 10, "SIGUSR1" }, { 32, "SIG32" }, { 34, "SIGRTMIN" }, { 37, "SIGRTMIN+3" },
        { 28, "SIGWINCH" }, { 17, "SIGCHLD" }, { 64, "SIGRTMIN+30" } } do
        c:kill(row[1])
        c:expect(("%s\t%d\n"):format(row[2], row[1]):gsub("%+", "%%+"), 5)
      end
      assert.is_nil(c:ended())
      c:kill("TERM")
      assert.are.equal(0, c:wait(5))
    end)

    it("on_signal can keep TERM from stopping, or make another signal begin the stop", function()
      local c = start_script(mode, [[
        function on_signal(name)
          print(name)
          if name == 'SIGTERM' then return false end
          if name == 'SIGUSR1' then return 'INT' end
        end
        function on_stop(reason) print('stop ' .. reason) end]])
      c:kill("TERM")
      c:expect("SIGTERM\n")
      c:kill("USR1")
      assert.are.equal(0, c:wait(5))
      assert.are.equal("started\nSIGTERM\nSIGUSR1\nstop SIGINT\n", c:out())
    end)
  end)
end)

describe("COMMAND's signals", function()
  after_each(container.close_all)

  local function state(mode, more)
    local options = { mode = mode, command = { helper, "state" } }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    local code, out = container.run(options)
    assert.are.equal(0, code)
    return out:match("mask (%x+)\nignored (%x+)\n")
  end

  local function bits(...)
    local set = 0
    for _, signal in ipairs{ ... } do
      set = set | 1 << container.signal_number(signal) - 1
    end
    return ("%016x"):format(set)
  end

  local everything = ("%016x"):format(~(1 << 8 | 1 << 18)) -- KILL and STOP cannot be blocked or ignored
  local without_chld = ("%016x"):format(~(1 << 8 | 1 << 18 | 1 << 16))

  container.each_mode(function(mode)
    for _, script in ipairs{ false, "function on_reap() end" } do
      local how = script and " with a script" or ""
      local function with_script(more)
        more.script = script or nil
        return more
      end

      it("are all at their defaults, when reaper-lua's are" .. how, function()
        assert.are.same({ bits(), bits() }, { state(mode, with_script{}) })
      end)

      it("are blocked and ignored as reaper-lua's were" .. how, function()
        assert.are.same({ bits("TERM", 33, "RTMIN+1"), bits("HUP", "PIPE", 32, "RTMAX") }, { state(mode, with_script{
          block = { "TERM", 33, "RTMIN+1" }, ignore = { "HUP", "PIPE", 32, "RTMAX" } }) })
      end)

      it("are all blocked and all but SIGCHLD ignored, when reaper-lua's were" .. how, function()
        local all = {}
        for number = 1, 64 do
          all[number] = number
        end
        assert.are.same({ everything, without_chld }, { state(mode, with_script{ block = all, ignore = all }) })
      end)

      it("have SIGCHLD at its default when it was ignored, and reaping works" .. how, function()
        assert.are.same({ bits(), bits() }, { state(mode, with_script{ ignore = { "CHLD" } }) })
        local code = container.run{ mode = mode, script = script or nil, ignore = { "CHLD" },
          command = { "/bin/sh", "-c", helper .. " orphans 50 --parallel 1 && exit 3" } }
        assert.are.equal(3, code)
      end)

      it("do not keep reaper-lua from seeing its own, when those are ignored or blocked" .. how, function()
        local c = received.start(mode, with_script{ block = { "TERM", "USR1", "CHLD" }, ignore = { "TERM", "USR1" } })
        assert.are.same({ 10, 1 }, received.of(c, { "USR1", "HUP" }))
        c:kill("TERM")
        assert.are.equal(0, c:wait(5))
      end)
    end
  end)

  it("are those of a child that a script spawns, too", function()
    local code, out = container.run{
      block = { "USR2", 33 }, ignore = { "HUP", 32, "CHLD" }, command = { "/bin/sleep", "0" },
      script = ("reaper.run{ '%s', 'state' }"):format(helper),
    }
    assert.are.equal(0, code)
    assert.matches(("mask %s\nignored %s\n"):format(bits("USR2", 33), bits("HUP", 32)), out, 1, true)
  end)
end)
