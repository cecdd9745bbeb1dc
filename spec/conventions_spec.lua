-- What who knows Lua, or another init, expects: how scripts are read, and what is refused instead of being guessed.

local container = require "spec.support.container"
local program = require "spec.support.program"
local script = require "spec.support.script"

local NOBODY_RUNS = "as root"

describe("a user without COMMAND", function()
  after_each(container.close_all)

  -- What runs would tell by its output.
  local SPAWNS = "reaper.run{ 'echo', '" .. NOBODY_RUNS .. "' } function on_start() reaper.exit() end"

  local rows = {
    { "--user", { args = { "-u", "65534" }, script = SPAWNS }, '--user 65534 is the user of COMMAND.*user = "65534"' },
    { "REAPER_USER", { env = { REAPER_USER = "65534" }, script = SPAWNS }, "REAPER_USER 65534 is the user of COMMAND" },
    { "reaper.configure", { script = "reaper.configure{ user = 65534 } " .. SPAWNS },
      "'user' to 'reaper.configure' %(it is the user of COMMAND, and there is none" },
    { "--user with --eval", { args = { "-u", "65534", "-x", SPAWNS } }, "%-%-user 65534 is the user of COMMAND" },
    { "--user with --pause", { args = { "-u", "65534", "-P" } }, "%-%-user 65534: %-%-pause runs no command" },
    { "REAPER_USER with --pause", { args = { "-P" }, env = { REAPER_USER = "65534" } },
      "REAPER_USER 65534: %-%-pause runs no command" },
  }
  for _, row in ipairs(rows) do
    it("is refused: " .. row[1], function()
      local code, out, err = container.run(row[2])
      assert.are.same({ 125, "" }, { code, out })
      assert.matches(row[3], err)
    end)
  end

  it("is no matter for --check, since COMMAND may come later", function()
    local code, out, err = container.run { args = { "-C", "-u", "65534" }, script = "reaper.configure{ user = 65533 }" }
    assert.are.same({ 0, "", "" }, { code, out, err })
  end)
end)

describe("an option without an effect", function()
  after_each(container.close_all)

  local ENDS = "function on_start() reaper.exit() end"
  local rows = {
    { { "-g" }, ENDS, nil, "--kill-group has no effect without a command" },
    { { "-e", "3" }, ENDS, nil, "--map-exit has no effect without a command" },
    { { "--leave-orphans" }, ENDS, nil, "--leave-orphans has no effect without a command" },
    { { "--hook-timeout", "2" }, nil, { "true" }, "--hook-timeout has no effect without a script" },
    { { "--hook-memory", "64M" }, nil, { "true" }, "--hook-memory has no effect without a script" },
    { { "--script-timeout", "9" }, nil, { "true" }, "--script-timeout has no effect without a script" },
  }
  for _, row in ipairs(rows) do
    it("is told: " .. row[1][1], function()
      local code, _, err = container.run { args = row[1], script = row[2], command = row[3] }
      assert.are.same({ 0, "reaper-lua: warning: " .. row[4] .. "\n" }, { code, err })
    end)
  end

  it("is not told with --check, nor of one that comes from the environment", function()
    for _, options in ipairs { { args = { "-gC" }, script = ENDS },
      { env = { REAPER_KILL_GROUP = "1", REAPER_MAP_EXIT = "3" }, script = ENDS },
      { env = { REAPER_HOOK_TIMEOUT = "2" }, command = { "true" } } } do
      local code, _, err = container.run(options)
      assert.are.same({ 0, "" }, { code, err })
    end
  end)
end)

describe("a script", function()
  after_each(container.close_all)

  local function run_file(text)
    return container.run { files = { ["s.lua"] = text }, raw = { "{folder}/s.lua", "--", "true" } }
  end

  it("may begin with a byte order mark, before a first line for the kernel too", function()
    for text, line in pairs { ["\xef\xbb\xbfprint 'read' error 'here'"] = 1,
      ["\xef\xbb\xbf#!/usr/bin/env lua\nprint 'read' error 'here'"] = 2 } do
      local code, out, err = run_file(text)
      assert.are.same({ 125, "read\n" }, { code, out })
      assert.matches("s.lua:" .. line .. ": here", err, 1, true)
    end
  end)

  it("is told of what it returns that is no hook, and runs", function()
    local out, err, code = script.run("return { reap = 1, grace = 5, 'x', on_start = function() print 'on' end }",
      { command = { "true" } })
    assert.matches("the script returns 'reap', which is not a hook; did you mean 'on_reap'?\n", err, 1, true)
    assert.matches("the script returns 'grace', which is not a hook\n", err, 1, true)
    assert.matches("the script returns '1', which is not a hook\n", err, 1, true)
    assert.are.same({ 0, "on\n" }, { code, out })
  end)

  for what, text in pairs {
    ["an unknown hook"] = "function on_reep() end",
    ["an unknown key"] = "return { reap = function() end }",
  } do
    it("with " .. what .. " does not pass --check, which says it with -q too", function()
      local code, out, err = container.run { args = { "-qC" }, script = text }
      assert.are.same({ 125, "" }, { code, out })
      assert.matches("did you mean 'on_reap'?\n", err, 1, true)
    end)
  end

  it("gets info in on_reap(...)", function()
    local out = script.run([[
      local function logged(f) return function(...) return f(...) end end
      on_reap = logged(function(_, _, _, info) print(info and info.main) end)
    ]], { command = { "true" } })
    assert.are.equal("true\n", out)
  end)
end)

describe("a value that could be guessed", function()
  after_each(container.close_all)

  local rows = {
    { "reaper.configure{ grace = '5' }", "'grace' to 'reaper.configure' (\"5\" is not a number of seconds" },
    { "reaper.configure{ hook_timeout = '5' }", "'reaper.configure' (\"5\" is not a number of seconds" },
    { "reaper.configure{ rewrite = { TERM = 'QUIT', SIGTERM = 'INT' } }", "are one and the same" },
    { "reaper.configure{ rewrite = { TERM = 'QUIT', [15] = 'INT' } }", "are one and the same" },
    { "reaper.configure{ map_exit = { ['3'] = 5 } }", "'map_exit' to 'reaper.configure' (exit codes are numbers" },
    { "reaper.configure{ map_exit = { [3] = '5' } }", "'map_exit' to 'reaper.configure' (exit codes are numbers" },
    { "require 'reaper.restart'.by_code{ ['1'] = 'never' }", "the exit code is [1], a number" },
    { "require 'reaper.restart'.by_code{ TERM = 'never', SIGTERM = 'always' }", "another name of a signal" },
    { "require 'reaper.supervisor'.run{ { name = 'a', command = { 'true' }, stop = { grace = '5' } } }",
      "a number of seconds expected, got string" },
    { "reaper.configure{ environment = { A = 'b' } }", "unknown setting \"environment\"" },
    { "require 'reaper.supervisor'.run{ { nmae = 'a', command = { 'true' } } }",
      "unknown key 'nmae' in 'supervisor.run [1]'; did you mean 'name'?" },
    { "reaper.configure{ grcae = {} }", "unknown setting \"grcae\"; did you mean \"grace\"?" },
    { "reaper.spawn{ 'true', env = { 'A=B' } }", "NAME = value expected, such as { HOME = \"/\" }, got [1] = \"A=B\"" },
  }
  for _, row in ipairs(rows) do
    it("raises where it stands: " .. row[1], function()
      local out = script.printed("\nprint(select(2, pcall(function()\n" .. row[1] .. "\nend)))")
      assert.matches("^[^\n]*/hooks.lua:3: ", out)
      assert.is_truthy(out:find(row[2], 1, true), out)
    end)
  end
end)

describe("restart policies", function()
  after_each(container.close_all)

  it("load in a plain Lua without reaper/core.so, and know signals", function()
    local out = program.printed([[
      local restart = require "reaper.restart"
      local policy = restart.by_code { [3] = 5, SIGTERM = 6, ["RTMIN+1"] = 7, hup = 8 }
      local function delay(kind, code)
        return (policy { status = { kind = kind, code = code, exit_code = kind == "exit" and code or 128 + code } })
      end
      print(package.loaded["reaper.core"], delay("exit", 3), delay("signal", 15), delay("signal", 35),
        delay("signal", 1))
      print(select(2, pcall(restart.by_code, { SIGTREM = 1 })))
      print((restart.parse "on-failure:3"))
    ]], { env = { LUA_CPATH_5_4 = "/does/not/exist.so", LUA_CPATH = "/does/not/exist.so" } })
    assert.matches("^nil\t5\t6\t7\t8\n[^\n]*\"SIGTREM\" is not a signal%)\nfunction", out)
  end)

  it("number signals without reaper/core.so as the kernel does", function()
    local names = script.printed("for n = 1, 31 do print(require 'reaper.core'.signal(n)) end")
    local numbers = program.printed([[
      local check = require "reaper.runtime.check"
      for name in io.open("names"):read("a"):gmatch "SIG%w+" do print(check.signal("", "", name) .. "\t" .. name) end
    ]], { cwd = "{folder}", files = { names = names },
      env = { LUA_CPATH_5_4 = "/does/not/exist.so", LUA_CPATH = "/does/not/exist.so" } })
    assert.are.equal(names, numbers)
  end)
end)

describe("--log-format json", function()
  after_each(container.close_all)

  local rows = {
    ["REAPER_GRACE, which is read before REAPER_LOG_FORMAT"] = {
      env = { REAPER_GRACE = "x", REAPER_LOG_FORMAT = "json" },
    },
    ["a variable, asked for by the option"] = { env = { REAPER_GRACE = "x" }, args = { "--log-format=json" } },
    ["an option before it"] = { args = { "-t", "x", "--log-format", "json" } },
    ["an unknown option before it"] = { args = { "--bogus", "--log-format=json" } },
    ["an unknown option with an argument before it"] = { args = { "--bogus", "5", "--log-format=json" } },
    ["an unknown letter with an argument before it"] = { args = { "-vZ", "5", "--log-format=json" } },
    ["the form in the environment"] = { args = { "--bogus" }, env = { REAPER_LOG_FORMAT = "json" } },
    ["an argument that is missing behind it"] = { args = { "--log-format=json", "-t" }, command = false },
  }
  for what, options in pairs(rows) do
    it("is in force for what is wrong with " .. what, function()
      options.command = options.command == nil and { "true" } or nil
      local code, _, err = container.run(options)
      assert.are.equal(125, code)
      assert.matches('^{"time":"[^"]+","level":"error","message":".*"}\n$', err)
    end)
  end
end)
