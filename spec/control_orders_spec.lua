-- What one orders by reaperctl: start, stop, restart, reload, signal, shutdown; and what it says when nobody obeys.

local uv = require "luv"
local container = require "spec.support.container"
local control = require "spec.support.control"

local HEAD = [[
local supervisor = require "reaper.supervisor"
local function sleeper(name, more)
  local service = { name = name, command = { "sleep", "1000" }, stop = { grace = 20 } }
  for key, value in pairs(more or {}) do service[key] = value end
  return service
end
]]

-- Starts a container, which can be looked into.
local function open(options)
  local c = container.start(options)
  c:until_true(function()
    return control.run(c, "status") == 0
  end, nil, "the pages")
  return c
end

-- The same with services: the text of a list.
local function start(list, options, more)
  options = options or {}
  options.script = HEAD .. "supervisor.run { " .. list .. " }\n" .. (more or "")
  return open(options)
end

-- What reaperctl says, which ends with that code.
local function says(c, code, ...)
  local got, out, err = control.run(c, ...)
  assert.are.equal(code, got, table.concat({ ... }, " ") .. ": " .. out .. err)
  return out .. err
end

local function row(c, name)
  return says(c, 0, "status", name):match "\n([^\n]*)\n$"
end

local function pid_of(c, name)
  return tonumber(says(c, 0, "wait", name, "--for", "running"):match "pid (%d+)")
end

local function script_process(c)
  for _, process in ipairs(c:processes()) do
    if process.comm == "reaper-script" then
      return process
    end
  end
end

-- A script process that the engine takes for its own, and another one than `before`.
local function next_script_process(c, before)
  return c:until_true(function()
    local pid = tonumber(says(c, 0, "status"):match "pid (%d+)  working")
    return pid and pid ~= before and pid
  end, nil, "another script process")
end

local function count_lines(text)
  return select(2, (text or ""):gsub("\n", ""))
end

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
    assert.matches("^reaperctl: web: %w+[^\n]*; it has not come further within 0.3 s\n$", text)
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
    assert.matches("which service", says(c, 2, "start"))
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
    local c = open { script = [[os.execute "until [ -e {folder}/load ]; do sleep 0.02; done"]] .. HEAD
      .. [[supervisor.run { sleeper("web", { ready = { exec = { "test", "-e", "{folder}/good" }, interval = 0.02 } }) }
      ]] }
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

-- A hook that blocks once, until the file "go" is there; reload appends a line to "done".
local BLOCKS = [[function on_signal()
  os.execute "[ -e {folder}/in ] || { touch {folder}/in; until [ -e {folder}/go ]; do sleep 0.02; done; }"
end]]
local COUNTS = [[sleeper("web", { reload = { exec = { "sh", "-c", "echo x >>{folder}/done; sleep {slow}" } } })]]

local function start_counter(slow, more)
  local c = start(COUNTS:gsub("{slow}", slow), {}, more)
  pid_of(c, "web")
  return c
end

local function block(c)
  c:kill "USR1"
  c:until_true(function()
    return c:read "in"
  end, nil, "the hook that blocks")
end

local function go(c)
  io.open(c:file "go", "w"):close()
end

-- The pipe whose two ends the script process has.
local function inbox_of(c)
  local directory = ("/proc/%d/fd"):format(script_process(c).pid)
  local seen = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(directory)) do
    local target = uv.fs_readlink(directory .. "/" .. name) or ""
    if target:find "^pipe:" and seen[target] then
      return directory .. "/" .. name
    end
    seen[target] = true
  end
end

-- Waits until the client has the inbox open, and gives it the moment in which it writes then.
local function until_sent(c, pid)
  local target = uv.fs_readlink(inbox_of(c))
  c:until_true(function()
    local directory = ("/proc/%d/fd"):format(pid())
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(directory)) do
      if uv.fs_readlink(directory .. "/" .. name) == target then
        return true
      end
    end
  end, nil, "the order to be sent")
  uv.sleep(50)
end

describe("an order", function()
  after_each(container.close_all)

  it("waits for a script process that is blocked, and is done then", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local finish, pid = control.begin(c, "reload", "web")
    until_sent(c, pid)
    assert.is_nil(c:read "done")
    go(c)
    assert.are.equal(0, (finish()))
    assert.are.equal("x\n", c:read "done")
  end)

  it("that nobody waits for any more is not begun", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local text = says(c, 4, "reload", "web", "-t", "0.2")
    assert.matches("^reaperctl: web: not known: no answer in time from script process %d+, "
      .. "which has been busy with on_signal for [%d.]+ s: whether it will be done is not known\n$", text)
    local until_second = os.time() + 3 -- the second in which the order ends, and those that it is rounded by
    c:until_true(function()
      return os.time() > until_second
    end, nil, "the time")
    go(c)
    says(c, 0, "reload", "web")
    assert.are.equal("x\n", c:read "done") -- of the second one
  end)

  it("is not done when the script process that got it is lost before it read it; the next one gets it", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local finish, pid = control.begin(c, "reload", "web")
    until_sent(c, pid)
    c:kill("KILL", script_process(c).pid)
    local code, out, err = finish()
    assert.are.equal("0web: reloaded\n", code .. out .. err)
    assert.are.equal("x\n", c:read "done")
  end)

  it("is not known when the script process is lost in its midst, and is not given again", function()
    local c = start_counter(1000)
    local before = next_script_process(c)
    local finish = control.begin(c, "reload", "web")
    c:until_true(function()
      return c:read "done"
    end, nil, "the order to begin")
    c:kill("KILL", script_process(c).pid)
    local code, _, err = finish()
    assert.are.equal(4, code)
    assert.are.equal(("reaperctl: web: not known: script process %d was lost while it did that: whether it is done is "
      .. "not known\n"):format(before), err)
    next_script_process(c, before)
    assert.are.equal("x\n", c:read "done")
  end)

  it("is not done while there is no script process", function()
    local c = start_counter(0)
    for _ = 1, 4 do
      local process = c:until_true(function()
        return script_process(c)
      end, nil, "a script process")
      c:kill("KILL", process.pid)
      c:until_true(function()
        local now = script_process(c)
        return not now or now.pid ~= process.pid
      end, nil, "its end")
    end
    local text = says(c, 4, "reload", "web", "-t", "0.1")
    assert.matches("^reaperctl: web: not done: no script process took the order in time: it was lost", text)
    says(c, 0, "reload", "web")
    assert.are.equal("x\n", c:read "done")
  end)

  it("is told as an event, and a Lua error in it ends nothing", function()
    local c = start([[sleeper "web"]], {}, [[
      supervisor.stop = function() error("boom\nsecond line") end
      supervisor.start = function() os.exit(3) end]])
    pid_of(c, "web")
    local before = next_script_process(c)
    assert.matches("^reaperctl: web: .*boom\\nsecond line", says(c, 1, "stop", "web"))
    assert.are.equal(before, next_script_process(c))
    says(c, 0, "restart", "web")
    assert.matches("os.exit was called", says(c, 1, "start", "web"))
    assert.are.equal(3, c:wait())
  end)
end)

describe("the inbox", function()
  after_each(container.close_all)

  local function write(path, text)
    local fd = assert(uv.fs_open(path, "a", 0))
    uv.fs_write(fd, text)
    uv.fs_close(fd)
  end

  -- What the page says about the order with that id.
  local function reply(c, id)
    local directory = ("/proc/%d/fd/"):format(c.pid)
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(directory)) do
      if (uv.fs_readlink(directory .. name) or ""):find "reaper%-script" then
        return container.read_file(directory .. name):match("\0" .. id .. "\0+([^\0]*)")
      end
    end
  end

  it("takes no line in another form, and says once that somebody writes such lines", function()
    local c = start_counter(0)
    local path = inbox_of(c)
    write(path, ";\n\0\1\2\xff\n\n \n??? restart web\n" .. ("x"):rep(40) .. " reload web\n")
    write(path, "r1 explode web\nr2 reload web\0\nr3 reload " .. ("web "):rep(200) .. "\nr4 signal web\n"
      .. "r5 start\nr6 shutdown 7 8\nr7 shutdown -1\nr8 signal 0x9 web\nr9 reload  web\nr10 RELOAD web\n"
      .. "1.1.a reload web\n")
    write(path, ("y"):rep(60000))
    write(path, "\nh1 rel")
    write(path, "oad web\n")
    c:until_true(function()
      return c:read "done"
    end, nil, "the one that is right")
    says(c, 0, "reload", "web")
    assert.are.equal(2, count_lines(c:read "done"))
    assert.are.equal("there is no order of that kind", reply(c, "r1"))
    assert.are.equal("the line has control characters", reply(c, "r2"))
    assert.are.equal("the line is too long", reply(c, "r3"))
    assert.matches("^signal: a signal and a name expected", reply(c, "r4"))
    assert.matches("^start: the name of a service expected", reply(c, "r5"))
    assert.matches("^shutdown: an exit code", reply(c, "r6"))
    assert.matches("^shutdown: an exit code", reply(c, "r7"))
    assert.matches("^signal: ", reply(c, "r8"))
    assert.matches("there is no service ' web'", reply(c, "r9"))
    assert.are.equal("there is no order of that kind", reply(c, "r10"))
    assert.matches("^it has come too late", reply(c, "1.1.a"))
    local err = c:err()
    assert.are.equal(1, count_lines(err), err)
    assert.matches('^reaper%-lua: warning: somebody has written to the inbox what is no order, such as ";"', err)
  end)

  it("has a reply for each order, but a client that looks too late cannot know whether it was done", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local path = inbox_of(c)
    local finish, pid = control.begin(c, "reload", "web")
    until_sent(c, pid)
    uv.kill(pid(), "sigstop")
    go(c)
    c:until_true(function()
      return says(c, 0, "events"):find '"type":"order","name":"web","state":"reload","detail":"done"'
    end, nil, "the order to be done")
    for i = 1, 100 do -- more than there are rows in the page
      write(path, ("f%d explode web\n"):format(i))
    end
    c:until_true(function()
      return reply(c, "f100")
    end, nil, "the last reply")
    c:kill("KILL", script_process(c).pid)
    next_script_process(c)
    uv.kill(pid(), "sigcont")
    local code, out, err = finish()
    assert.are.equal(4, code, out .. err .. c:read "done")
    assert.matches("not known: .* its reply may have been overwritten", err)
    assert.are.equal("x\n", c:read "done")
  end)

  it("that is full is told at once, and nothing is done", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local fd = assert(uv.fs_open(inbox_of(c), uv.constants.O_WRONLY | uv.constants.O_NONBLOCK, 0))
    repeat until not uv.fs_write(fd, (" "):rep(511) .. "\n")
    uv.fs_close(fd)
    assert.matches("^reaperctl: web: not done: the inbox is full: .*busy with on_signal", says(c, 4, "reload", "web"))
    go(c)
    c:until_true(function()
      return control.run(c, "reload", "web") == 0
    end, nil, "the inbox to be read")
    assert.are.equal("x\n", c:read "done")
  end)

  it("is not written to by another user", function()
    local c = start [[sleeper "web"]]
    pid_of(c, "web")
    local code, _, err = control.inside(c, { "setpriv", "--reuid=1000", "--clear-groups" }, "restart", "web")
    assert.are.equal(3, code, err)
  end)
end)
