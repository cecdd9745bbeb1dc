-- Pipes to and from children: every byte, in both directions, without anybody being starved.

local container = require "spec.support.container"
local script = require "spec.support.script"

-- A child that writes lines "1", "2", … up to a number.
local function seq(last)
  return ("'seq', '%d'"):format(last)
end

describe("process.stdout", function()
  after_each(container.close_all)

  it(":read() gives a line at a time, the last one without newline, then nil", function()
    assert.are.equal("[one]\n[]\n[last]\nnil\nnil\n", script.printed([[
      local p = reaper.spawn{ "printf", "one\\n\\nlast", stdout = "pipe" }
      for _ = 1, 3 do print("[" .. p.stdout:read() .. "]") end
      print(p.stdout:read())
      print(p.stdout:read())
    ]]))
  end)

  it(":lines() goes through all lines", function()
    assert.are.equal("20000\t200010000\n", script.printed([[
      local count, sum = 0, 0
      for line in reaper.spawn{ ]] .. seq(20000) .. [[, stdout = "pipe" }.stdout:lines() do
        count, sum = count + 1, sum + math.tointeger(line)
      end
      print(count, sum)
    ]]))
  end)

  it("can be read after the child has ended", function()
    assert.are.equal("a\nb\nnil\n", script.printed([[
      local p = reaper.spawn{ "printf", "a\\nb\\n", stdout = "pipe" }
      p:wait()
      print(p.stdout:read())
      print(p.stdout:read())
      print(p.stdout:read())
    ]]))
  end)

  local LARGE = [[
    local child = [=[
      local seed, parts = 1, {}
      for i = 1, 5 * 1024 * 1024 do
        seed = (seed * 1103515245 + 12345) & 0x7fffffff
        parts[i & 0xffff] = string.char(seed >> 16 & 255)
        if i & 0xffff == 0xffff then parts[0] = parts[0] or "" io.write(table.concat(parts, "", 0, 0xffff)) end
      end
    ]=]
    local file = io.open("{folder}/expected", "wb")
    file:write(io.popen("exec lua5.4 -e '" .. child .. "'"):read("a"))
    file:close()
    local expected = io.open("{folder}/expected", "rb"):read("a")
    assert(#expected > 5000000 and expected:find("\0", 1, true) and expected:find("\r\n", 1, true))
  ]]

  it("brings 5 MB of any bytes intact to reaper.run", function()
    assert.are.equal("true\n", script.printed(LARGE .. [[
      local status, _, output = reaper.run{ "cat", "{folder}/expected", capture = true }
      assert(status.ok)
      print(output == expected)
    ]]))
  end)

  it("brings 5 MB of any bytes intact to :lines() and to a function", function()
    assert.are.equal("true\ntrue\n", script.printed(LARGE .. [[
      local lines = {}
      for line in reaper.spawn{ "cat", "{folder}/expected", stdout = "pipe" }.stdout:lines() do
        lines[#lines + 1] = line
      end
      print(table.concat(lines, "\n") == (expected:gsub("\n$", "")))
      local got, size = {}, 0
      reaper.spawn{ "cat", "{folder}/expected", stdout = function(line)
        got[#got + 1] = line
        size = size + #line + 1
      end }
      repeat reaper.sleep(0.01) until size >= #expected
      print(table.concat(got, "\n") == (expected:gsub("\n$", "")))
    ]]))
  end)

  it("holds a fast child back while nobody reads", function()
    local c = script.start(script.on_start([[
      local p = reaper.spawn{ ]] .. seq(100000) .. [[, stdout = "pipe" }
      print("first", p.stdout:read())
      repeat reaper.sleep(0.01) until io.open("/proc/" .. p.pid .. "/wchan"):read("a"):find("pipe")
        or io.open("/proc/" .. p.pid .. "/stat"):read("a"):find(" S ")
      print("blocked", p:alive(), p:wait(0.2))
      local last
      for line in p.stdout:lines() do last = line end
      print("last", last, (p:wait()))
    ]]))
    assert.are.equal(0, c:wait())
    assert.are.equal("first\t1\nblocked\ttrue\tnil\ttimeout\nlast\t100000\texit 0\n", c:out())
  end)

  it("that never ends keeps neither hooks nor timers waiting, nor is it cut off as computing for too long", function()
    for _, reading in ipairs {
      [[reaper.spawn{ "yes", stdout = function() count = count + 1 end }]],
      [[local p = reaper.spawn{ "yes", stdout = "pipe" }
        reaper.after(0, function() for _ in p.stdout:lines() do count = count + 1 end end)]],
    } do
      local c = script.start(([[
        local count, ticks = 0, 0
        function on_start()
          %s
          reaper.every(0.05, function() ticks = ticks + 1 if ticks == 12 then print("ticks", count > 1000) end end)
        end
        function on_reap(_, status) print("reaped", status) end
        function on_signal(name) print("asked", name, count > 1000) end
      ]]):format(reading), {
        args = { "--hook-timeout", "0.3" },
        command = { "sh", "-c", "trap 'echo trapped' USR1; (sh -c 'exit 44' &); while :; do sleep 0.02; done" },
      })
      c:expect("ticks\ttrue\n")
      c:expect("reaped\texit 44\n")
      c:kill("USR1")
      c:expect("asked\tSIGUSR1\ttrue\n")
      c:expect("trapped\n")
      assert.are.equal("", c:err())
      c:close()
    end
  end)

  it("gives many short lines to a function that takes its time without cutting it off", function()
    local c = script.start([[
      local count = 0
      function on_start()
        reaper.spawn{ "sh", "-c", "yes | head -c 20000", stdout = function()
          for _ = 1, 8000 do end
          count = count + 1
          if count == 10000 then print("all") end
        end }
      end
    ]], { args = { "--hook-timeout", "0.2" } })
    c:expect("all\n")
    assert.are.equal("", c:err())
  end)

  it("can be read by one at a time: a second reader is told so", function()
    local out = script.printed([[
      local p = reaper.spawn{ "cat", stdin = "pipe", stdout = "pipe" }
      reaper.after(0, function() print(p.stdout:read()) end)
      reaper.sleep(0.05)
      print(pcall(p.stdout.read, p.stdout))
      p.stdin:write("for the first\n")
      reaper.sleep(0.05)
    ]])
    assert.matches("^false\t.*being read already\nfor the first\n$", out)
  end)
end)

describe("process.stdin", function()
  after_each(container.close_all)

  it("takes 40 MB, waits while the pipe is full, and :close() ends it", function()
    assert.are.equal("true\t41943040\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "while ! test -e {folder}/go; do sleep 0.02; done; wc -c", stdin = "pipe",
        stdout = "pipe" }
      reaper.after(0.02, function() io.open("{folder}/go", "w"):close() end) -- others run meanwhile
      local ok = p.stdin:write(("0123456789abcdef"):rep(40 * 65536))
      p.stdin:close()
      print(ok, p.stdout:read())
    ]]))
  end)

  it("carries bytes as they are", function()
    assert.are.equal("true\n", script.printed([[
      local bytes = {}
      for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      local text = table.concat(bytes)
      local p = reaper.spawn{ "cat", stdin = "pipe", stdout = "{folder}/copy" }
      p.stdin:write(text)
      p.stdin:write("")
      p.stdin:close()
      p:wait()
      print(io.open("{folder}/copy", "rb"):read("a") == text)
    ]]))
  end)

  it("can be written by several at once: each text stays whole", function()
    assert.are.equal("4000000\ttrue\n", script.printed([[
      local p = reaper.spawn{ "sh", "-c", "sleep 0.1; cat > {folder}/got", stdin = "pipe" }
      local left = 4
      for i = 1, 4 do
        reaper.after(0, function()
          assert(p.stdin:write((tostring(i)):rep(1000000)))
          left = left - 1
        end)
      end
      repeat reaper.sleep(0.01) until left == 0
      p.stdin:close()
      p:wait()
      local text = io.open("{folder}/got"):read("a")
      local whole = true
      for i = 1, 4 do whole = whole and text:find((tostring(i)):rep(1000000), 1, true) end
      print(#text, whole ~= nil)
    ]]))
  end)

  it("that is closed while a write waits ends that write", function()
    assert.are.equal("nil\tthe pipe is closed\t9\n", script.printed([[
      local p = reaper.spawn{ "sleep", "1000", stdin = "pipe" }
      reaper.after(0.1, function() p.stdin:close() end)
      print(p.stdin:write(("x"):rep(1000000)))
    ]]))
  end)

  it("that nobody reads any more gives nil, message, 32; a closed one 9", function()
    assert.are.equal("nil\t32\nnil\t9\n", script.printed([[
      local p = reaper.spawn{ "true", stdin = "pipe" }
      p:wait()
      local ok, message, errno = p.stdin:write("x")
      assert(type(message) == "string")
      print(ok, errno)
      p.stdin:close()
      p.stdin:close()
      ok, message, errno = p.stdin:write("x")
      assert(type(message) == "string")
      print(ok, errno)
    ]]))
  end)
end)
