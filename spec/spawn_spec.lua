-- reaper.spawn: what each key does to the new process, seen by that process itself.

local container = require "spec.support.container"
local script = require "spec.support.script"

-- What `spec-helper state` prints when it is spawned with these keys (Lua text).
local function state(keys, options)
  return script.printed(([[assert(reaper.spawn{ %q, "state", %s }):wait()]]):format(container.helper, keys), options)
end

local function has(line, text)
  assert.is_truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true), line .. " is not in:\n" .. text)
end

local function has_not(part, text)
  assert.is_nil(("\n" .. text):find("\n" .. part, 1, true), text)
end

-- The container sees its own list of users.
local USERS = {
  wrap = { "/bin/sh", "-c", [[
    set -e
    printf 'root:x:0:0::/root:/bin/sh\nalice:x:1234:1235::/home/alice:/bin/sh\n' > {folder}/passwd
    printf 'root:x:0:\nalice:x:1235:\nextra:x:1300:bob,alice\nother:x:1400:bob\n' > {folder}/group
    mount --bind {folder}/passwd /etc/passwd
    mount --bind {folder}/group /etc/group
    exec "$@"]], "sh" },
}

describe("a spawned process", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is a child of the engine, in a group of its own", function()
      local text = state("", { mode = mode })
      local pid, ppid, pgrp, sid = text:match("pid (%d+)\nppid (%d+)\npgrp (%d+)\nsid (%d+)\n")
      assert.are.equal(mode == "init" and "1" or "2", ppid)
      assert.are.equal(pid, pgrp)
      assert.are_not.equal(pid, sid)
    end)
  end)

  it("has the default signals and no descriptor above 2, whatever the script has open", function()
    local text = script.printed(([[
      local file = io.open("/dev/null")
      local pipe = reaper.spawn{ "cat", stdin = "pipe", stdout = "pipe" }
      reaper.spawn{ %q, "state" }:wait()
      file:close()
      pipe.stdin:close()
    ]]):format(container.helper))
    assert.matches("^mask 0000000000000000\nignored 0000000000000000\nfds 0 1 2\n", text)
  end)

  it("has the blocked and ignored signals that COMMAND gets", function()
    local c = script.start(script.on_start(([[
      reaper.spawn{ %q, "state" }:wait()
      print("end")
    ]]):format(container.helper), true), {
      ignore = { "HUP", "PIPE", "RTMAX" }, block = { "TERM", "RTMIN+1" }, command = { "sleep", "1000" },
    })
    c:expect("end\n")
    assert.matches("^mask 0000000400004000\nignored 8000000000001001\n", c:out())
  end)

  it("inherits folder, umask, nice value and limits", function()
    local own = assert(io.popen(container.helper .. " state")):read("a") -- what these specs themselves run with
    local text = state("", { cwd = "/usr" })
    has("cwd /usr", text)
    has(own:match("umask %d+"), text)
    has(own:match("nice %S+"), text)
  end)

  it("is a process with pid and name", function()
    assert.are.equal("number\tthe name\ttrue\nnil\n", script.printed([[
      local p = reaper.spawn{ "sleep", "1000", name = "the name" }
      print(math.type(p.pid) and type(p.pid), p.name, p:alive())
      print(reaper.spawn{ "true" }.name)
    ]]))
  end)

  it("takes its words as they are, integers too", function()
    assert.are.equal("<><a b><$HOME><7><*>\n", script.printed([[
      reaper.spawn{ "sh", "-c", 'printf "<%s>" "$@"; echo', "sh", "", "a b", "$HOME", 7, "*" }:wait()
    ]]))
  end)

  it("is looked for in the PATH that it gets itself", function()
    assert.are.equal("found\n", script.printed([[
      local file = io.open("{folder}/hidden", "w")
      file:write("#!/bin/sh\necho found\n")
      file:close()
      os.execute("chmod 755 {folder}/hidden")
      assert(not reaper.spawn{ "hidden" })
      reaper.spawn{ "hidden", env = { PATH = "/nonexistent:{folder}" } }:wait()
    ]]))
  end)
end)

describe("reaper.spawn's key", function()
  after_each(container.close_all)

  it("gets nothing of what systemd meant for COMMAND", function()
    local given = { LISTEN_PID = "1", LISTEN_PIDFDID = "2", LISTEN_FDS = "3", LISTEN_FDNAMES = "a", WATCHDOG_PID = "1",
      WATCHDOG_USEC = "1000", SYSTEMD_EXEC_PID = "1" }
    local text = state("", { env = given })
    for name in pairs(given) do
      has_not("env " .. name, text)
    end
  end)

  it("name stands in the environment as REAPER_NAME", function()
    has("env REAPER_NAME=the name", state("name = 'the name'"))
    has_not("env REAPER_NAME", state("", { env = { REAPER_NAME = "a parent's" } }))
  end)

  it("env adds, replaces and takes away variables", function()
    local text = state("env = { ADDED = 'a b', NUMBER = 7, OLD = 'new', GONE = false, EMPTY = '' }",
      { env = { OLD = "old", GONE = "1", KEPT = "k" } })
    for _, line in ipairs { "ADDED=a b", "NUMBER=7", "OLD=new", "EMPTY=", "KEPT=k" } do
      has("env " .. line, text)
    end
    has_not("env GONE", text)
  end)

  it("clear_env leaves only what env and name give", function()
    local text = state("clear_env = true, env = { A = '1' }, name = 'n'")
    assert.matches("env A=1\nenv REAPER_NAME=n\n", text, 1, true)
    assert.are.equal(2, select(2, text:gsub("\nenv ", "")))
  end)

  it("cwd is the folder", function()
    has("cwd /usr/bin", state("cwd = '/usr/bin'"))
  end)

  it("umask is the umask", function()
    has("umask 0027", state("umask = tonumber('27', 8)"))
    has("umask 0000", state("umask = 0"))
  end)

  it("nice is the nice value", function()
    has("nice 7", state("nice = 7"))
    has("nice -3", state("nice = -3"))
  end)

  it("oom_score_adj is the out-of-memory score", function()
    has("oom_score_adj 345", state("oom_score_adj = 345"))
    has("oom_score_adj 0", state("oom_score_adj = 0"))
  end)

  it("session makes a session of its own", function()
    local pid, sid = state("session = true"):match("pid (%d+)\n.*\nsid (%d+)\n")
    assert.are.equal(pid, sid)
  end)

  it("rlimit sets one number for both limits, a pair, or none", function()
    has("nofile 77 77", state("rlimit = { nofile = 77 }"))
    has("nofile 70 80", state("rlimit = { nofile = { 70, 80 } }"))
    assert.matches("Max core file size%s+5%s+unlimited", script.printed([[
      reaper.spawn{ "cat", "/proc/self/limits", rlimit = { core = { 5, math.huge } } }:wait()
    ]]))
  end)

  it("rlimit knows all the kernel's limits", function()
    local labels = {
      as = "address space", core = "core file size", cpu = "cpu time", data = "data size", fsize = "file size",
      locks = "file locks", memlock = "locked memory", msgqueue = "msgqueue size", nice = "nice priority",
      nofile = "open files", nproc = "processes", rss = "resident set", rtprio = "realtime priority",
      rttime = "realtime timeout", sigpending = "pending signals", stack = "stack size",
    }
    -- Not more than what holds here already: raising a limit is not for everybody.
    local here = assert(io.open("/proc/self/limits")):read("a")
    local keys, expected, number = {}, {}, 1 << 33
    for name, label in pairs(labels) do
      number = number + 4096
      local hard = tonumber(here:match("Max " .. label .. "%s+%S+%s+(%d+)")) or number
      expected[label] = { math.max(0, hard - 1), hard }
      keys[#keys + 1] = ("%s = { %d, %d }"):format(name, table.unpack(expected[label]))
    end
    local text = script.printed(("assert(reaper.spawn{ 'cat', '/proc/self/limits', rlimit = { %s } }):wait()")
      :format(table.concat(keys, ", ")))
    for label, values in pairs(expected) do
      assert.matches(("Max %s%%s+%d%%s+%d%%s"):format(label, table.unpack(values)), text)
    end
  end)

  local identities = {
    { "user = 'alice'", "1234 1235 1235 1300 home=/home/alice user=alice logname=alice" },
    { "user = 1234", "1234 1235 1235 1300 home=/home/alice user=alice logname=alice" },
    { "user = 'alice:other'", "1234 1400 1400 home=/home/alice user=alice logname=alice" },
    { "user = 'alice', group = 'other'", "1234 1400 1400 1300 home=/home/alice user=alice logname=alice" },
    { "group = 'extra'", "0 1300 1300 home=/was user=was logname=was" },
    { "group = 1500", "0 1500 1500 home=/was user=was logname=was" },
    { "user = 7777", "7777 0 0 home=/ user= logname=" },
    { "user = 'alice', env = { HOME = '/x' }", "1234 1235 1235 1300 home=/x user=alice logname=alice" },
  }
  for _, row in ipairs(identities) do
    it("user and group: " .. row[1], function()
      local options = { wrap = USERS.wrap, cwd = "/", env = { HOME = "/was", USER = "was", LOGNAME = "was" } }
      local text = script.printed(([[
        reaper.spawn{ "sh", "-c", 'echo $(id -u) $(id -g) $(id -G) home=$HOME user=$USER logname=$LOGNAME',
          %s }:wait()
      ]]):format(row[1]), options)
      assert.are.equal(row[2] .. "\n", text)
    end)
  end
end)

describe("reaper.spawn's result when it fails", function()
  after_each(container.close_all)

  local failures = {
    { "the program is not there", "'nonexistent'", 2, "nonexistent" },
    { "its path is not there", "'/nonexistent/x'", 2, "/nonexistent/x" },
    { "the program may not be run", "'/etc/passwd'", 13, "/etc/passwd" },
    { "the program is a folder", "'/usr'", 13, "/usr" },
    { "the program's name is empty", "''", 2, "" },
    { "its directory is not there", "'true', cwd = '/nonexistent'", 2, "directory" },
    { "there is no such user", "'true', user = 'nobody-of-that-name'", 2, "nobody-of-that-name" },
    { "there is no such group", "'true', group = 'no-such-group'", 2, "no-such-group" },
    { "its stdin is not there", "'true', stdin = '/nonexistent'", 2, "/nonexistent" },
    { "its stdout cannot be made", "'true', stdin = 'pipe', stdout = '/nonexistent/x'", 2, "/nonexistent/x" },
    { "a descriptor is not open", "'true', fds = { [3] = 999 }", 9, "descriptors" },
    { "a limit is impossible", "'true', rlimit = { nofile = { 20, 10 } }", 22, "rlimit" },
  }
  for _, row in ipairs(failures) do
    it(("is nil, message, %d when %s"):format(row[3], row[1]), function()
      local out = script.printed(("print(reaper.spawn{ %s })"):format(row[2]))
      local message, errno = out:match("^nil\t([^\n]+)\t(%d+)\n$")
      assert.are.equal(row[3], tonumber(errno), out)
      assert.is_truthy(message:find(row[4], 1, true), message)
    end)
  end

  container.each_mode(function(mode)
    it("is not told to on_reap and leaves no zombie", function()
      local c = script.start(script.on_start([[
        for _ = 1, 20 do assert(not reaper.spawn{ "nonexistent" }) end
        reaper.spawn{ "sh", "-c", "exit 5" }
      ]], true) .. [[
        function on_reap(pid, status) print("reaped", status) end
        function on_signal() print("stats", reaper.stats().reaped) return false end
      ]], { mode = mode, command = { "sleep", "1000" } })
      c:expect("reaped\texit 5\n")
      c:kill("USR1")
      c:expect("stats\t1\n")
      assert.are.equal(1, select(2, c:out():gsub("reaped", "")))
      assert.are.equal(0, c:zombies())
    end)
  end)
end)
