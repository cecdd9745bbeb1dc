-- Who has the last word: option, then reaper.configure{}, then environment, then default. And what the words behind
-- the options are.

local container = require "spec.support.container"
local observe = require "spec.support.observe"

local helper = container.helper

local function configure(settings)
  return ("reaper.configure{ %s }\n"):format(settings)
end

describe("the precedence", function()
  after_each(container.close_all)

  -- The value of each place, and what is seen where it has the last word.
  local rows = {
    { name = "map-exit", observe = observe.exit_code, args = { "-e", "3:10" }, configure = "map_exit = { [3] = 20 }",
      env = { REAPER_MAP_EXIT = "3:30" }, seen = { 10, 20, 30, 3 } },
    { name = "rewrite", observe = observe.rewritten, args = { "-r", "USR1:HUP" },
      configure = "rewrite = { USR1 = 'QUIT' }", env = { REAPER_REWRITE = "USR1:USR2" }, seen = { 1, 3, 12, 10 } },
    { name = "grace", observe = observe.grace, args = { "-t", "0.1" }, configure = "grace = 0.2",
      env = { REAPER_GRACE = "0.3" }, seen = { 0.1, 0.2, 0.3, 5 } },
    { name = "user", observe = observe.user, args = { "-u", "4001" }, configure = "user = 4002",
      env = { REAPER_USER = "4003" }, seen = { 4001, 4002, 4003, 0 } },
    { name = "hook-timeout", observe = observe.hook_timeout, args = { "--hook-timeout", "0.1" },
      configure = "hook_timeout = 0.2", env = { REAPER_HOOK_TIMEOUT = "0.3" }, seen = { 0.1, 0.2, 0.3, 1 } },
    { name = "log-format", observe = observe.log_format, args = { "--log-format", "json" },
      configure = "log_format = 'text'", env = { REAPER_LOG_FORMAT = "json" },
      seen = { "json", "text", "json", "text" } },
    { name = "kill-group", observe = observe.group, args = { "-g" }, configure = "kill_group = false",
      env = { REAPER_KILL_GROUP = "yes" }, seen = { 2, 1, 2, 1 } },
    { name = "verbose", observe = observe.level, args = { "-v" }, configure = "quiet = true",
      env = { REAPER_VERBOSE = "2" }, seen = { 3, 2, 4, 2 } },
  }
  local places = { "the option", "reaper.configure{}", "the environment", "the default" }

  for _, row in ipairs(rows) do
    for first, place in ipairs(places) do
      it(("of --%s: %s over what comes after it"):format(row.name, place), function()
        assert.are.equal(row.seen[first], row.observe{
          args = first <= 1 and row.args or nil,
          script = first <= 2 and configure(row.configure) or nil,
          env = first <= 3 and row.env or nil,
        })
      end)
    end
  end

  it("is decided for each exit code of -e by itself", function()
    for code, expected in pairs { [3] = 10, [4] = 20, [5] = 30, [6] = 6 } do
      assert.are.equal(expected, (container.run{
        args = { "-e", "3:10" },
        script = configure("map_exit = { [3] = 11, [4] = 20 }"),
        env = { REAPER_MAP_EXIT = "3:12,4:21,5:30" },
        command = { helper, "exit", code },
      }))
    end
  end)

  it("leaves a variable without text out", function()
    assert.are.equal(3, observe.exit_code{ env = { REAPER_MAP_EXIT = "", REAPER_GRACE = "", REAPER_WARN = "" } })
  end)

  for _, value in ipairs { "0", "no", "false", "off", "OFF" } do
    it("knows a flag that is switched off in the environment: " .. value, function()
      assert.are.equal(0, observe.warnings{ env = { REAPER_WARN = value } })
    end)
  end
end)

describe("the words behind the options", function()
  after_each(container.close_all)

  -- One script that tells what it is given and one that COMMAND would be if it were no script.
  local PREPARE = [[
    cd {folder}
    printf '#!/usr/bin/env lua5.4\nprint("script", arg[0], table.concat(arg, " "))\nif not arg[1] then os.exit(0) end' \
      >script.lua
    chmod 755 script.lua
    PATH=$PATH:.
    exec "$@"
  ]]

  local function run(...)
    local code, out, err = container.run{ wrap = { "/bin/sh", "-c", PREPARE, "sh" }, raw = { ... } }
    assert.are.same({ 0, "" }, { code, err })
    return out
  end

  local rows = {
    { "take the first as the script", { "script.lua", "/bin/echo", "-g", "b" },
      "script\tscript.lua\t/bin/echo -g b\n-g b\n" },
    { "take a -- behind the script", { "script.lua", "--", "/bin/echo", "b" }, "script\tscript.lua\t/bin/echo b\nb\n" },
    { "take only one --", { "script.lua", "--", "/bin/echo", "--", "b" },
      "script\tscript.lua\t/bin/echo -- b\n-- b\n" },
    { "take a script without COMMAND", { "script.lua" }, "script\tscript.lua\t\n" },
    { "take a script with options before it", { "-g", "-t", "3", "script.lua", "/bin/echo", "b" },
      "script\tscript.lua\t/bin/echo b\nb\n" },
    { "take none as the script behind --", { "--", "/bin/echo", "a" }, "a\n" },
    { "take none as the script behind options and --", { "-g", "-t", "3", "--", "/bin/echo", "a" }, "a\n" },
    { "take a second -- as COMMAND's", { "--", "/bin/echo", "--" }, "--\n" },
    { "take none as the script behind -x", { "-x", "print('text', arg[0], arg[1])", "/bin/echo", "a" },
      "text\t-x\t/bin/echo\na\n" },
    { "take none as the script behind -x and --", { "-x", "print('text')", "--", "/bin/echo", "a" }, "text\na\n" },
    { "take none as the script when a letter's value is --", { "-x", "--", "/bin/echo", "a" }, "a\n" },
    { "end the options with the first", { "--", "/bin/echo", "-V", "--help" }, "-V --help\n" },
  }

  for _, row in ipairs(rows) do
    it(row[1], function()
      assert.are.equal(row[3], run(table.unpack(row[2])))
    end)
  end

  it("run a script's name behind -- as COMMAND", function()
    assert.matches("^script\t%./script%.lua\ta\n$", run("--", "./script.lua", "a"))
  end)

  it("take getopt_long's abbreviations and clusters", function()
    assert.are.equal(4, (container.run{ args = { "--map", "3:4", "-gw", "--kill", "-swt", "3", "--scr=9" },
      command = { helper, "exit", 3 } }))
    assert.are.equal(0, (container.run{ args = { "-ge143" },
      command = { "/bin/sh", "-c", "kill -TERM $$" } }))
  end)

  it("find a script by a relative path, with modules beside it", function()
    local code, out = container.run{
      wrap = { "/bin/sh", "-c", [[
        mkdir {folder}/inner && cd {folder} && echo 'return { word = "found" }' >inner/beside.lua &&
        echo 'print(require("beside").word, require("reaper") == reaper)' >inner/script.lua && exec "$@"]], "sh" },
      raw = { "inner/script.lua", "/bin/true" },
    }
    assert.are.same({ 0, "found\ttrue\n" }, { code, out })
  end)
end)

describe("--check", function()
  local function check(script, args)
    return container.run{ args = { "-C", table.unpack(args or {}) }, script = script,
      command = { "/bin/echo", "COMMAND ran" } }
  end

  it("finds nothing wrong in a good script and starts nothing", function()
    local script = [[
      local process, message = reaper.spawn{ "/bin/echo", "spawned" }
      print(process, message)
      reaper.sleep(0.01)
      reaper.configure{ grace = 2 }
      function on_reap() end
      function on_start() print("started") end
    ]]
    assert.are.same({ 0, "nil\tnothing is started with --check\n", "" }, { check(script) })
  end)

  it("names unknown hooks with the nearest one and exits with 125", function()
    local code, out, err = check("function on_reep() end function on_xyzzy() end return { on_sginal = print }")
    assert.are.same({ 125, "" }, { code, out })
    assert.matches("unknown hook 'on_reep'; did you mean 'on_reap'?", err, 1, true)
    assert.matches("unknown hook 'on_sginal'; did you mean 'on_signal'?", err, 1, true)
    assert.matches("unknown hook 'on_xyzzy'\n", err, 1, true)
  end)

  local bad = {
    { "a syntax error", "function on_reap(", "hooks%.lua:1: .+ expected near <eof>" },
    { "an error", "local x = nil + 1", "hooks%.lua:1: attempt to perform arithmetic.*stack traceback" },
    { "an error after a wait", "reaper.sleep(0.01) error('late')", "hooks%.lua:1: late" },
    { "a hook that is no function", "on_reap = 5", "the hook 'on_reap' is a number, not a function" },
    { "a wrong setting", "reaper.configure{ graze = 5 }", "\"graze\".*\"grace\"" },
    { "an endless loop", "while true do end", "computed for too long without yielding" },
  }
  for _, row in ipairs(bad) do
    it("exits with 125 for " .. row[1], function()
      local code, out, err = check(row[2], { "--hook-timeout", "0.2" })
      assert.are.same({ 125, "" }, { code, out })
      assert.matches(row[3], err)
    end)
  end

  it("takes text, and needs a script", function()
    assert.are.equal(0, (container.run{ args = { "-C", "-x", "return {}" } }))
    assert.are.equal(125, (container.run{ args = { "-C", "-x", "return {" } }))
    local code, out, err = container.run{ args = { "--check" }, command = { "/bin/echo", "COMMAND ran" } }
    assert.are.same({ 125, "" }, { code, out })
    assert.matches("^reaper%-lua: %-%-check needs a script[^\n]*\n$", err)
  end)
end)
