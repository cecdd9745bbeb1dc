-- Where hooks come from, several listeners, and what an error does.

local container = require "spec.support.container"
local script = require "spec.support.script"

local function ended(text, command)
  local out, err, code = script.run(text, { command = command or { "true" } })
  return out, err, code
end

describe("hooks", function()
  after_each(container.close_all)

  it("are the script's global functions", function()
    assert.are.equal("global\n", (ended("function on_stop() print('global') end")))
  end)

  it("are those of the table that it returns", function()
    assert.are.equal("table\n", (ended("return { on_stop = function() print('table') end }")))
  end)

  it("of the table win over global ones of that name, which are not called", function()
    assert.are.equal("table\n9\n", (ended([[
      function on_stop() print("global") end
      function on_exit() print(9) end
      return { on_stop = function() print("table") end }
    ]])))
  end)

  for _, row in ipairs { { "on_reap = 3", "number" }, { "return { on_reap = 'x' }", "string" } } do
    it("that are a " .. row[2] .. " are an error at load", function()
      local out, err, code = ended(row[1], { "echo", "started" })
      assert.are.same({ "", 125 }, { out, code })
      assert.matches("the hook 'on_reap' is a " .. row[2] .. ", not a function", err, 1, true)
    end)
  end

  it("of an unknown name warn with the nearest known one, and the rest works", function()
    local out, err, code = ended("function on_raep() end function on_stop() print('stop') end")
    assert.are.same({ "stop\n", 0 }, { out, code })
    assert.matches("warning: unknown hook 'on_raep'; did you mean 'on_reap'?", err, 1, true)
  end)

  it("run in a coroutine each: one that waits keeps nobody else", function()
    assert.are.equal("sleeps\nslow begins\nfast\nslow ends\n", script.printed([[
      local running = {}
      reaper.on("on_reap", function(_, status)
        local co, main = coroutine.running()
        assert(not main and not running[co])
        running[co] = true
        if status.code == 1 then
          print("slow begins")
          reaper.spawn{ "sh", "-c", "exit 2" }:wait()
          reaper.sleep(0.3)
          print("slow ends")
        else
          print("fast")
        end
        running[co] = nil
      end)
      print("sleeps")
      reaper.spawn{ "sh", "-c", "exit 1" }
      reaper.sleep(0.8)
    ]]))
  end)
end)

describe("reaper.on", function()
  after_each(container.close_all)

  it("adds listeners, which are called in order after the script's own hook", function()
    assert.are.equal("own\tmain\nfirst\tmain\nsecond\tmain\n", (ended([[
      reaper.on("on_stop", function(reason) print("first", reason) end)
      reaper.on("on_stop", function(reason) print("second", reason) end)
      function on_stop(reason) print("own", reason) end
    ]])))
  end)

  it("works later, too, for a hook that nobody listened to", function()
    assert.are.equal("exit 4\n", script.printed([[
      reaper.on("on_reap", function(_, status) print(status) end)
      reaper.spawn{ "sh", "-c", "exit 4" }:wait()
      reaper.sleep(0)
    ]]))
  end)

  it("gives a function that takes the listener away", function()
    assert.are.equal("1\n2\nb\t3\n", script.printed([[
      local remove = reaper.on("on_reap", function(_, status) print(status.code) end)
      reaper.spawn{ "sh", "-c", "exit 1" }:wait()
      reaper.spawn{ "sh", "-c", "exit 2" }:wait()
      reaper.sleep(0) -- those who wait go on before on_reap is called
      remove()
      reaper.on("on_reap", function(_, status) print("b", status.code) end)
      reaper.spawn{ "sh", "-c", "exit 3" }:wait()
      reaper.sleep(0)
    ]]))
  end)

  it("takes only that one away, also when it is taken away twice", function()
    assert.are.equal("again\n", script.printed([[
      local function listener() print("again") end
      local remove = reaper.on("on_reap", listener)
      reaper.on("on_reap", listener)
      remove()
      remove()
      reaper.spawn{ "true" }:wait()
      reaper.sleep(0)
    ]]))
  end)

  it("lets a listener take itself away while it is called; the others are called", function()
    assert.are.equal("once\tmain\nalways\tmain\n", (ended([[
      local remove
      remove = reaper.on("on_stop", function(reason) print("once", reason) remove() end)
      reaper.on("on_stop", function(reason) print("always", reason) end)
    ]])))
    local out, err = script.body([[
      local remove
      remove = reaper.on("on_reap", function() print("once") remove() end)
      reaper.on("on_reap", function() print("always") end)
      reaper.spawn{ "true" }:wait()
      reaper.spawn{ "true" }:wait()
      reaper.sleep(0)
    ]])
    assert.are.same({ "once\nalways\nalways\n", "" }, { out, err })
  end)

  it("asks listeners one after the other until one answers", function()
    local c = script.start([[
      function on_signal() print("own") end
      reaper.on("on_signal", function() print("second") return "USR2" end)
      reaper.on("on_signal", function() print("third") return "HUP" end)
    ]], { command = { container.helper, "signals" } })
    c:expect("ready")
    c:kill("USR1")
    c:expect("own\nsecond\n.*got 12\n")
    assert.is_nil(c:out():find("third", 1, true))
  end)

  it("goes on to the next listener when one fails", function()
    local _, err, code = ended([[
      function on_exit() error("broken") end
      reaper.on("on_exit", function() return 6 end)
    ]])
    assert.are.equal(6, code)
    assert.matches("broken", err, 1, true)
  end)

  local wrong = {
    { "reaper.on('on_raep', print)", "'hook' to 'reaper.on' (there is no hook 'on_raep'; did you mean 'on_reap'?)" },
    { "reaper.on(nil, print)", "'hook' to 'reaper.on' (string expected, got no value)" },
    { "reaper.on('on_reap', 3)", "'f' to 'reaper.on' (function expected, got number)" },
  }
  for _, row in ipairs(wrong) do
    it("raises for " .. row[1], function()
      assert.matches("hooks.lua:1: bad argument " .. row[2], script.printed(
        ("print(select(2, pcall(function() %s end)))"):format(row[1])), 1, true)
    end)
  end
end)

describe("an error in a hook", function()
  after_each(container.close_all)

  for _, hook in ipairs { "on_start", "on_reap", "on_stop", "on_exit", "on_signal" } do
    it(("is reported with its traceback: %s"):format(hook), function()
      local c = script.start(("local function deep() error('oops') end\nfunction %s() deep() end"):format(hook),
        { command = { "sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done" } })
      c:expect("ready\n")
      c:kill("USR1")
      assert.are.equal(7, c:wait())
      assert.matches("reaper%-lua: " .. hook .. ": [^\n]*hooks.lua:1: oops\n  stack traceback:\n.*in .*'deep'",
        c:err())
    end)
  end

  it("goes to on_error with its message and the hook's name", function()
    local out, err, code = ended([[
      function on_stop() error("oops") end
      function on_error(message, hook) print(hook, message) end
    ]])
    assert.matches("^on_stop\t.*hooks.lua:1: oops\n$", out)
    assert.are.same({ "", 0 }, { err, code })
  end)

  it("need not be a string", function()
    local out, _, code = ended([[
      function on_stop() error({ "t" }) end
      function on_exit() error() end
      function on_error(message, hook) print(hook, type(message)) end
    ]])
    assert.are.same({ "on_stop\tstring\non_exit\tstring\n", 0 }, { out, code })
  end)

  it("in on_error itself is not fatal and is told, too", function()
    local out, err, code = ended([[
      function on_stop() error("first") end
      function on_error() error("second") end
      function on_exit() print("still here") end
    ]])
    assert.are.same({ "still here\n", 0 }, { out, code })
    assert.matches("on_error: .*second", err)
  end)

  it("of a timer and of a reader goes to on_error, too", function()
    local out = script.run([[
      function on_start()
        reaper.after(0, function() error("late") end)
        reaper.spawn{ "echo", "x", stdout = function(line) error("read " .. line) end }
      end
      local left = 2
      function on_error(message, hook)
        print(hook, (message:gsub("^.-:%d+: ", "")))
        left = left - 1
        if left == 0 then reaper.exit() end
      end
    ]])
    local lines = script.lines(out)
    table.sort(lines)
    assert.are.same({ "after\tlate", "stdout\tread x" }, lines)
  end)
end)
