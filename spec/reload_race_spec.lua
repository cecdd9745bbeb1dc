-- What can go wrong between an old script process and a new one.

local container = require "spec.support.container"

describe("a script process's successor", function()
  after_each(container.close_all)

  it("hears nothing of the end of script processes, however fast they are replaced", function()
    local code, out = container.run { script = [[
      local file = io.open("{folder}/generation")
      local generation = file and file:read("n") or 0
      if file then file:close() end
      file = io.open("{folder}/generation", "w")
      file:write(generation + 1)
      file:close()
      function on_start()
        if generation < 3 then
          reaper.reload()
          os.execute("exec sleep 0.7")
        else
          reaper.after(1, function() print("orphans", reaper.stats().orphans) reaper.exit(0) end)
        end
      end
      function on_reap(pid, _, _, info) if info.comm == "reaper-script" then print("policy", pid) end end
    ]] }
    assert.equal(0, code)
    assert.is_nil(out:find("policy", 1, true), out)
    assert.truthy(out:find("orphans\t%d+\n"), out)
  end)

  it("is not given an orphan by the old one, whose channel is closed", function()
    local _, out = container.run { script = [[
      function on_start(_, again)
        if again then
          reaper.after(0.8, function()
            print("known", #reaper.children(), #reaper.processes())
            reaper.exit(0)
          end)
          return
        end
        reaper.reload()
        os.execute("sleep 0.4")
        print("spawned", (reaper.spawn{ "sleep", "5", name = "late" }))
      end
    ]] }
    assert.truthy(out:find("spawned\tnil\n", 1, true), out)
    assert.truthy(out:find("known\t0\t2\n", 1, true), out)
  end)

  it("takes over, and the old one sees no end of a child that lives", function()
    local _, out = container.run { script = [[
      local child
      local function wait_after(line)
        print(line)
        print("ended", child:wait())
      end
      function on_start(_, again)
        if again then
          return reaper.after(0.5, function() reaper.exit(0) end)
        end
        child = reaper.spawn{ "sh", "-c", "echo line; exec sleep 100", stdout = wait_after }
        reaper.reload()
        os.execute("sleep 0.4")
      end
    ]] }
    assert.equal("line\n", out)
  end)

  it("sees the end of a child that ended with unread output while the old one was leaving", function()
    local _, out = container.run { script = [[
      reaper.sleep(0.05)
      for _, child in ipairs(reaper.children()) do
        reaper.after(0, function() print("ended", (child:wait(5))) reaper.exit(0) end)
      end
      function on_start(_, again)
        if again then return end
        reaper.spawn{ "sh", "-c", "echo line; sleep 0.3; exit 3", stdout = "pipe" }
        reaper.reload()
        os.execute("sleep 0.7")
      end
    ]] }
    assert.truthy(out:find("ended\texit 3\n", 1, true), out)
  end)

  it("reads what its own main chunk has spawned alone", function()
    local _, out, err = container.run { script = [[
      local child = reaper.spawn{ "sh", "-c", "sleep 0.5; seq 1 5", stdout = "pipe" }
      function on_start(_, again)
        if not again then
          child:kill("KILL")
          return reaper.reload()
        end
        for line in child.stdout:lines() do print("line " .. line) end
        reaper.exit(0)
      end
    ]] }
    assert.equal("line 1\nline 2\nline 3\nline 4\nline 5\n", out, err)
  end)

  it("finds the pipes of one that ended for want of memory", function()
    local c = container.start { args = { "--hook-memory", "4M" }, script = [[
      local keep = {}
      function on_start(_, again)
        if again then
          for _, child in ipairs(reaper.children()) do
            for line in child.stdout:lines() do print(child.name, line) end
          end
          return reaper.exit(0)
        end
        reaper.spawn{ "sh", "-c", "sleep 1; echo unbroken || exit 9", name = "writer", stdout = "pipe" }
        reaper.every(0.01, function() while true do keep[#keep + 1] = ("x"):rep(1000) .. #keep end end)
      end
    ]] }
    c:expect("writer\tunbroken\n")
    assert.truthy(c:err():find("needs nearly all of --hook-memory", 1, true))
    assert.equal(0, c:wait())
  end)

  it("is told all outputs, where descriptors are scarce", function()
    local c = container.start { wrap = { "sh", "-c", 'ulimit -n 256; exec "$@"', "sh" }, script = [[
      function on_start(_, again)
        if again then
          local count = 0
          for _, child in ipairs(reaper.children()) do
            if child.stdout and child.stderr then count = count + 1 end
          end
          print("outputs", count)
          return reaper.exit(0)
        end
        for i = 1, 40 do assert(reaper.spawn{ "sleep", "1000", stdout = "pipe", stderr = "pipe" }) end
        os.execute("kill -KILL $PPID")
      end
    ]] }
    c:expect("outputs\t40\n")
  end)

  it("leaves an engine that ends when the last one is down and TERM comes again", function()
    local c = container.start { args = { "--hook-timeout", "30" }, script = [[
      function on_start() print("up") end
      function on_exit() print("exiting") os.execute("kill -KILL $PPID") reaper.sleep(100) end
    ]] }
    c:expect("up")
    c:kill("TERM")
    c:err_expect("starting it again in 0.4 s", 10)
    c:kill("TERM")
    assert.equal(0, c:wait(5))
  end)
end)

describe("a hook", function()
  after_each(container.close_all)

  it("is cut although it has begun another call", function()
    local c = container.start { args = { "--hook-timeout", "0.2" }, script = [[
      function on_start() reaper.spawn{ "true", stdout = function() end } while true do end end
      function on_error(message) print("cut", message) reaper.exit(0) end
    ]] }
    c:expect("cut\t[^\n]*computed for too long")
    assert.equal(0, c:wait())
  end)

  it("is cut in a __close handler, too", function()
    local c = container.start { args = { "--hook-timeout", "0.2" }, script = [[
      local endless = setmetatable({}, { __close = function() while true do end end })
      function on_start()
        local x <close> = endless -- luacheck: ignore
        error("first")
      end
      function on_error(message)
        print("error", message)
        local co = coroutine.create(function() local y <close> = endless coroutine.yield() end)
        coroutine.resume(co)
        pcall(coroutine.close, co)
      end
      reaper.after(1.5, function() print("alive") reaper.exit(0) end)
    ]] }
    c:expect("error\t[^\n]*first.*alive")
    assert.equal(0, c:wait())
  end)

  local hidden = {
    { "behind a coroutine.close that raised", [[
      local outer = coroutine.running()
      coroutine.wrap(function() pcall(coroutine.close, outer) while true do end end)()]] },
    { "in the __close handler of a wrapped coroutine that raised", [[
      coroutine.wrap(function()
        local x <close> = setmetatable({}, { __close = function() while true do end end })
        error("first")
      end)()]] },
  }
  for _, row in ipairs(hidden) do
    it("is cut " .. row[1], function()
      local c = container.start { args = { "--hook-timeout", "0.2" }, script = "function on_start()\n" .. row[2]
        .. "\nend\nfunction on_error(message) print('cut', message) reaper.exit(0) end" }
      c:expect("cut\t[^\n]*computed for too long")
      assert.equal(0, c:wait())
    end)
  end

  it("may raise a value that cannot be shown", function()
    local code, out = container.run { script = [[
      function on_start(_, again)
        print("start", again)
        reaper.after(0.1, function() reaper.exit(0) end)
        error(setmetatable({}, { __tostring = function() error("x") end }))
      end
      function on_error(message) print("error", message) end
    ]] }
    assert.equal(0, code)
    assert.equal("start\tnil\nerror\t(an error that is a table)\n", out)
  end)
end)

describe("a pipe", function()
  after_each(container.close_all)

  it("takes the texts of 400 writers that had to wait", function()
    local code, out = container.run { script = [[
      function on_start()
        local child = reaper.spawn{ "sh", "-c", "sleep 0.5; wc -l", stdin = "pipe" }
        local done = 0
        for i = 1, 400 do
          reaper.after(0.01, function()
            child.stdin:write(("x"):rep(i == 1 and 200000 or 10) .. "\n")
            done = done + 1
          end)
        end
        while done < 400 do reaper.sleep(0.02) end
        child.stdin:close()
        child:wait()
        reaper.exit(0)
      end
    ]] }
    assert.same({ 0, "400\n" }, { code, out })
  end)

  it("that is closed wakes who reads it", function()
    local code, out = container.run { script = [[
      function on_start()
        local child = reaper.spawn{ "sleep", "1000", stdout = "pipe" }
        reaper.after(0.1, function() child.stdout:close() end)
        print("read", child.stdout:read())
        reaper.exit(0)
      end
    ]] }
    assert.same({ 0, "read\tnil\n" }, { code, out })
  end)

  it("cannot be made for a descriptor that the limits forbid, and says so", function()
    local _, out = container.run { script = [[
      function on_start()
        print(reaper.spawn{ "true", fds = { [1 << 20] = 1 } })
        reaper.exit(0)
      end
    ]] }
    assert.truthy(out:find('^nil\tcannot set the descriptors of "true"'), out)
  end)
end)
