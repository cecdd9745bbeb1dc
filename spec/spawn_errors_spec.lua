-- reaper.spawn: wrong arguments raise, naming the argument and what was expected, where the call stands.

local container = require "spec.support.container"
local script = require "spec.support.script"

-- The message of a call on line 2; it must point there and not at what called the function around it.
local function message_of(call)
  local out = script.printed(("local function f()\n%s\nend\nprint(select(2, pcall(f)))"):format(call))
  return out:match("^[^\n]*/hooks.lua:2: ([^\n]*)\n$") or error("no position of line 2 in: " .. out, 2)
end

describe("reaper.spawn raises", function()
  after_each(container.close_all)

  local rows = {
    { "", "'options' to 'reaper.spawn' (table expected, got no value)" },
    { "'true'", "'options' to 'reaper.spawn' (table expected, got string)" },
    { "{}", "'[1]' to 'reaper.spawn' (a command expected, got no value)" },
    { "{ print }", "'[1]' to 'reaper.spawn' (string expected, got function)" },
    { "{ 'true', {} }", "'[2]' to 'reaper.spawn' (string expected, got table)" },
    { "{ 'true', 'a\\0b' }", "'[2]' to 'reaper.spawn' (it contains a zero byte)" },
    { "{ 'true', name = 3 }", "'name' to 'reaper.spawn' (string expected, got number)" },
    { "{ 'true', name = '' }", "'name' to 'reaper.spawn' (1 to 63 bytes expected)" },
    { "{ 'true', name = ('x'):rep(64) }", "'name' to 'reaper.spawn' (1 to 63 bytes expected)" },
    { "{ 'true', env = 'A=1' }", "'env' to 'reaper.spawn' (table expected, got string)" },
    { "{ 'true', env = { A = {} } }", "'env.A' to 'reaper.spawn' (string expected, got table)" },
    { "{ 'true', env = { 'A=1' } }",
      "'env' to 'reaper.spawn' (NAME = value expected, such as { HOME = \"/\" }, got [1] = \"A=1\")" },
    { "{ 'true', env = { ['A=B'] = '1' } }", "'env' to 'reaper.spawn' ('A=B' is not a name of a variable)" },
    { "{ 'true', env = { A = 'a\\0b' } }", "'env.A' to 'reaper.spawn' (it contains a zero byte)" },
    { "{ 'true', clear_env = 1 }", "'clear_env' to 'reaper.spawn' (boolean expected, got number)" },
    { "{ 'true', cwd = 3 }", "'cwd' to 'reaper.spawn' (string expected, got number)" },
    { "{ 'true', user = {} }", "'user' to 'reaper.spawn' (string expected, got table)" },
    { "{ 'true', group = true }", "'group' to 'reaper.spawn' (string expected, got boolean)" },
    { "{ 'true', umask = '22' }", "'umask' to 'reaper.spawn' (an integer from 0 to 511 expected, got string)" },
    { "{ 'true', umask = 512 }", "'umask' to 'reaper.spawn' (an integer from 0 to 511 expected, got 512)" },
    { "{ 'true', nice = 20 }", "'nice' to 'reaper.spawn' (an integer from -20 to 19 expected, got 20)" },
    { "{ 'true', nice = 1.5 }", "'nice' to 'reaper.spawn' (an integer from -20 to 19 expected, got 1.5)" },
    { "{ 'true', oom_score_adj = -1001 }",
      "'oom_score_adj' to 'reaper.spawn' (an integer from -1000 to 1000 expected, got -1001)" },
    { "{ 'true', session = 'yes' }", "'session' to 'reaper.spawn' (boolean expected, got string)" },
    { "{ 'true', rlimit = 5 }", "'rlimit' to 'reaper.spawn' (table expected, got number)" },
    { "{ 'true', rlimit = { nofile = -1 } }", "'rlimit.nofile' to 'reaper.spawn' (an integer from 0" },
    { "{ 'true', rlimit = { nofile = { 5 } } }", "'rlimit.nofile' to 'reaper.spawn' (an integer from 0" },
    { "{ 'true', fds = 3 }", "'fds' to 'reaper.spawn' (table expected, got number)" },
    { "{ 'true', fds = { x = 1 } }", "'fds' to 'reaper.spawn' (an integer from 0 to 1048576 expected, got string)" },
    { "{ 'true', fds = { [3] = 'x' } }",
      "'fds[3]' to 'reaper.spawn' (an open file or a descriptor's number expected, got string)" },
    { "local f = io.tmpfile() f:close() reaper.spawn{ 'true', fds = { [3] = f } }",
      "'fds[3]' to 'reaper.spawn' (an open file or a descriptor's number expected" },
    { "{ 'true', fds = { [3] = 1 << 32 } }", -- to the kernel that would be 0
      "'fds[3]' to 'reaper.spawn' (an open file or a descriptor's number expected, got number)" },
    { "{ 'true', stdin = 1 << 32 }",
      "'stdin' to 'reaper.spawn' (\"inherit\", \"null\", \"pipe\", a path or a file expected, got number)" },
    { "{ 'true', stdin = true }",
      "'stdin' to 'reaper.spawn' (\"inherit\", \"null\", \"pipe\", a path or a file expected, got boolean)" },
    { "{ 'true', stdin = print }",
      "'stdin' to 'reaper.spawn' (\"inherit\", \"null\", \"pipe\", a path or a file expected, got function)" },
    { "{ 'true', stdout = {} }",
      "'stdout' to 'reaper.spawn' (\"inherit\", \"null\", \"pipe\", a path, a file or a function expected, got" },
    { "{ 'true', stdout = 'stdout' }", "'stdout' to 'reaper.spawn' (\"inherit\", \"null\", \"pipe\", a path, "
      .. "a file or a function expected; a file of that name is './stdout')" },
    { "{ 'true', stderr = 'a\\0b' }", "'stderr' to 'reaper.spawn' (it contains a zero byte)" },
  }
  for _, row in ipairs(rows) do
    it("for " .. row[1], function()
      local call = row[1]:find("reaper.spawn", 1, true) and row[1] or ("reaper.spawn(%s)"):format(row[1])
      assert.are.equal("bad argument " .. row[2], message_of(call):sub(1, #row[2] + 13))
    end)
  end

  local unknown = {
    { "{ 'true', nmae = 'x' }", "unknown key 'nmae' in 'reaper.spawn'; did you mean 'name'?" },
    { "{ 'true', std_out = 'pipe' }", "unknown key 'std_out' in 'reaper.spawn'; did you mean 'stdout'?" },
    { "{ 'true', xyzzy = 1 }", "unknown key 'xyzzy' in 'reaper.spawn'" },
    { "{ 'true', [0] = 1 }", "unknown key '0' in 'reaper.spawn'" },
    { "{ 'true', capture = true }", "unknown key 'capture' in 'reaper.spawn'" },
    {
      "{ 'true', rlimit = { nofiles = 1 } }", "unknown key 'nofiles' in 'reaper.spawn rlimit'; did you mean 'nofile'?"
    },
  }
  for _, row in ipairs(unknown) do
    it("for " .. row[1], function()
      assert.are.equal(row[2], message_of(("reaper.spawn(%s)"):format(row[1])))
    end)
  end

  it("for nothing that was given in a table that it leaves as it was", function()
    assert.are.equal("integer\tnil\tinherit\n", script.printed([[
      local options = { "true", user = 0, stdout = "inherit" }
      assert(reaper.run(options))
      print(math.type(options.user), options.capture, options.stdout)
    ]]))
  end)

  it("and has started nothing and opened nothing then", function()
    assert.are.equal("0\t0\t0\n", script.printed([[
      local function descriptors()
        local count = 0
        for fd = 0, 1023 do
          local info <close> = io.open("/proc/self/fdinfo/" .. fd)
          count = info and count + 1 or count
        end
        return count
      end
      local before = descriptors()
      for _ = 1, 20 do
        assert(not pcall(reaper.spawn, { "true", stdin = "pipe", stdout = "/dev/null", stderr = true }))
        assert(not pcall(reaper.spawn, { "true", stdin = "pipe", stdout = "pipe", fds = { [3] = "x" } }))
        assert(not pcall(reaper.spawn, { "true", stdin = "pipe", umask = "x" }))
      end
      print(descriptors() - before, #reaper.children(), reaper.stats().reaped)
    ]]))
  end)
end)
