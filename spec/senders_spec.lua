-- Who sent it: what a signal's record says of its sender, where anybody may say so; and what is traced.

local container = require "spec.support.container"

local helper = container.helper

describe("what a signal says of its sender", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("does not crash a script, whatever the pointer of a SIGPROF", function()
      local c = container.start{ mode = mode, script = [[
        function on_signal() print "asked" return false end
        function on_start(_, again) print(again or "first") end]], command = { helper, "signals" } }
      c:expect "first\n"
      local script_process = assert(c:find "reaper-script")
      assert.is_true(os.execute(("%s forge 27 %d 2 0 20"):format(helper, script_process.pid)))
      c:kill "USR1"
      c:expect "asked\n"
      assert.is_nil(c:err():match "ended")
    end)

    it("does not end a hook, however many ticks somebody sends", function()
      local c = container.start{ mode = mode, args = { "--hook-timeout", "5" }, script = [[
        function on_signal()
          print "begun" io.stdout:flush()
          while not io.open "{folder}/go" do end
          print "over"
          return false
        end]], command = { helper, "signals" } }
      c:expect "ready\n"
      local script_process = assert(c:find "reaper-script")
      c:kill "USR1"
      c:expect "begun\n"
      for _ = 1, 30 do
        assert.is_true(os.execute(("%s forge 27 %d 2 0 1"):format(helper, script_process.pid)))
      end
      assert(io.open(c:file "go", "w")):close()
      c:expect "over\n"
      assert.is_nil(c:err():match "computed for too long")
    end)

    for _, way in ipairs { "in", "out" } do
      for _, signal in ipairs { 17, 62, 63, 64 } do
        it(("forwards signal %d of a descriptor (%s)"):format(signal, way), function()
          local c = container.start{ mode = mode, command = { helper, "signals" } }
          c:expect "ready\n"
          assert.is_true(os.execute(("%s sigio %d %d %s"):format(helper, signal, c.pid, way)))
          c:expect(("got %d\n"):format(signal))
        end)
      end
    end

    it("forwards a SIGPIPE that claims to be reaper-lua's own", function()
      local c = container.start{ mode = mode, command = { "/bin/sh", "-c",
        'exec 3<&0; (read line <&3; exec "$0" forge 13 $PPID 1 $PPID 1) & exec "$0" signals', helper } }
      c:expect "ready\n"
      c:write "go\n"
      c:expect "got 13"
    end)

    it("tells no death of a traced thread", function()
      local code, out = container.run{ mode = mode, command = { helper, "traceme", "3" },
        script = [[
          function on_reap(pid, status) print("reaped", pid == reaper.main.pid, tostring(status)) end
          function on_exit() print("counted", reaper.stats().reaped, reaper.stats().orphans) end]] }
      assert.are.equal(5, code)
      assert.are.equal("reaped\ttrue\texit 5\ncounted\t1\t0\n", (out:gsub("thread %d+\n", "")))
      assert.are.equal(3, select(2, out:gsub("thread %d+\n", "")))
    end)
  end)

  it("does not make process 1 spin when it is a tracer that keeps a lost script's zombie", function()
    local c = container.start{ script = "function on_start(_, again) print(again or 'first') end",
      command = { "/bin/sh", "-c", "while ! test -e {folder}/traced; do sleep 0.01; done; " .. helper
        .. " seize $(cat {folder}/traced)" } }
    c:expect "first\n"
    local script_process = assert(c:find "reaper-script")
    local file = assert(io.open(c:file "new", "w"))
    file:write(script_process.nspid):close()
    os.rename(c:file "new", c:file "traced")
    c:expect "seized\n"
    local function ticks()
      local user, system = container.read_file(("/proc/%d/stat"):format(c.pid))
        :match("%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
      return user + system
    end
    c:kill("KILL", script_process.pid)
    c:until_true(function() return c.view:find(script_process.nspid).state == "Z" end, nil, "the script's end")
    local before, began = ticks(), os.time()
    c:until_true(function() return os.time() - began >= 2 end, nil, "a while")
    assert.is_true(ticks() - before < 40, "process 1 has used " .. ticks() - before .. " ticks")
    c:close_input() -- the tracer goes, and with it COMMAND
    c:err_expect "signal SIGKILL"
  end)
end)
