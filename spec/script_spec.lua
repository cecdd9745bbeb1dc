-- What a script finds around it: its log, the global table, its arguments, modules, print and os.exit.

local container = require "spec.support.container"
local script = require "spec.support.script"

-- What a script writes on stderr when it calls reaper.log with these arguments (Lua text).
local function logged(arguments, options)
  local _, err, code = script.run(("reaper.log(%s) os.exit(0)"):format(arguments), options)
  assert.are.equal(0, code)
  return err
end

local JSON = { args = { "--log-format", "json" } }

describe("reaper.log", function()
  after_each(container.close_all)

  local texts = {
    { "'info', 'a message'", "reaper-lua: a message\n" },
    { "'error', 'a message'", "reaper-lua: a message\n" },
    { "'warning', 'a message'", "reaper-lua: warning: a message\n" },
    { "'info', 3", "reaper-lua: 3\n" },
    { "'info', 'm', {}", "reaper-lua: m\n" },
    { "'info', 'm', { b = 1, a = true, c = 1.5 }", "reaper-lua: m a=true b=1 c=1.5\n" },
    { "'info', 'm', { text = 'two words', empty = '', quote = 'a\"b', eq = 'a=b', new = 'a\\nb' }",
      [[reaper-lua: m empty="" eq="a=b" new="a\nb" quote="a\"b" text="two words"]] .. "\n" },
    { "'info', '100% %s %d'", "reaper-lua: 100% %s %d\n" },
  }
  for _, row in ipairs(texts) do
    it("writes one line of text: " .. row[1], function()
      assert.are.equal(row[2], logged(row[1]))
    end)
  end

  local jsons = {
    { "'info', 'a message'", '"level":"info","message":"a message"}' },
    { "'warning', 'a \"b\"\\n\\\\ \\1'", [["level":"warning","message":"a \"b\"\u000a\\ \u0001"}]] },
    { "'error', 'm', { b = 1, a = true, c = 1.5, d = 'two words', e = 'a\"\\n' }",
      [["level":"error","message":"m","a":true,"b":1,"c":1.5,"d":"two words","e":"a\"\n"}]] },
    { "'info', 'grün', { k = 'grün', bad = '\\255' }",
      [["level":"info","message":"grün","bad":"�","k":"grün"}]] },
    { "'info', 'm', { inf = 1/0, f = false }", [["level":"info","message":"m","f":false,"inf":"inf"}]] },
  }
  for _, row in ipairs(jsons) do
    it("writes one line of JSON: " .. row[1], function()
      local line = logged(row[1], JSON)
      assert.matches('^{"time":"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ",', line)
      assert.are.equal(row[2] .. "\n", line:gsub('^{"time":"[^"]*",', ""))
    end)
  end

  for level, arguments in pairs { debug = { "-v" }, trace = { "-vv" }, info = {}, warning = {}, error = { "-q" } } do
    it("says " .. level .. " from " .. (arguments[1] or "no option") .. " on", function()
      assert.matches("it is said", logged(("%q, 'it is said'"):format(level), { args = arguments }), 1, true)
    end)
  end

  for level, arguments in pairs { debug = {}, trace = { "-v" }, info = { "-q" }, warning = { "-q" } } do
    it("keeps " .. level .. " back with " .. (arguments[1] or "no option"), function()
      assert.is_nil(logged(("%q, 'it is said'"):format(level), { args = arguments }):find("it is said", 1, true))
    end)
  end

  local wrong = {
    { "'wraning', 'm'", "bad argument 'level' to 'reaper.log' ('wraning' is none of error, warning, info, debug, "
      .. "trace; did you mean 'warning'?)" },
    { "3, 'm'", "bad argument 'level' to 'reaper.log' (string expected, got number)" },
    { "", "bad argument 'level' to 'reaper.log' (string expected, got no value)" },
    { "'info', 'm', 3", "bad argument 'fields' to 'reaper.log' (table expected, got number)" },
  }
  for _, row in ipairs(wrong) do
    it("raises for " .. row[1], function()
      local out = script.printed(("local function f()\nreaper.log(%s)\nend\nprint(select(2, pcall(f)))"):format(row[1]))
      assert.is_truthy(out:find("/hooks.lua:2: " .. row[2], 1, true), out)
    end)
  end
end)

describe("a script", function()
  after_each(container.close_all)

  it("has reaper as a global, the same table that require gives", function()
    assert.are.equal("true\tstring\n", script.printed([[print(reaper == require "reaper", type(reaper.version))]]))
  end)

  it("has itself in arg[0] and the words of COMMAND from arg[1] on, which are its arguments, too", function()
    local c = script.start([[
      print(arg[0], #arg, arg[1], arg[2], arg[3])
      print(select("#", ...), ...)
    ]], { command = { "true", "a b", "--x" } })
    c:wait()
    assert.are.equal(c:file("hooks.lua") .. "\t3\ttrue\ta b\t--x\n3\ttrue\ta b\t--x\n", c:out())
  end)

  it("finds modules beside itself, wherever it is started", function()
    local c = script.start([[
      local file = io.open("{folder}/beside.lua", "w")
      file:write("local name = ... reaper.on('on_stop', function() print('module', name) end) return 42")
      file:close()
      print(require "beside")
    ]], { cwd = "/usr", command = { "true" } })
    c:wait()
    assert.matches("^42\t[^\n]*/beside.lua\nmodule\tbeside\n$", c:out())
  end)

  it("runs in the folder where reaper-lua was started, and so does COMMAND", function()
    local out = script.run([[print(io.popen("pwd"):read("l"))]], { cwd = "/usr/bin", command = { "pwd" } })
    assert.are.equal("/usr/bin\n/usr/bin\n", out)
  end)

  it("prints whole lines at once, through a pipe, too", function()
    local program = container.binary
    finally(function()
      container.binary = program
    end)
    container.binary = "/bin/sh"
    local c = container.start { raw = { "-c", '"$@" | cat', "sh", program, "-x", [[
      print("from the chunk")
      function on_start() print("from a hook") io.write("and more\n") end
    ]] } }
    c:expect("from the chunk\nfrom a hook\nand more\n")
    assert.is_nil(c:ended())
  end)

  it("may begin with #!", function()
    assert.are.equal("hello\n", (script.run("#!/usr/bin/env reaper-lua\nprint('hello') os.exit(0)")))
  end)

  it("finds again what it has stored, in blocks of all sizes, also in ones that were used before", function()
    local out = script.run([[
      local kept = {}
      for round = 1, 3 do
        for i = 1, 20000 do
          kept[i] = { round = round, text = ("%d "):format(i):rep(1 + i % 120) }
        end
        for i = round, 20000, 2 do kept[i] = nil end
        collectgarbage()
        for i, value in pairs(kept) do
          assert(value.text == ("%d "):format(i):rep(1 + i % 120), i)
        end
      end
      print(collectgarbage "count" > 2048)
      os.exit(0)
    ]], { args = { "--hook-timeout", "30" } })
    assert.are.equal("true\n", out)
  end)
end)

describe("os.exit", function()
  after_each(container.close_all)

  for given, code in pairs { [""] = 0, ["true"] = 0, ["false"] = 1, ["0"] = 0, ["7"] = 7, ["255"] = 255 } do
    it(("(%s) in a hook stops with code %d, after on_stop and on_exit"):format(given, code), function()
      local out, err, got = script.run(([[
        function on_start() reaper.spawn{ "sleep", "1000" } os.exit(%s) print("never") end
        function on_reap(_, status) print("reaped", status) end
        function on_stop(reason) print("stop", reason) end
        function on_exit(code) print("exit", code) end
      ]]):format(given))
      assert.are.equal(("stop\texit\nreaped\tsignal SIGTERM\nexit\t%d\n"):format(code), out)
      assert.are.same({ "", code }, { err, got })
    end)
  end

  it("stops the main child, too", function()
    local out, _, code = script.run([[
      function on_start() os.exit(3) end
      function on_reap(pid, status) print("reaped", pid == reaper.main.pid, status) end
    ]], { command = { "sleep", "1000" } })
    assert.are.same({ "reaped\ttrue\tsignal SIGTERM\n", 3 }, { out, code })
  end)

  it("cannot be caught by pcall or a coroutine", function()
    local out, err, code = script.run([[
      function on_start()
        pcall(function() coroutine.wrap(function() pcall(os.exit, 5) print("never") end)() print("never") end)
        print("never")
      end
    ]])
    assert.are.same({ "", "", 5 }, { out, err, code })
  end)

  it("while the script is loaded ends with that code and starts nothing", function()
    local out, err, code = script.run("os.exit(9)", { command = { "echo", "started" } })
    assert.are.same({ "", "", 9 }, { out, err, code })
  end)

  it("in a timer and in on_exit gives the code", function()
    local _, _, code = script.run("function on_start() reaper.after(0.01, function() os.exit(8) end) end")
    assert.are.equal(8, code)
    _, _, code = script.run("function on_exit() os.exit(6) end", { command = { "true" } })
    assert.are.equal(6, code)
  end)
end)
