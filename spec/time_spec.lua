-- Time: sleep, timers and the clock; coroutines of the script's own.

local container = require "spec.support.container"
local script = require "spec.support.script"

describe("reaper.now", function()
  after_each(container.close_all)

  it("is a clock in seconds that only goes forward", function()
    assert.are.equal("float\ttrue\n", script.printed([[
      local first, last = reaper.now(), 0
      for _ = 1, 1000 do
        local now = reaper.now()
        assert(now >= last)
        last = now
      end
      os.execute("sleep 0.2")
      local passed = reaper.now() - first
      print(math.type(first), passed >= 0.2 and passed < 30)
    ]]))
  end)
end)

describe("reaper.sleep", function()
  after_each(container.close_all)

  it("waits so long and never shorter, while others run", function()
    assert.are.equal("tick\ntick\ntick\nslept\ttrue\n", script.printed([[
      local begin, ticks = reaper.now(), 0
      local timer
      timer = reaper.every(0.05, function()
        print("tick")
        ticks = ticks + 1
        if ticks == 3 then timer:cancel() end
      end)
      reaper.sleep(0.5)
      local passed = reaper.now() - begin
      print("slept", passed >= 0.5 and passed < 10)
    ]]))
  end)

  it("of 0 lets the others run, and goes on", function()
    assert.are.equal("other\nback\n", script.printed([[
      reaper.after(0, function() print("other") end)
      reaper.sleep(0)
      print("back")
    ]]))
  end)

  it("works in the main chunk", function()
    local out = script.run([[
      local begin = reaper.now()
      reaper.sleep(0.2)
      print("loaded", reaper.now() - begin >= 0.2)
      function on_start() print("start") reaper.exit() end
    ]])
    assert.are.equal("loaded\ttrue\nstart\n", out)
  end)

  it("works in every hook", function()
    local out, err = script.run([[
      function on_start() reaper.sleep(0.01) print("start") reaper.spawn{ "true" } end
      function on_reap() reaper.sleep(0.01) print("reap") error("e") end
      function on_error() reaper.sleep(0.01) print("error") reaper.exit() end
      function on_stop() reaper.sleep(0.01) print("stop") end
      function on_exit() reaper.sleep(0.5) print("exit") end
    ]])
    assert.are.same({ "start\nreap\nerror\nstop\nexit\n", "" }, { out, err })
  end)

  it("works in timers and below pcall", function()
    assert.are.equal("in pcall\nafter\ttrue\n", script.printed([[
      reaper.after(0, function()
        print("after", pcall(function() reaper.sleep(0.01) print("in pcall") end))
      end)
      reaper.sleep(0.2)
    ]]))
  end)

  it("in a coroutine of the script's own raises a clear error", function()
    for _, call in ipairs { "reaper.sleep(0)", "p:wait()", "reaper.run{ 'true' }", "p:stop()", "p.stdout:read()" } do
      local out = script.printed(([[
        local p = reaper.spawn{ "sleep", "1000", stdout = "pipe" }
        print(coroutine.resume(coroutine.create(function() %s end)))
        print(pcall(coroutine.wrap(function() %s end)))
      ]]):format(call, call))
      assert.matches("^false\t[^\n]*hooks.lua:2: [%w.:]+ waits, so it can be called in hooks, timers and the script "
        .. "itself, but not in a coroutine of your own\nfalse\t[^\n]*in a coroutine of your own\n$", out)
    end
  end)
end)

describe("reaper.after", function()
  after_each(container.close_all)

  it("calls once, after that time, in the order of time", function()
    assert.are.equal("0\n0 again\n1\n2\n3\ttrue\n", script.printed([[
      local begin = reaper.now()
      reaper.after(0.15, function() print("3", reaper.now() - begin >= 0.15) end)
      reaper.after(0.05, function() print("1") end)
      reaper.after(0.1, function() print("2") end)
      reaper.after(0, function() print("0") end)
      reaper.after(0, function() print("0 again") end)
      reaper.sleep(0.5)
    ]]))
  end)

  it("can be cancelled: true while it was still to fire", function()
    assert.are.equal("fires\nfalse\ntrue\nfalse\n", script.printed([[
      local one = reaper.after(0, function() print("fires") end)
      local two = reaper.after(0.05, function() print("never") end)
      reaper.sleep(0)
      print(one:cancel())
      print(two:cancel())
      print(two:cancel())
      reaper.sleep(0.2)
    ]]))
  end)

  it("keeps the order among thousands, with some cancelled", function()
    assert.are.equal("1500\ttrue\n", script.printed([[
      local timers, count, last, sorted = {}, 0, 0, true
      for i = 1, 3000 do
        local delay = (i * 7919) % 3000 / 10000
        local earliest, latest = reaper.now() + delay, nil -- the moment for which it is made lies between them
        timers[i] = reaper.after(delay, function()
          count = count + 1
          sorted = sorted and latest >= last
          last = earliest
        end)
        latest = reaper.now() + delay
      end
      for i = 1, 3000, 2 do timers[i]:cancel() end
      repeat reaper.sleep(0.05) until count >= 1500
      reaper.sleep(0.4)
      print(count, sorted)
    ]]))
  end)
end)

describe("reaper.every", function()
  after_each(container.close_all)

  it("calls again and again, first after that time, until it is cancelled, also by itself", function()
    assert.are.equal("true\ntrue\t5\n", script.printed([[
      local begin, count = reaper.now(), 0
      local timer
      timer = reaper.every(0.05, function()
        if count == 0 then print(reaper.now() - begin >= 0.05) end
        count = count + 1
        if count == 5 then timer:cancel() end
      end)
      reaper.sleep(0.6)
      print(reaper.now() - begin >= 0.25, count)
    ]]))
  end)

  it("does not double a call that is not over, nor make up for it", function()
    assert.are.equal("1\ttrue\n", script.printed([[
      local running, most, calls = 0, 0, 0
      local timer = reaper.every(0.02, function()
        running = running + 1
        most = math.max(most, running)
        calls = calls + 1
        reaper.sleep(0.1)
        running = running - 1
      end)
      reaper.sleep(0.7)
      timer:cancel()
      print(most, calls >= 2 and calls <= 7)
    ]]))
  end)

  it("keeps its beat: a call that takes time does not put the next one off", function()
    local out = script.printed([[
      local begin, at = reaper.now(), {}
      local timer = reaper.every(0.4, function()
        at[#at + 1] = reaper.now() - begin
        reaper.sleep(0.3)
      end)
      repeat reaper.sleep(0.01) until #at == 5
      print(at[5])
    ]])
    assert.is_true(tonumber(out) >= 2 and tonumber(out) < 3 * container.slow, out) -- 3.2 if it were put off
  end)

  it("goes on after an error", function()
    local out = script.run([[
      local count = 0
      function on_start()
        reaper.every(0.02, function() count = count + 1 error("number " .. count) end)
      end
      function on_error(message, hook)
        print(hook, message:match("number %d"))
        if count == 2 then reaper.exit() end
      end
    ]])
    assert.matches("^every\tnumber 1\nevery\tnumber 2\n", out)
  end)
end)

describe("wrong times raise", function()
  after_each(container.close_all)

  local seconds = "bad argument 'seconds' to '%s' (%s"
  local rows = {
    { "reaper.sleep(-1)", seconds:format("reaper.sleep", "-1 is negative or no number of seconds)") },
    { "reaper.sleep(0/0)", seconds:format("reaper.sleep", "") },
    { "reaper.sleep(1/0)", seconds:format("reaper.sleep", "inf is negative or no number of seconds)") },
    { "reaper.sleep('1')", seconds:format("reaper.sleep", "a number of seconds expected, got string)") },
    { "reaper.sleep()", seconds:format("reaper.sleep", "a number of seconds expected, got no value)") },
    { "reaper.after(-0.1, print)", seconds:format("reaper.after", "-0.1 is negative") },
    { "reaper.after(1)", "bad argument 'f' to 'reaper.after' (function expected, got no value)" },
    { "reaper.after(print, 1)", seconds:format("reaper.after", "a number of seconds expected, got function)") },
    { "reaper.every(0, print)", seconds:format("reaper.every", "more than 0 expected)") },
    { "reaper.every(-1, print)", seconds:format("reaper.every", "-1 is negative") },
    { "reaper.every(1, 'f')", "bad argument 'f' to 'reaper.every' (function expected, got string)" },
    { "reaper.exit(256)", "bad argument 'code' to 'reaper.exit' (an integer from 0 to 255 expected, got 256)" },
    { "reaper.exit(-1)", "bad argument 'code' to 'reaper.exit' (an integer from 0 to 255 expected, got -1)" },
    { "reaper.exit(1.5)", "bad argument 'code' to 'reaper.exit' (an integer from 0 to 255 expected, got 1.5)" },
    { "reaper.exit('1')", "bad argument 'code' to 'reaper.exit' (an integer from 0 to 255 expected, got string)" },
  }
  for _, row in ipairs(rows) do
    it("in " .. row[1], function()
      local out = script.printed(("local function f()\n%s\nend\nprint(select(2, pcall(f)))"):format(row[1]))
      assert.is_truthy(out:find("hooks.lua:2: " .. row[2], 1, true), out)
    end)
  end
end)

describe("coroutines of the script's own", function()
  after_each(container.close_all)

  it("work in hooks: wrap, resume, yield, close, and errors in them", function()
    assert.are.equal("1\n2\n3\ntrue\ta\ttrue\tb\nfalse\toops\ndead\n", script.printed([[
      for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do print(i) end
      local co = coroutine.create(function(x) return coroutine.yield(x) end)
      local ok, value = coroutine.resume(co, "a")
      print(ok, value, coroutine.resume(co, "b"))
      print(coroutine.resume(coroutine.create(function() error("oops", 0) end)))
      print(coroutine.status(co))
      assert(coroutine.close(coroutine.create(print)))
      assert(not pcall(coroutine.wrap(function() error({}) end)))
      assert(coroutine.isyieldable())
    ]]))
  end)

  it("keep their state between hooks", function()
    assert.are.equal("1\n2\n3\n", script.printed([[
      local next_number = coroutine.wrap(function() for i = 1, 9 do coroutine.yield(i) end end)
      print(next_number())
      reaper.after(0, function() print(next_number()) end)
      reaper.sleep(0.05)
      print(next_number())
    ]]))
  end)

  it("are what yields: coroutine.yield in a hook itself is reported, and the rest goes on", function()
    local out, err, code = script.run([[
      function on_start() coroutine.yield(1) print("never") end
      function on_stop() print("stop") end
    ]], { command = { "sh", "-c", "exit 3" } })
    assert.are.same({ "stop\n", 3 }, { out, code })
    assert.matches("on_start: coroutine.yield: only a coroutine of your own may yield", err, 1, true)
    assert.matches("hooks.lua:1: in function", err, 1, true)
  end)

  it("and a coroutine.yield in the main chunk is an error at load", function()
    local _, err, code = script.run("coroutine.yield()", { command = { "true" } })
    assert.are.equal(125, code)
    assert.matches("coroutine.yield: only a coroutine of your own may yield", err, 1, true)
  end)
end)
