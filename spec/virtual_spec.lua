-- The model of the engine is honest: scripts print the same over it in virtual time as over reaper-lua itself.

local container = require "spec.support.container"
local script = require "spec.support.script"
local virtual = require "spec.support.virtual"

-- What a run has written, but for pids, and the code that it has ended with.
local function outcome(kind, row)
  local options = { script = row.script, files = row.files, args = row.args, command = row.command, env = row.env,
    cwd = "{folder}" }
  local c = kind.start(options)
  for _, step in ipairs(row.steps or {}) do
    step(c)
  end
  local code = c:wait(30)
  local function plain(text)
    return (text:gsub(c.folder:gsub("%p", "%%%0"), "{folder}"):gsub("pid=%d+", "pid"))
  end
  local found = { code = code, out = script.lines(plain(c:out())), err = script.lines(plain(c:err())) }
  c:close()
  return found
end

-- ---- Steps. ----

local function await(pattern)
  return function(c)
    c:expect(pattern)
  end
end

local function send(signal)
  return function(c)
    c:kill(signal)
  end
end

local function lose_script(c)
  script.kill_script(c)
end

local function touch(name)
  return function(c)
    script.touch(c, name)
  end
end

local function await_programs(name, count)
  return function(c)
    c:until_true(function()
      local found = 0
      for _, process in ipairs(c:processes()) do
        found = found + (process.comm == name and 1 or 0)
      end
      return found == count
    end)
  end
end

local function replace(text)
  return function(c)
    script.replace(c, text)
  end
end

-- ---- Scripts. ----

local TELL = [[
  local supervisor = require "reaper.supervisor"
  function on_service(name, state, detail) print(name, state, detail) end
  function on_start(_, again) print("start", again) end
]]

local CHAIN = TELL .. [[
  supervisor.run {
    { name = "web", command = { "sleep", "102" }, after = { "app" } },
    { name = "app", command = { "sleep", "101" }, after = { "db" } },
    { name = "db", command = { "sleep", "100" } },
  }]]

local HOOKS = [[
  function on_start(pid, again) print("start", math.type(pid), again) end
  function on_reap(_, status, _, info) print("reap", status, info.comm, info.main, info.orphan, info.name) end
  function on_signal(name)
    print("signal", name)
    if name == "SIGUSR1" then return false elseif name == "SIGUSR2" then return "HUP" end
  end
  function on_stop(reason) print("stop", reason) end
  function on_exit(code, status) print("exit", code, status) return code + 1 end
]]

-- Each: name, script, and what is done to it (`steps`).
local SCRIPTS = {
  { name = "services that wait for each other, and a stop in the reverse order", script = CHAIN,
    steps = { await "web\trunning", send "TERM" } },

  { name = "restarts with delays that grow, and a failure for good", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sh", "-c", "exit 5" }, restart = "on-failure:3",
        backoff = { initial = 0.15, factor = 2, max = 0.4 } } }]] },

  { name = "a command that does not exist", script = TELL .. [[
      supervisor.run { { name = "a", command = { "/nowhere/at-all" }, restart = "on-failure:1" } }]] },

  { name = "a command that cannot be executed", script = TELL .. [[
      supervisor.run { { name = "a", command = { "/etc/passwd" }, restart = "never" } }]] },

  { name = "a script that is lost", script = CHAIN,
    steps = { await "web\trunning", lose_script, await "start\tcrash", send "TERM" } },

  { name = "a script that is lost again and again", script = CHAIN,
    steps = { await "web\trunning", lose_script, await "start\tcrash.*\n", lose_script,
      await "crash.*start\tcrash\n", lose_script, await "crash.*crash.*start\tcrash\n", send "TERM" } },

  { name = "a script that is lost while it stops", script = TELL .. [[
      supervisor.run { { name = "db", command = { "sleep", "100" } }, { name = "slow", after = { "db" },
        command = { "sh", "-c", "trap 'while ! test -e {folder}/go; do sleep 0.02; done; exit 0' TERM; echo up; "
          .. "while :; do sleep 0.02; done" }, ready = { line = "up" } } }]],
    steps = { await "slow\trunning", send "TERM", await "slow\tstopping", lose_script, await "start\tcrash\n",
      touch "go" } },

  { name = "a script that is loaded anew, without a service", script = CHAIN,
    steps = { await "web\trunning", replace(TELL .. [[
      supervisor.run { { name = "db", command = { "sleep", "100" } },
        { name = "app", command = { "sleep", "101" }, after = { "db" } } }]]),
      send "HUP", await "start\treload\n.*web\tfinished", send "TERM" } },

  { name = "a script that is loaded anew, with another command", script = CHAIN,
    steps = { await "web\trunning", replace((CHAIN:gsub("102", "7"))), send "HUP",
      await "start\treload\n.*web\trunning", send "TERM" } },

  { name = "a script that does not load a second time", script = CHAIN,
    steps = { await "web\trunning", replace "error 'oops'", send "HUP",
      function(c) c:err_expect "the old script stays" end, send "TERM" } },

  { name = "a script that does not load", script = "error 'oops'" },
  { name = "a script that is no Lua", script = "supervisor.run{" },

  { name = "the hooks around COMMAND", script = HOOKS, command = { "sh", "-c", "exit 3" } },

  { name = "signals for COMMAND", script = HOOKS,
    command = { "sh", "-c", "trap 'echo got HUP' HUP; trap 'exit 4' INT; "
      .. "while ! test -e {folder}/go; do sleep 0.02; done; echo up; while :; do sleep 0.02; done" },
    steps = { await "start", touch "go", await "up", send "USR1", await "signal\tSIGUSR1", send "USR2",
      await "got HUP", send "INT" } },

  { name = "a COMMAND that does not exist", script = HOOKS, command = { "/nowhere/at-all" } },

  { name = "orphans", script = HOOKS,
    command = { "sh", "-c", "((sleep 0.1; exit 7) & ); sleep 0.4; exit 0" } },

  { name = "COMMAND that is started again by its hook", script = [[
      local left = 2
      function on_reap(_, status, _, info)
        print("reap", status)
        left = left - 1
        if left > 0 and info.main then print(math.type(reaper.main:start() and reaper.main.pid)) end
      end]], command = { "false" } },

  { name = "--restart", script = "", args = { "--restart", "on-failure:2" }, command = { "false" } },

  { name = "the grace of a script's own children", script = [[
      function on_start() reaper.spawn { "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done" } end
      function on_stop(reason) print("stop", reason) end
      function on_exit(code) print("exit", code) end]], args = { "--grace", "0.3" },
    steps = { await "up", send "TERM" } },

  { name = "a second TERM", script = [[
      function on_start() reaper.spawn { "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done" } end
      function on_stop(reason) print("stop", reason) end]], args = { "--grace", "100" },
    steps = { await "up", send "TERM", await "stop", send "TERM" } },

  { name = "hooks that compute for too long, raise or end everything", args = { "--hook-timeout", "0.3" }, script = [[
      function on_error(message, hook) print("error in " .. hook, (message:gsub("^.-:%d+: ", ""))) end
      function on_signal(name)
        print(name)
        if name == "SIGHUP" then reaper.after(0, function() while true do end end) return false
        elseif name == "SIGUSR1" then error "no idea"
        elseif name == "SIGUSR2" then os.exit(17) end
      end]],
    steps = { send "HUP", await "error in after\t[^\n]*too long[^\n]*\n", send "USR1", await "no idea",
      send "USR2" } },

  { name = "hooks that wait", script = [[
      function on_signal(name) reaper.sleep(0.2) print(name) if name == "SIGUSR1" then return false end end
      function on_stop() reaper.sleep(0.2) print "stop" end
      function on_exit() reaper.sleep(0.2) print "exit" return 9 end]],
    steps = { send "USR1", await "SIGUSR1", send "TERM" } },

  { name = "every kind of readiness", script = TELL .. [[
      local function sh(text) return { "sh", "-c", text .. "; exec sleep 100" } end
      local notify = "]] .. container.helper .. [[ notify READY=1"
      supervisor.run {
        { name = "delay", command = sh ":", ready = { delay = 0.1 } },
        { name = "fd", command = sh "sleep 0.1; echo >&5", ready = { fd = 5 }, after = { "delay" } },
        { name = "line", command = sh "echo it is up >&2", ready = { line = "^it" }, after = { "fd" } },
        { name = "exec", command = sh "sleep 0.1; touch {folder}/up", after = { "line" },
          ready = { exec = { "test", "-e", "{folder}/up" }, interval = 0.05 } },
        { name = "notify", command = sh("sleep 0.1; " .. notify), ready = { notify = true }, after = { "exec" } },
      }]], steps = { await "notify\trunning", send "TERM" } },

  { name = "readiness that does not come", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sleep", "100" }, restart = "on-failure:1",
        ready = { fd = 3, timeout = 0.2 } } }]] },

  { name = "a service that is not healthy", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sleep", "100" }, restart = "never",
        health = { exec = { "false" }, interval = 0.05, retries = 3 } } }]] },

  { name = "services that are restarted together", script = TELL .. [[
      supervisor.run { strategy = "one_for_all", { name = "a", command = { "sleep", "100" } },
        { name = "b", after = { "a" }, restart = 0.1, command = { "sh", "-c",
          "if test -e second; then exec sleep 100; fi; touch second; sleep 0.2; exit 1" } },
        { name = "c", command = { "sleep", "100" }, after = { "a", "b" } } }]],
    steps = { await "b\tbackoff.*c\trunning", send "TERM" } },

  { name = "a deaf service", script = TELL .. [[
      supervisor.run { { name = "a", stop = { grace = 0.3 }, ready = { line = "up" },
        command = { "sh", "-c", "trap '' TERM; echo up; exec sleep 1000" } } }]],
    steps = { await "a\trunning", send "TERM" } },

  { name = "what is left of a service: in groups of their own, without environment, deaf", script = TELL .. [[
      local function kids(text) return { "sh", "-c", text .. " echo up; exec sleep 2001" } end
      supervisor.run {
        { name = "a", command = kids "sleep 1001 & setsid sleep 1002 &", ready = { line = "up" } },
        { name = "b", command = kids "setsid env -i PATH=$PATH sleep 1003 &", ready = { line = "up" },
          after = { "a" } },
        { name = "c", command = kids "sh -c 'trap \"\" TERM HUP; exec sleep 1004' &", ready = { line = "up" },
          after = { "b" }, stop = { grace = 0.3 } } }]],
    steps = { await "c\trunning", await_programs("sleep", 7), send "TERM" } },

  { name = "what comes before and after a service", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sh", "-c", "sleep 0.1; exit 3" }, restart = "on-failure:1",
        backoff = { initial = 0.1 }, pre_start = { "sh", "-c", "sleep 0.1; echo before $SERVICE_NAME" },
        post_stop = { "sh", "-c", "sleep 0.1; echo after $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" } } }]] },

  { name = "a pre_start that fails, and one that takes too long", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sleep", "100" }, restart = "never",
          pre_start = { "sh", "-c", "sleep 0.2; exit 1" }, when_failed = "ignore" },
        { name = "b", command = { "sleep", "100" }, pre_start = { "sleep", "50", timeout = 0.6 }, restart = "never",
          after = { "c" } },
        { name = "c", command = { "true" }, oneshot = true } }]] },

  { name = "COMMAND beside services", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sleep", "100" } },
        { name = "b", command = { "sleep", "0.1" }, oneshot = true, after = { "a" } } }]],
    command = { "sh", "-c", "sleep 0.2; echo COMMAND; exit 4" } },

  { name = "COMMAND beside services, and a script that is lost while COMMAND ends", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sleep", "100" } } }]],
    command = { "sh", "-c", "trap 'while ! test -e {folder}/go; do sleep 0.02; done; exit 4' TERM; sleep 0.2; "
      .. "echo up; while :; do sleep 0.02; done" },
    steps = { await "up", await "main\trunning", send "TERM", lose_script, await "start\t[^\n]*crash\n", touch "go" } },

  { name = "a number of seconds as a schedule", script = TELL .. [[
      supervisor.run { { name = "a", command = { "true" }, schedule = 0.5 } }
      reaper.after(1.3, function() supervisor.shutdown(3) end)]] },

  { name = "starts and stops by hand", script = TELL .. [[
      supervisor.run { { name = "a", command = { "sleep", "100" }, autostart = false },
        { name = "b", command = { "sleep", "101" } } }
      local function await(name, state)
        while supervisor.status(name).state ~= state do reaper.sleep(0.01) end
      end
      reaper.after(0, function()
        await("b", "running")
        print(supervisor.start "a") await("a", "running")
        print(supervisor.restart "a") await("a", "stopping") await("a", "running")
        print(supervisor.stop "a") await("a", "finished")
        print(supervisor.stop "a")
        supervisor.shutdown(42)
      end)]] },

  { name = "what children write, and what they are given", script = [[
      function on_start()
        print(reaper.run { "sh", "-c", "echo out; echo err >&2", capture = true, stderr = "stdout" })
        print(reaper.run { "sh", "-c", "echo $COLOUR; exit 2", env = { COLOUR = "blue" } })
        local child = reaper.spawn { "sh", "-c", "echo a; sleep 0.1; echo b; kill -9 $$", stdout = "pipe" }
        for line in child.stdout:lines() do print("line", line) end
        print(child:wait(), child:alive(), child:kill())
        local slow = reaper.spawn { "sleep", "100" }
        print(slow:wait(0.1))
        print(slow:stop())
        reaper.exit(6)
      end]] },
}

-- The static binary is stripped of what a traceback names.
local is_stripped = container.binary:find "static" ~= nil

-- rusage and process are tables, whose addresses differ.
local function without_addresses(found)
  for _, list in ipairs { found.out, found.err } do
    for i, line in ipairs(list) do
      line = line:gsub("0x%x+", "0x")
      list[i] = is_stripped and line:gsub("^\t.*", "\t") or line
    end
  end
  return found
end

describe("virtual time prints the same for", function()
  after_each(container.close_all)

  for _, row in ipairs(SCRIPTS) do
    it(row.name, function()
      assert.same(without_addresses(outcome(container, row)), without_addresses(outcome(virtual, row)))
    end)
  end
end)

describe("a virtual container", function()
  it("lets time pass only as far as something is waited for", function()
    local c = virtual.start { programs = {}, script = [[
      reaper.every(10, function() print("tick", reaper.now()) end)]] }
    c:expect("tick.*tick", 25)
    assert.equal(20, c:now())
    assert.has_error(function() c:expect("tick.*tick.*tick", 9) end)
    assert.equal(29, c:now())
  end)

  it("tells when nothing will ever happen, without waiting for it", function()
    local c = virtual.start { programs = {}, script = "" }
    local fine, message = pcall(c.wait, c, 1e6)
    assert.is_false(fine)
    assert.matches("timed out waiting for the end", message, 1, true)
  end)

  it("loses its script before any call that is seen from outside", function()
    local seen = {}
    local c = virtual.start { programs = {}, script = [[
      function on_start(_, again) print("start", again) reaper.log("info", "hello") print "on" end]] }
    c:watch_calls(function(n, name, process)
      seen[n] = name
      process.is_to_be_lost = name == "log" and not process.reason
    end)
    c:expect "start\tcrash\non\n"
    assert.equal("start\tnil\nstart\tcrash\non\n", c:out())
    assert.equal("log", seen[4], table.concat(seen, " "))
  end)
end)
