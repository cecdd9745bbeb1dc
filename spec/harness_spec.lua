-- The harness proves itself here, with a shell or the helper as process 1 instead of the program under test.

local container = require "spec.support.container"

local helper = container.helper

-- Runs words in place of the program under test.
local function options_for(words, more)
  local options = { raw = table.move(words, 2, #words, 1, {}) }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  return options
end

describe("the harness", function()
  local program = container.binary

  local function start(words, more)
    container.binary = words[1]
    return container.start(options_for(words, more))
  end

  local function run(words, more)
    container.binary = words[1]
    return container.run(options_for(words, more))
  end

  after_each(function()
    container.close_all()
    container.binary = program
  end)

  container.each_mode(function(mode)
    it("passes exit codes, signals and output on", function()
      local code, out, err = run({ "/bin/sh", "-c", "echo out; echo err >&2; exit 7" }, { mode = mode })
      assert.are.same({ 7, "out\n", "err\n" }, { code, out, err })
      local c = start({ helper, "hold" }, { mode = mode })
      c:kill("KILL")
      assert.are.equal(137, c:wait())
    end)

    it("starts the program with a clean state", function()
      local _, out = run({ helper, "state" }, { mode = mode, clear_env = true, env = { A = "b c" }, cwd = "/usr" })
      assert.matches("mask 0000000000000000\nignored 0000000000000000\nfds 0 1 2\n", out)
      assert.matches("\ncwd /usr\n", out, 1, true)
      assert.matches("\nenv A=b c\n$", out)
      assert.matches(mode == "init" and "\npid 1\n" or "\nppid 1\n", out, 1, true)
    end)

    it("sets ignored and blocked signals and closes descriptors", function()
      local _, out = run({ helper, "state" }, {
        mode = mode, ignore = { "HUP", 32, "SIGRTMAX" }, block = { "TERM", 33, "RTMIN+1" }, close = { 0, 2 },
      })
      assert.matches("mask 0000000500004000\nignored 8000000080000001\nfds 1\n", out, 1, true)
    end)

    it("takes /proc away", function()
      local _, out = run({ "/bin/sh", "-c", "ls -A /proc | wc -l" }, { mode = mode, no_proc = true })
      assert.are.equal("0\n", out)
      assert.is_truthy(io.open("/proc/self/stat"))
    end)

    it("gives a stderr that is full", function()
      local code = run({ "/usr/bin/timeout", "0.2", "/bin/sh", "-c", "echo x >&2; exit 3" },
        { mode = mode, full_stderr = true })
      assert.are.equal(124, code)
    end)

    it("gives a terminal", function()
      local c = start({ "/bin/sh", "-c", "tty; ps -o pid=,tpgid= -p $$; read line; echo got $line >&2" },
        { mode = mode, tty = true })
      local pid, foreground = c:expect("/dev/pts/%d+%s+(%d+)%s+(%d+)")
      assert.are.equal(pid, foreground)
      c:write("hello\n")
      c:expect("got hello")
      assert.are.equal(0, c:wait())
    end)

    it("finds the program and its processes, and sends signals", function()
      local c = start({ helper, "signals", "--exit-on", "RTMAX" }, { mode = mode })
      c:expect("ready")
      assert.are.equal(mode == "init" and 1 or 2, c.nspid)
      local _, found = c:find("spec-helper")
      assert.are.equal(c.pid, found[c.nspid].pid)
      c:kill(32)
      c:kill("SIGUSR1")
      c:queue("RTMIN+2", 42)
      c:expect("got 32\n.*got 36 value 42\n")
      assert.matches("got 10\n", c:out())
      c:kill("RTMAX")
      assert.are.equal(0, c:wait())
      assert.is_nil((c:kill("TERM")))
    end)
  end)

  it("does not take a process whose first thread has ended for a zombie", function()
    local c = start({ "/bin/sh", "-c", '"$0" daemon --leaderless; exec sleep 60', container.helper })
    c:expect("daemon")
    c:until_true(function() return c:find("sleep") end, nil, "what reaps nothing")
    assert.are.equal(0, c:zombies())
    assert.are.equal("S", c:find("spec-daemon").state)
  end)

  it("sees zombies, parents and groups", function()
    local c = start({ "/bin/sh", "-c", "(read line <&3) 3<&0 & exec sleep 60" })
    c:until_true(function() return c:find("sleep") and c:find("sleep").args ~= "" end, 5, "what reaps nothing")
    c:write("end\n")
    c:until_true(function() return c:zombies() == 1 end, 5, "a zombie")
    local zombie = c:children_of(1)[1]
    assert.are.equal("Z", zombie.state)
    assert.are.same({ 2, 1, 0, 0 }, { zombie.nspid, zombie.ppid, zombie.pgrp, zombie.sid })
    assert.are.equal("sleep 60", c:find("sleep").args)
  end)

  it("reports what the program leaves to process 1", function()
    local _, _, err = run({ helper, "daemon" }, { mode = "subreaper", report_left = true })
    assert.matches("host: left %d+ [RSD] spec%-daemon\n", err)
    _, _, err = run({ helper, "orphans", "3", "--sequence" }, { mode = "subreaper", report_left = true })
    assert.matches("host: adopted 4\nhost: adopted 6\nhost: adopted 8\n", err, 1, true)
  end)

  it("puts words before the program and writes its script", function()
    container.binary = "/bin/cat"
    local code, out = container.run{
      script = "folder = '{folder}'\n",
      wrap = { "/bin/sh", "-c", 'echo wrapped; exec "$@"', "sh" },
    }
    assert.are.equal(0, code)
    assert.matches("^wrapped\nfolder = '/tmp/reaper%-lua%-spec%-%w+'\n$", out)
  end)

  it("fails at once when what is expected cannot come any more", function()
    local c = start({ "/bin/echo", "this" })
    local ok, message = pcall(c.expect, c, "that", 30)
    assert.is_false(ok)
    assert.matches("ended without: that", message, 1, true)
    assert.matches("this", message, 1, true)
    assert.has_error(function() container.start{ comand = {} } end)
  end)

  it("ends every process with the container", function()
    local c = start({ helper, "sleepers", "5" }, { tty = true })
    c:expect("ready")
    local _, sleepers = c:find("spec-sleeper")
    assert.are.equal(5, #sleepers)
    c:close()
    assert.are.equal(0, #c:processes())
    assert.is_nil((io.open(c:file("stdout"))))
  end)

  it("bounds a container that hangs", function()
    local c = start({ helper, "hold" }, { limit = 1 })
    assert.are.equal(128 + 14, c:wait(5))
  end)
end)

describe("the helper under another init", function()
  local program = container.binary
  local init = io.open("/usr/bin/tini") and "/usr/bin/tini" or nil

  if not init then
    pending("needs tini")
    return
  end

  before_each(function()
    container.binary = init
  end)

  after_each(function()
    container.close_all()
    container.binary = program
  end)

  it("makes many orphans and waits for their reaper", function()
    local c = container.start{ command = { helper, "orphans", "2000", "--parallel", "50" } }
    c:expect("made 2000\n", 30)
    assert.are.equal(0, c:wait())
  end)

  it("leaves live orphans behind", function()
    local c = container.start{
      args = { "-s" }, mode = "subreaper",
      command = { "/bin/sh", "-c", helper .. " orphans 3 --alive 60 --comm lonely; exec sleep 60" },
    }
    c:expect("made 3\n")
    local _, lonely = c:find("lonely")
    assert.are.equal(3, #lonely)
    assert.are.equal(c.nspid, lonely[1].ppid)
  end)

  it("makes daemons, stopped and deaf ones", function()
    local c = container.start{
      command = { "/bin/sh", "-c", [[
        "$0" daemon --stopped --log {folder}/log; "$0" daemon --ignore-term --log {folder}/deaf; sleep 60]], helper },
    }
    local stopped, deaf = c:expect("daemon (%d+)\ndaemon (%d+)\n")
    local first, all = c:find("spec-daemon")
    assert.are.same({ tonumber(stopped), "T", 1 }, { first.nspid, first.state, first.ppid })
    assert.are.equal(tonumber(deaf), all[2].nspid)
    assert.are_not.equal(all[1].sid, all[2].sid)
    c:kill("TERM", first.pid)
    c:kill("CONT", first.pid)
    c:until_true(function() return c:read("log") == "got 15\n" end, 5, "TERM after CONT")
    c:kill("TERM", all[2].pid)
    c:until_true(function() return c:read("deaf") == "got 15\n" end, 5, "TERM")
    c:kill("USR1", all[2].pid)
    c:until_true(function() return c:read("deaf") == "got 15\ngot 10\n" end, 5, "USR1 after TERM")
  end)
end)
