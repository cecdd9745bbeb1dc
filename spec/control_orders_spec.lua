-- What one orders by reaperctl: start, stop, restart, reload, signal, shutdown; and wait.

local container = require "spec.support.container"
local control = require "spec.support.control"
local steering = require "spec.support.steering"

local open, start, says, row, pid_of = steering.open, steering.start, steering.says, steering.row, steering.pid_of
local script_process, next_script_process = steering.script_process, steering.next_script_process

describe("reaperctl", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("starts, stops and restarts services, and waits until they are there", function()
      local c = start([[sleeper "web", sleeper("two words", { autostart = false }), sleeper "other"]], { mode = mode })
      local first = pid_of(c, "web")
      assert.matches("^web: running %(pid %d+%)\n$", says(c, 0, "restart", "web"))
      local second = pid_of(c, "web")
      assert.are_not.equal(first, second)
      assert.matches("^two words: running %(pid %d+%)\n$", says(c, 0, "start", "two words"))
      assert.are.equal("web: finished (signal SIGTERM)\ntwo words: finished (signal SIGTERM)\n",
        says(c, 0, "stop", "web", "two words"))
      assert.matches("^web +finished +%-", row(c, "web"))
      says(c, 0, "start", "web")
      assert.matches("^web +running", row(c, "web"))
    end)
  end)

  it("works in the container, too", function()
    local c = start [[sleeper "web"]]
    pid_of(c, "web")
    local code, out, err = control.inside(c, {}, "restart", "web")
    assert.are.equal("0", code .. err)
    assert.matches("^web: running %(pid %d+%)\n$", out)
  end)

  it("waits until a service is ready, or returns at once with --no-wait", function()
    local c = start([[sleeper("web", { ready = { exec = { "test", "-e", "{folder}/good" }, interval = 0.02 } })]],
      { files = { good = "" } })
    says(c, 0, "wait", "web")
    os.remove(c:file "good")
    assert.are.equal("web: restart is under way\n", says(c, 0, "restart", "--no-wait", "web"))
    local text = says(c, 4, "restart", "-t", "0.3", "web")
    assert.matches("^reaperctl: web: %w+[^\n]*; not ready within 0.3 s\n$", text)
    local finish = control.begin(c, "restart", "web")
    c:until_true(function()
      return row(c, "web"):find "starting"
    end, nil, "the start")
    io.open(c:file "good", "w"):close()
    local code, out = finish()
    assert.are.equal(0, code)
    assert.matches("^web: running", out)
  end)

  it("tells of a service that fails, why", function()
    local c = start [[sleeper "web", { name = "bad", command = { "/no/such" }, autostart = false,
      when_failed = "ignore" }]]
    pid_of(c, "web")
    assert.matches("^reaperctl: bad: failed %(.*/no/such.*%)\n$", says(c, 1, "start", "bad"))
    assert.matches("web: running.*reaperctl: bad: failed", says(c, 1, "restart", "web", "bad"))
  end)

  it("runs a one-shot, and waits until its work is done", function()
    local c = start [[sleeper "web", { name = "once", oneshot = true, autostart = false,
      command = { "sh", "-c", "echo x >>{folder}/done" } }]]
    pid_of(c, "web")
    assert.matches("^once: finished", says(c, 0, "start", "once"))
    assert.are.equal("x\n", c:read "done")
  end)

  it("tells services to load their configuration, and waits for the command", function()
    local c = start([[sleeper("exec", { reload = { exec = { "sh", "-c", "sleep 0.2; echo x >>{folder}/done" } } }),
      sleeper("bad", { reload = { exec = { "sh", "-c", "exit 7" } } }), sleeper "none",
      { name = "signal", command = { "sh", "-c", "trap 'echo y >>{folder}/done' HUP; while :; do sleep 0.02; done" },
        reload = { signal = "HUP" } }]])
    says(c, 0, "wait", "exec", "signal", "bad", "none")
    assert.are.equal("exec: reloaded\n", says(c, 0, "reload", "exec"))
    assert.are.equal("x\n", c:read "done")
    assert.are.equal("signal: reloaded\n", says(c, 0, "reload", "signal"))
    c:until_true(function()
      return c:read "done" == "x\ny\n"
    end, nil, "the signal")
    assert.are.equal("reaperctl: bad: reload: exit 7\n", says(c, 1, "reload", "bad"))
    assert.matches("^reaperctl: none has no key 'reload'", says(c, 1, "reload", "none"))
  end)

  it("signals services, and COMMAND with and without services", function()
    local c = start([[sleeper("web", { restart = "never", when_failed = "ignore" })]],
      { command = { container.helper, "signals" } })
    c:expect "ready"
    assert.are.equal("main: SIGUSR1 sent\n", says(c, 0, "signal", "usr1", "main"))
    c:expect "got 10\n"
    assert.are.equal("web: SIGKILL sent\n", says(c, 0, "signal", "9", "web"))
    c:until_true(function()
      return row(c, "web"):find "failed"
    end, nil, "its end")
    says(c, 1, "wait", "web")
    assert.matches("has no process", says(c, 1, "signal", "HUP", "web"))
    assert.matches("did you mean", says(c, 2, "signal", "HUPP", "web"))
    assert.matches("^reaperctl: 'main' is COMMAND", says(c, 3, "restart", "main"))
    c:close()
    c = open { script = "function on_start() end", command = { container.helper, "signals" } }
    c:expect "ready"
    says(c, 0, "signal", "USR2", "main")
    c:expect "got 12\n"
    assert.matches("^reaperctl: there is no service 'mein'; did you mean 'main'", says(c, 3, "signal", "HUP", "mein"))
  end)

  it("stops the container in order, with the code that is asked for", function()
    local c = start [[sleeper "web"]]
    pid_of(c, "web")
    says(c, 2, "shutdown", "256")
    assert.are.equal("the container is stopping\n", says(c, 0, "shutdown", "7"))
    assert.are.equal(7, c:wait())
    c = open { script = "function on_start() end", command = { "sleep", "1000" } }
    next_script_process(c)
    local code = control.inside(c, {}, "shutdown", "0")
    assert.are.equal(0, code)
    c:wait()
  end)

  it("loads the script anew, or says that it does not load", function()
    local c = start [[sleeper "web"]]
    local web, before = pid_of(c, "web"), next_script_process(c)
    assert.matches("^script /%S+: loaded anew %(pid %d+%)\n$", says(c, 0, "reload"))
    assert.are_not.equal(before, next_script_process(c))
    assert.are.equal(web, pid_of(c, "web"))
    local file = assert(io.open(c:file "hooks.lua", "w"))
    file:write "error 'not today'"
    file:close()
    assert.matches("could not be loaded anew", says(c, 1, "reload"))
    c:err_expect "not today"
    says(c, 0, "restart", "web")
  end)

  it("refuses what makes no sense, and says what would", function()
    local c = start [[sleeper "web", sleeper "other"]]
    pid_of(c, "web")
    assert.are.equal("reaperctl: web is running already\n", says(c, 1, "start", "web"))
    says(c, 0, "stop", "web")
    assert.are.equal("reaperctl: web is finished already\n", says(c, 1, "stop", "web"))
    assert.matches("there is no service 'wep'; did you mean 'web'", says(c, 3, "start", "web", "wep"))
    assert.matches("'start' needs more words: reaperctl start NAME…", says(c, 2, "start"))
    assert.matches("%-%-for redy: .*did you mean 'ready'", says(c, 2, "wait", "web", "--for", "redy"))
    assert.matches("has no option %-%-for", says(c, 2, "start", "web", "--for", "ready"))
    assert.matches("seconds", says(c, 2, "start", "-t", "soon", "web"))
  end)

  it("starts nothing any more while the container stops", function()
    local c = start [[sleeper "web", { name = "slow", stop = { grace = 20 },
      command = { "sh", "-c", "trap : TERM; until [ -e {folder}/end ]; do sleep 0.02; done" } }]]
    pid_of(c, "slow")
    says(c, 0, "shutdown")
    c:until_true(function()
      return row(c, "slow"):find "stopping"
    end, nil, "the stop")
    assert.matches("the container is stopping", says(c, 1, "restart", "web"))
    assert.matches("the container is stopping", says(c, 1, "wait", "web"))
    assert.matches("stopping", says(c, 1, "reload"))
    local finish, pid = control.begin(c, "wait", "slow", "--for", "down")
    c:until_true(function()
      return (container.read_file(("/proc/%d/maps"):format(pid())) or ""):find "reaper%-script"
    end, nil, "the client to look")
    io.open(c:file "end", "w"):close()
    assert.are.equal(0, (finish()))
    c:wait()
  end)

  it("says that there is no script", function()
    local c = open { command = { container.helper, "signals" } }
    c:expect "ready"
    assert.matches("there is no script", says(c, 4, "signal", "HUP", "main"))
    assert.matches("there is no script", says(c, 4, "reload"))
    assert.matches("there is no script", says(c, 4, "shutdown"))
  end)
end)

describe("reaperctl wait", function()
  after_each(container.close_all)

  it("waits for each of its goals, of COMMAND too", function()
    local c = start([[sleeper "web", { name = "once", command = { "true" }, oneshot = true },
      sleeper("off", { autostart = false })]], { command = { "sleep", "1000" } })
    assert.matches("web: running.*once: finished.*main: running", says(c, 0, "wait", "web", "once", "main"))
    says(c, 0, "wait", "once", "--for", "finished")
    says(c, 0, "wait", "once", "off", "--for=down")
    says(c, 0, "wait", "web", "main", "--for", "running")
    assert.matches("once: finished", says(c, 1, "wait", "once", "--for", "running"))
    assert.matches("within 0.2 s", says(c, 4, "wait", "web", "--for", "down", "-t", "0.2"))
    assert.matches("within 0.2 s", says(c, 4, "wait", "off", "-t", "0.2"))
    local finish = control.begin(c, "wait", "off")
    says(c, 0, "start", "off")
    assert.are.equal(0, (finish()))
    finish = control.begin(c, "wait", "web", "--for", "down")
    says(c, 0, "stop", "web")
    assert.are.equal(0, (finish()))
  end)

  it("ends when it will never be", function()
    local c = start [[sleeper "web", { name = "bad", restart = "never", when_failed = "ignore",
      command = { "sh", "-c", "until [ -e {folder}/end ]; do sleep 0.02; done; exit 3" } }]]
    local finish = control.begin(c, "wait", "bad", "--for", "finished")
    says(c, 0, "wait", "bad")
    io.open(c:file "end", "w"):close()
    local code, _, err = finish()
    assert.are.equal(1, code)
    assert.are.equal("reaperctl: bad: failed (exit 3: it is not to be started again)\n", err)
  end)

  it("waits for a script that is just being loaded, and over the end of a script process", function()
    local c = open { script = [[os.execute "until [ -e {folder}/load ]; do sleep 0.02; done" ]] .. steering.HEAD
      .. [[supervisor.run { sleeper("web", { ready = { exec = { "test", "-e", "{folder}/good" }, interval = 0.02 } }) }
      ]] }
    c:until_true(function() -- a script that takes long is blocked, and still being loaded
      return says(c, 0, "status"):find "BLOCKED"
    end, nil, "a script that is blocked")
    assert.matches("no script process has shown its services", says(c, 4, "wait", "web", "-t", "0.2"))
    local finish = control.begin(c, "wait", "web")
    io.open(c:file "load", "w"):close()
    c:until_true(function()
      return says(c, 0, "status"):find "web +starting"
    end, nil, "the start")
    c:kill("KILL", script_process(c).pid)
    io.open(c:file "good", "w"):close()
    local code, out, err = finish()
    assert.are.equal("0", code .. err)
    assert.matches("^web: running", out)
  end)

  it("needs no script process that listens", function()
    local c = start([[sleeper "web"]], {}, [[function on_signal() os.execute "touch {folder}/in; sleep 1000" end]])
    pid_of(c, "web")
    c:kill "USR1"
    c:until_true(function()
      return c:read "in"
    end, nil, "the hook")
    assert.matches("^web: running", says(c, 0, "wait", "web"))
    assert.matches("within 0.2 s", says(c, 4, "wait", "web", "--for", "down", "-t", "0.2"))
  end)
end)
