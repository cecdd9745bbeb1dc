-- Messages: names from outside make no lines, who forgot "--" is told so, and errors speak of the caller's lines.

local container = require "spec.support.container"
local program = require "spec.support.program"
local script = require "spec.support.script"

local HOSTILE = "/none\nreaper-lua: forged \27[31m\127\194\155m\255"
local SHOWN = [[/none\nreaper-lua: forged \x1b[31m\x7f\xc2\x9bm\xff]]

-- In $d as LuaRocks installs it: each init.lua is a file beside its directory, with that one's name.
local INSTALL_IN = 'for f in $d/reaper/*/*/init.lua $d/reaper/*/init.lua $d/reaper/init.lua; '
  .. 'do mv $f ${f%/init.lua}.lua; done; '

local function lines_of(text)
  return select(2, text:gsub("\n", ""))
end

describe("a name from outside", function()
  after_each(container.close_all)

  local rows = {
    { "of COMMAND", { command = { HOSTILE } }, 127 },
    { "in an option", { args = { "--" .. HOSTILE } }, 125 },
    { "in an option's value", { args = { "-t", HOSTILE }, command = { "true" } }, 125 },
    { "in the environment", { env = { REAPER_GRACE = HOSTILE }, command = { "true" } }, 125 },
    { "of the program, with -v", { args = { "-v" }, wrap = { "/bin/sh", "-c", 'ln -s /bin/true "{folder}$0"; exec "$@"',
      "/a\n\27b" }, command = { "{folder}/a\n\27b" } }, 0, [[/a\n\x1bb]] },
    { "of COMMAND that --restart cannot start again", { args = { "--restart", "on-failure:1" },
      wrap = { "/bin/sh", "-c", "printf '#!/bin/sh\\nrm -f \"$0\"; exit 1' >\"{folder}$0\"; chmod 755 \"{folder}$0\"; "
        .. "exec \"$@\"", "/a\n\27b" }, command = { "{folder}/a\n\27b" } }, 1, [[/a\n\x1bb]] },
    { "of a field",
      { script = "reaper.log('info', 'x', { ['a\\nb'] = 'c\\n\\u{9b}' }) function on_start() reaper.exit() end" },
      0, [["a\nb"="c\n\u009b"]] },
  }
  for _, row in ipairs(rows) do
    it("makes no line and steers no terminal: " .. row[1], function()
      local code, _, err = container.run(row[2])
      assert.are.equal(row[3], code, err)
      for line in err:gmatch "[^\n]+" do
        assert.matches("^reaper%-lua: ", line)
      end
      assert.not_matches("\nreaper-lua: forged", err, 1, true)
      assert.not_matches("[^%C\n]", err)
      assert.is_truthy(err:find(row[4] or SHOWN:sub(1, 30), 1, true), err)
    end)
  end

  it("is shown whole", function()
    local _, _, err = container.run { command = { HOSTILE } }
    assert.are.equal('reaper-lua: cannot run "' .. SHOWN .. '": No such file or directory\n', err)
  end)

  it("is text in JSON", function()
    local _, _, err = container.run { args = { "--log-format=json" }, command = { HOSTILE } }
    assert.are.equal(1, lines_of(err))
    assert.is_truthy(err:find([[/none\u000areaper-lua: forged \u001b[31m\u007f\u009bm\ufffd\"]], 1, true), err)
  end)
end)

describe("who forgot --", function()
  after_each(container.close_all)

  local HINT = "put -- before it: reaper-lua -- "
  local files = {
    ["shell.sh"] = "#!/bin/sh\nexit 4\n", ["lua.lua"] = "#!/usr/bin/env lua5.4\nexit 4\n", ["text"] = "exit 4\n",
    ["program"] = "\127ELF\2\1\1",
  }
  local rows = {
    { "a word that is a program", "sleep", "cannot open the script sleep: .* but there is the program /[^ ]*/sleep; .*"
      .. HINT .. "sleep" },
    { "a program", "{folder}/program",
      "/program:1: this is a program and no Lua script; .*" .. HINT .. "[^ ]*/program" },
    { "a script for another interpreter", "{folder}/shell.sh",
      "shell.sh:2: .*; its first line is for /bin/sh; .*" .. HINT },
  }
  for _, row in ipairs(rows) do
    it("is told so: " .. row[1], function()
      local code, out, err = container.run { files = files, raw = { row[2], "1" } }
      assert.are.same({ 125, "" }, { code, out })
      assert.matches((row[3]:gsub("%-", "%%-")), err)
      assert.are.equal(1, lines_of(err))
    end)
  end

  for _, name in ipairs { "lua.lua", "text", "missing" } do
    it("is not told so where it cannot be meant: " .. name, function()
      local code, _, err = container.run { files = files, raw = { "{folder}/" .. name } }
      assert.are.equal(125, code)
      assert.not_matches(HINT, err, 1, true)
    end)
  end
end)

-- A traceback whose last frame is the script's own, without any of ours.
local function check_traceback(text, last)
  assert.not_matches("reaper/", text, 1, true)
  assert.not_matches("reaper.lua:", text, 1, true)
  assert.not_matches("in function 'error'", text, 1, true)
  assert.matches("stack traceback:\n.*" .. last, text)
end

describe("a traceback has no lines of ours", function()
  after_each(container.close_all)

  local WRONG = "local function wrong() reaper.sleep('x') end\n"

  it("when a hook fails", function()
    local _, err = script.run(WRONG .. "function on_start() wrong() reaper.exit() end\n"
      .. "reaper.after(0.01, reaper.exit)")
    assert.matches("hooks.lua:1: bad argument 'seconds' to 'reaper.sleep'", err, 1, true)
    check_traceback(err, "hooks%.lua:2: in function 'on_start'\n$")
  end)

  it("when the script does not load", function()
    local _, err = script.run(WRONG .. "wrong()")
    check_traceback(err, "hooks%.lua:2: in [^\n]*\n$")
  end)

  it("that on_error is given", function()
    local out = script.run(WRONG .. [[
      function on_start() reaper.spawn{ "echo", "a", stdout = function() wrong() end } end
      function on_error(message, hook, traceback) print(hook, message, traceback) reaper.exit() end
    ]])
    assert.matches("^stdout\t[^\n]*hooks.lua:1: bad argument", out)
    check_traceback(out, "hooks%.lua:2: in function <[^\n]*>\n$")
  end)

  it("in a program whose rock has a long path", function()
    local _, _, err = program.run([[
      package.path = "{folder}/a/folder/with/a/long/name/as/images/have/them/share/lua/5.4/?.lua"
      local reaper = require "reaper"
      local function wrong() reaper.sleep("x") end
      print(select(2, pcall(wrong)))
      print(select(2, pcall(reaper.run, { "true" })))
      reaper.with_reaper({ enable_child_subreaper = true }, function() wrong() end)
    ]], { wrap = { "/bin/sh", "-c",
      'd={folder}/a/folder/with/a/long/name/as/images/have/them/share/lua/5.4; mkdir -p $d; '
      .. 'cp -R lua/reaper $d; ' .. INSTALL_IN .. 'exec "$@"', "sh" } })
    assert.matches("reaper.with_reaper: [^\n]*hooks.lua:3: bad argument", err)
    check_traceback(err, "hooks%.lua:6: in [^\n]*\n")
  end)
end)

describe("an error of a rock", function()
  after_each(container.close_all)

  it("names the caller's line", function()
    local out = program.printed([[
      package.path = "{folder}/tree/?.lua;{folder}/tree/?/init.lua"
      local reaper = require "reaper"
      assert(debug.getinfo(reaper.sleep, "S").source:find "tree/reaper.lua")
      for _, f in ipairs {
        function() reaper.wait4("x") end, function() reaper.sleep("x") end, function() reaper.after("x") end,
        function() reaper.every(1, 2) end, function() reaper.set_child_subreaper(1) end,
        function() reaper.spawn { "true" } end, function() reaper.on("on_reep", print) end,
        function() reaper.poll(1, reaper.start { disable_pid1_check = true }) reaper.reload() end,
        function() reaper.configure { user = 1 } end,
        function() local p = reaper.spawn { "true", stdout = "pipe" } p.stdout:each(print) p.stdout:each(print) end,
        function() require "reaper.restart".by_code { [300] = 1 } end,
        function() require "reaper.supervisor".run { {} } end,
      } do
        local ok, message = pcall(f)
        print(ok and debug.getinfo(f, "S").linedefined .. ": no error"
          or (message:gsub("^[^:]*/hooks.lua:%d+: .*", "the caller's")))
      end
    ]], { wrap = { "/bin/sh", "-c",
      'd={folder}/tree; mkdir $d; cp -R lua/reaper $d; ' .. INSTALL_IN .. 'exec "$@"', "sh" } })
    assert.matches("^the caller's\n", out)
    assert.are.equal(out, (("the caller's\n"):rep(lines_of(out))))
    assert.are.equal(12, lines_of(out))
  end)
end)

describe("an error of a script", function()
  after_each(container.close_all)

  it("names the caller's line where a function that waits is called in a coroutine of the script's own", function()
    local out = script.printed([[
      local function try(f)
        print(select(2, pcall(coroutine.wrap(f))))
      end
      try(function() reaper.sleep(1) end)
      try(function() reaper.run{ "true" } end)
      try(function() reaper.spawn{ "true" }:wait() end)
      try(function() local p = reaper.spawn{ "true", stdout = "pipe" } p.stdout:read() end)
    ]])
    assert.matches(("[^\n]*/hooks.lua:%d: [^\n]* waits, [^\n]*\n"):rep(4):format(4, 5, 6, 7), out)
  end)
end)
