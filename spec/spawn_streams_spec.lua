-- reaper.spawn: descriptors in every form, many children at once, and nothing left open.

local container = require "spec.support.container"
local script = require "spec.support.script"

local function shell(text, keys)
  return ("assert(reaper.spawn{ 'sh', '-c', %q, %s }):wait()"):format(text, keys)
end

describe("a spawned process's stdin, stdout and stderr", function()
  after_each(container.close_all)

  it("are reaper-lua's own by default and with \"inherit\"", function()
    for _, keys in ipairs { "", "stdin = 'inherit', stdout = 'inherit', stderr = 'inherit'" } do
      local c = script.start(script.on_start(shell("read line; echo got $line; echo err >&2", keys)))
      c:write("a line\n")
      assert.are.equal(0, c:wait())
      assert.are.same({ "got a line\n", "err\n" }, { c:out(), c:err() })
    end
  end)

  it("\"null\": nothing comes in, what goes out vanishes", function()
    assert.are.equal("/dev/null /dev/null /dev/null\n", script.printed([[
      local p = reaper.spawn{ "sleep", "1000", stdin = "null", stdout = "null", stderr = "null" }
      local look = 'echo $(readlink /proc/$0/fd/0) $(readlink /proc/$0/fd/1) $(readlink /proc/$0/fd/2)'
      reaper.run{ "sh", "-c", look, tostring(p.pid) }
    ]]))
  end)

  it("\"pipe\": the script writes and reads", function()
    assert.are.equal("IN\tnil\nERR\tnil\nnil\tnil\tnil\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "tr a-z A-Z; echo ERR >&2", stdin = "pipe", stdout = "pipe", stderr = "pipe" }
      assert(p.stdin:write("in\n"))
      p.stdin:close()
      print(p.stdout:read(), p.stdout:read())
      print(p.stderr:read(), p.stderr:read())
      local q = reaper.spawn{ "true" }
      print(q.stdin, q.stdout, q.stderr)
    ]]))
  end)

  it("a path: read from, and made or appended to", function()
    local c = script.start([[
      function on_start()
        local files = { stdin = "{folder}/in", stdout = "{folder}/out", stderr = "{folder}/err" }
        for name, text in pairs{ ["in"] = "input", out = "before " } do
          io.open("{folder}/" .. name, "w"):write(text):close()
        end
        for _ = 1, 2 do
          files[1], files[2], files[3] = "sh", "-c", "cat; echo err >&2"
          reaper.run(files)
        end
        print("end")
      end
    ]])
    c:expect("end\n")
    assert.are.same({ "before inputinput", "err\nerr\n" }, { c:read("out"), c:read("err") })
  end)

  it("a FIFO: opened without waiting for the other side, whose end is not its own", function()
    local c = script.start([[
      os.execute "mkfifo {folder}/in {folder}/out"
      reaper.every(0.02, function() ticks = (ticks or 0) + 1 end)
      function on_start()
        local p = reaper.spawn { "sh", "-c", "cat /proc/self/fdinfo/1 >&2; while read line; do echo got $line; done",
          stdin = "{folder}/in", stdout = "{folder}/out" }
        local before = ticks or 0
        while (ticks or 0) < before + 3 do reaper.sleep(0.02) end
        print "still here"
        for _, word in ipairs { "one", "two" } do -- both sides come and go
          os.execute("echo " .. word .. " > {folder}/in")
          print(io.popen "head -n 1 {folder}/out":read "a")
        end
        print(p:alive())
      end
    ]])
    c:expect("still here\ngot one\n\ngot two\n\ntrue\n")
    local flags = tonumber(c:err():match("flags:%s*(%d+)\n"), 8)
    assert.are.equal(0, flags & 2048) -- O_NONBLOCK
  end)

  it("an open file or a descriptor's number", function()
    local c = script.start([[
      function on_start()
        local file = io.open("{folder}/log", "w")
        file:write("first ")
        reaper.run{ "sh", "-c", "echo out; echo err >&2", stdout = file, stderr = 1 }
        file:close()
        print("end")
      end
    ]])
    c:expect("end\n")
    assert.are.same({ "first out\n", "err\nend\n" }, { c:read("log"), c:out() })
  end)

  it("a function: called with each line, in order, the last one without newline, too", function()
    assert.are.equal("one|two||last|\nE1|E2|\n", script.printed([[
      local out, err = {}, {}
      local p = reaper.spawn{ "sh", "-c", "echo one; echo E1 >&2; printf 'two\n\nlast'; echo E2 >&2",
        stdout = function(line) out[#out + 1] = line .. "|" end,
        stderr = function(line) err[#err + 1] = line .. "|" end,
      }
      p:wait()
      repeat reaper.sleep(0.01) until #out == 4 and #err == 2
      print(table.concat(out))
      print(table.concat(err))
    ]]))
  end)

  it("a function that waits gets one line after the other", function()
    assert.are.equal("begin 1\nend 1\nbegin 2\nend 2\n", script.printed([[
      local left = 2
      reaper.spawn{ "sh", "-c", "echo 1; echo 2", stdout = function(line)
        print("begin " .. line)
        reaper.sleep(0.05)
        print("end " .. line)
        left = left - 1
      end }
      repeat reaper.sleep(0.01) until left == 0
    ]]))
  end)

  it("stderr = \"stdout\": both in one stream, in their order", function()
    assert.are.equal("1\n2\n3\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "echo 1; echo 2 >&2; echo 3", stdout = "pipe", stderr = "stdout" }
      for line in p.stdout:lines() do print(line) end
    ]]))
    local c = script.start(script.on_start(shell("echo 1; echo 2 >&2", "stdout = '{folder}/log', stderr = 'stdout'")
      .. "print('end')", true))
    c:expect("end\n")
    assert.are.equal("1\n2\n", c:read("log"))
  end)

  it("fds gives further descriptors, also where targets and sources cross", function()
    local text, err = script.body(([[
      local file = io.tmpfile()
      reaper.run{ %q, "state", fds = { [3] = file, [9] = 1 } }
      reaper.run{ "sh", "-c", "echo to-1; echo to-2 >&2", fds = { [1] = 2, [2] = 1 } }
      reaper.run{ "sh", "-c", "echo three >&3", fds = { [3] = file } }
      file:seek("set")
      print(file:read("a"))
    ]]):format(container.helper))
    assert.matches("\nfds 0 1 2 3 9\n", text)
    assert.matches("\nto%-2\nthree\n\n$", text)
    assert.are.equal("to-1\n", err)
  end)
end)

describe("many children", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("spawned at once are each waited for with the right status, and told once", function()
      local c = script.start([[
        local told, count = {}, 0
        function on_reap(pid, status) assert(not told[pid]) told[pid] = status.code count = count + 1 end
        function on_start()
          local children, right = {}, 0
          for i = 1, 200 do
            children[i] = assert(reaper.spawn{ "sh", "-c", "exit " .. i })
          end
          for i, child in ipairs(children) do
            local status, rusage = child:wait()
            if status.code == i and rusage.utime then right = right + 1 end
          end
          repeat reaper.sleep(0.01) until count >= 200
          for i, child in ipairs(children) do assert(told[child.pid] == i) end
          print("right", right, count, #reaper.children())
        end
      ]], { mode = mode })
      c:expect("right\t200\t200\t0\n")
      assert.are.equal("", c:err())
      assert.are.equal(0, c:zombies())
    end)
  end)
end)

describe("descriptors", function()
  after_each(container.close_all)

  local rounds = {
    ["with pipes that are read to the end"] = [[
      local p = assert(reaper.spawn{ "cat", stdin = "pipe", stdout = "pipe", stderr = "pipe" })
      p.stdin:write("x\n")
      p.stdin:close()
      assert(p.stdout:read() == "x" and p.stdout:read() == nil and p.stderr:read() == nil)
      p:wait()
    ]],
    ["with functions"] = [[
      local lines = 0
      local function count() lines = lines + 1 end
      reaper.run{ "sh", "-c", "echo 1; echo 2 >&2", stdout = count, stderr = count }
      repeat reaper.sleep(0.001) until lines == 2
    ]],
    ["with pipes that nobody reads"] = [[
      reaper.run{ "echo", "x", stdin = "pipe", stdout = "pipe", stderr = "pipe" }
    ]],
    ["with files"] = [[
      reaper.run{ "cat", stdin = "/dev/null", stdout = "{folder}/out", stderr = "stdout" }
    ]],
    ["whose exec fails, with pipes"] = [[
      assert(not reaper.spawn{ "nonexistent", stdin = "pipe", stdout = "pipe", stderr = "pipe" })
    ]],
    ["that reaper.run captures"] = [[
      assert(select(3, reaper.run{ "echo", "x", capture = true }) == "x\n")
    ]],
  }
  for name, round in pairs(rounds) do
    it(("are not left open by 100 children %s, in the script process or the engine"):format(name), function()
      local c = script.start(([[
        local round = 0
        function on_signal()
          for _ = 1, 100 do
            %s
          end
          collectgarbage()
          collectgarbage()
          reaper.stats() -- the engine has read all orders that came before
          round = round + 1
          print("round", round)
          return false
        end
        function on_start() print("ready") end
      ]]):format(round), { command = { "sleep", "1000" }, args = { "--hook-timeout", "60" } })
      c:expect("ready\n")
      local counts = {}
      for number = 1, 2 do
        c:kill("USR1")
        c:expect(("round\t%d\n"):format(number), 30)
        counts[number] = {
          engine = script.descriptors(c.pid),
          script_process = script.descriptors(c:find("reaper-script").pid),
        }
      end
      assert.are.same(counts[1], counts[2])
      assert.is_true(counts[1].engine < 30 and counts[1].script_process < 30)
    end)
  end
end)
