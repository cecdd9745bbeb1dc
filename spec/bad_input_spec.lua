-- Wrong words on the command line, in the environment or in COMMAND's place: one line that says what is wrong, and
-- nothing is started.

local container = require "spec.support.container"

-- Runs it with a script and a COMMAND that would both be heard of.
local function refused(options)
  options.script = "print('the script ran')"
  options.command = { "/bin/echo", "COMMAND ran" }
  local code, out, err = container.run(options)
  assert.are.same({ 125, "" }, { code, out })
  assert.matches("^reaper%-lua: [^\n]+\n$", err)
  return err
end

local function assert_contains(text, list)
  for _, part in ipairs(list) do
    assert.matches(part, text, 1, true)
  end
end

describe("a wrong option", function()
  -- The words, and what the line must contain.
  local rows = {
    { { "--gracee", "3" }, { "unknown option --gracee", "--grace" } },
    { { "--kil-group" }, { "unknown option --kil-group", "--kill-group" } },
    { { "--rewrote=TERM:INT" }, { "unknown option --rewrote", "--rewrite" } },
    { { "--xyzzyplugh" }, { "unknown option --xyzzyplugh", "--help" } },
    { { "--" .. ("x"):rep(5000) }, { "unknown option --xxx" } },
    { { "--p" }, { "--p" } }, -- parent-death, script-timeout or pause
    { { "-z" }, { "unknown option -z" } },
    { { "-gz" }, { "unknown option -z" } },
    { { "-\1" }, { "unknown option" } },
    { { "--kill-group=1" }, { "--kill-group", "takes no argument" } },
    { { "--leave-orphans=1" }, { "--leave-orphans", "takes no argument" } },
    { { "-p", "TREM" }, { "--parent-death", "TREM", "TERM" } },
    { { "-p", "SIGHUPP" }, { "--parent-death", "SIGHUPP", "SIGHUP" } },
    { { "-p", "" }, { "--parent-death", "is not a signal" } },
    { { "-p", "65" }, { "--parent-death", "65" } },
    { { "-p", "-1" }, { "--parent-death", "-1" } },
    { { "-p", "RTMIN+31" }, { "--parent-death", "RTMIN+31" } },
    { { "-p", "RTMAX+1" }, { "--parent-death", "RTMAX+1" } },
    { { "-p", "0xf" }, { "--parent-death", "0xf" } },
    { { "-r", "TERM" }, { "--rewrite", "TERM", "FROM:TO" } },
    { { "-r", "QIUT:TERM" }, { "--rewrite", "QIUT", "QUIT" } },
    { { "-r", "TERM:USR3" }, { "--rewrite", "USR3", "USR1" } },
    { { "-r", "TERM:" }, { "--rewrite", "is not a signal" } },
    { { "-r", "0:TERM" }, { "--rewrite", "0:TERM" } },
    { { "-r", "KILL:TERM" }, { "--rewrite", "KILL" } },
    { { "-r", "19:TERM" }, { "--rewrite", "STOP" } },
    { { "-r", "TERM:INT:HUP" }, { "--rewrite", "INT:HUP" } },
    { { "-u", "no-such-user" }, { "--user", "no-such-user" } },
    { { "-u", ("x"):rep(5000) }, { "--user" } },
    { { "--log-format", "jsonn" }, { "--log-format", "jsonn", "json" } },
    { { "--hook-memory", "64X" }, { "--hook-memory", "64X" } },
    { { "--hook-memory", "1.5M" }, { "--hook-memory", "1.5M" } },
    { { "--hook-memory", "-1" }, { "--hook-memory", "-1" } },
    { { "--hook-memory", "" }, { "--hook-memory" } },
    { { "--hook-memory", "99999999999G" }, { "--hook-memory", "99999999999G" } },
    { { "--grace", "1\n2" }, { "--grace" } },
    { { "--no\nsuch" }, { "unknown option" } },
    { { "-P" }, { "--pause", "no command" } },
  }

  for _, row in ipairs(rows) do
    it("is named: " .. table.concat(row[1], " "):gsub("%c", "?"):sub(1, 60), function()
      assert_contains(refused{ args = row[1] }, row[2])
    end)
  end

  it("may stand behind right ones", function()
    assert_contains(refused{ args = { "-g", "-t", "3", "--warn", "--quite" } }, { "--quite", "--quiet" })
  end)

  for _, option in ipairs { "-t", "--grace", "-gt", "-x", "--user", "-e" } do
    it("is one without its argument: " .. option, function()
      local code, out, err = container.run{ raw = { "-g", option } }
      assert.are.same({ 125, "" }, { code, out })
      assert.matches("^reaper%-lua: [^\n]*" .. option:gsub("%-", "%%-") .. " needs an argument[^\n]*\n$", err)
    end)
  end
end)

describe("a wrong number", function()
  local numbers = { "", " ", "x", "0x10", "0X1p4", "inf", "Infinity", "nan", "-1", "-0", "+5", "1e3", "1.", ".",
    "1.2.3", " 5", "5 ", "5s", "1,5", "５", "99999999999999999999999" }
  local options = { "grace", "hook-timeout", "script-timeout" }

  for _, number in ipairs(numbers) do
    it("is refused on the command line: '" .. number .. "'", function()
      for _, option in ipairs(options) do
        assert_contains(refused{ args = { "--" .. option, number } }, { "--" .. option, '"' .. number .. '"' })
      end
    end)
  end

  for _, number in ipairs { "x", "0x10", "inf", "nan", "-1", "1e3", " 5" } do
    it("is refused in the environment: '" .. number .. "'", function()
      for _, variable in ipairs { "REAPER_GRACE", "REAPER_HOOK_TIMEOUT", "REAPER_SCRIPT_TIMEOUT" } do
        assert_contains(refused{ env = { [variable] = number } }, { variable, '"' .. number .. '"' })
      end
    end)
  end

  for _, value in ipairs { "", "256", "-1", "0x1", "1:256", "1:-1", "1:", ":1", "1:2:3", "1.0", "TERM", "1 " } do
    it("is refused for -e: '" .. value .. "'", function()
      assert_contains(refused{ args = { "-e", value } }, { "--map-exit", '"' .. value .. '"' })
    end)
  end

  for _, number in ipairs { "0", "0.0", "00.250", ".5", "3", "100000" } do
    it("is no decimal: " .. number .. " is right", function()
      assert.are.equal(0, (container.run{ args = { "-t", number }, command = { "/bin/true" } }))
    end)
  end
end)

describe("a wrong variable", function()
  local rows = {
    { "REAPER_KILL_GROUP", "maybe" }, { "REAPER_SUBREAPER", "2" }, { "REAPER_PARENT_DEATH", "TREM", "TERM" },
    { "REAPER_MAP_EXIT", "3:4,256" }, { "REAPER_REWRITE", "TERM:INT,QIUT:HUP", "QUIT" },
    { "REAPER_LEAVE_ORPHANS", "x" }, { "REAPER_USER", "no-such-user" }, { "REAPER_WARN", "-1" },
    { "REAPER_VERBOSE", "4" }, { "REAPER_QUIET", "x" }, { "REAPER_LOG_FORMAT", "xml", "json" },
    { "REAPER_HOOK_MEMORY", "x" }, { "REAPER_CHECK", "x" }, { "REAPER_PAUSE", "x" }, { "REAPER_SINGLE_CHILD", "x" },
  }
  for _, row in ipairs(rows) do
    it("is named: " .. row[1] .. "=" .. row[2], function()
      local last = row[2]:match("[^,]+$")
      assert_contains(refused{ env = { [row[1]] = row[2] } }, { row[1], (last:gsub(":.*", "")), row[3] })
    end)
  end
end)

describe("a piece of a list in a variable", function()
  it("that is longer than any piece can be is told, cut", function()
    local text = ("1"):rep(300)
    local err = refused{ env = { REAPER_MAP_EXIT = "3:4," .. text } }
    assert_contains(err, { "REAPER_MAP_EXIT", '"' .. text:sub(1, 64) .. '…" is too long' })
  end)
end)

describe("nothing to do", function()
  for _, words in ipairs { {}, { "--" }, { "-g" }, { "-g", "--" }, { "-t", "3" }, { "-x" } } do
    it("is refused: reaper-lua " .. table.concat(words, " "), function()
      local code, out, err = container.run{ raw = words }
      assert.are.same({ 125, "" }, { code, out })
      assert.matches("^reaper%-lua: [^\n]+\n$", err)
    end)
  end

  it("names what is missing", function()
    local _, _, err = container.run{ raw = {} }
    assert_contains(err, { "nothing to do", "script", "command", "--pause" })
  end)
end)

describe("a COMMAND that cannot be run", function()
  after_each(container.close_all)

  local PREPARE = [[
    cd {folder}
    printf 'echo "text $1"\n' >text && printf '#!/no/such/interpreter\n' >headless
    mkdir folder && chmod 755 text headless && touch plain
    PATH={folder} exec "$@"
  ]]

  -- The command, the exit code, and what the line must contain.
  local rows = {
    { "no-such-command", 127, "No such file" },
    { "/no/such/command", 127, "No such file" },
    { "/etc/passwd/command", 127, "Not a directory" },
    { "", 127, "No such file" },
    { "plain", 126, "Permission denied" },
    { "./plain", 126, "Permission denied" },
    { "folder", 126, "Permission denied" },
    { "{folder}", 126, "Permission denied" },
    { "headless", 127, "the interpreter that it names does not" },
    { "./headless", 127, "the interpreter that it names does not" },
    { ("x"):rep(5000), 127, "No such file" },
    { "/" .. ("x"):rep(5000), 126, "File ?name too long" },
  }

  local function run(words, script)
    return container.run{ wrap = { "/bin/sh", "-c", PREPARE, "sh" }, script = script, command = words }
  end

  for _, row in ipairs(rows) do
    for _, door in ipairs { "", " under a script" } do
      it(("is told: '%s'%s"):format(row[1]:sub(1, 30), door), function()
        local code, out, err = run({ row[1], "a" }, door ~= "" and "function on_reap() print('reaped') end" or nil)
        assert.are.same({ row[2], "" }, { code, out })
        assert.matches("^reaper%-lua: cannot run \"[^\n]*" .. row[3] .. "[^\n]*\n$", err)
      end)
    end
  end

  it("is not one that is a text without #!: the shell runs it", function()
    assert.are.same({ 0, "text a\n", "" }, { run{ "text", "a" } })
    assert.are.same({ 0, "text a\n", "" }, { run{ "./text", "a" } })
  end)

  it("is told to on_exit, and no on_reap", function()
    local _, out = run({ "no-such-command" }, [[
      function on_start(pid) print("start", pid) end
      function on_reap() print("reap") end
      function on_stop(reason) print("stop", reason) end
      function on_exit(code, status) print("exit", code, status) end
    ]])
    assert.are.equal("start\tnil\nstop\tmain\nexit\t127\tnil\n", out)
  end)
end)
