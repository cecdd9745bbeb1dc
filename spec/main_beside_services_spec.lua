-- COMMAND that the script starts (hooks.start_main_by_hand), as the supervisor does beside services: what is there
-- before it runs, and how it comes to run. The supervisor's own part has its specs elsewhere.

local container = require "spec.support.container"
local faults = require "spec.support.faults"
local script = require "spec.support.script"

local EBUSY = 16

-- COMMAND is started when the file `go` is there.
local BY_HAND = [[
  require "reaper.runtime.hooks".start_main_by_hand()
  local function wait_for(name)
    while true do
      local file = io.open("{folder}/" .. name)
      if file then return file:close() end
      reaper.sleep(0.01)
    end
  end
  function on_start(pid, again)
    print("start", pid, again, reaper.main, reaper.main:alive())
    if not require "reaper.process".main_has_run() or pid then
      wait_for "go"
      print("started", reaper.main:start())
    end
  end
  function on_reap(_, status, _, info) if info.main then print("ended", status) end end
  function on_stop(reason) print("stop", reason) end
  function on_exit(code, status) print("exit", code, status) end
]]

-- The engine starts it.
local PLAIN = [[
  function on_start(pid, again) print("plain", pid == reaper.main.pid and reaper.main:alive(), again) end
  function on_reap(_, status, _, info) if info.main then print("plain ended", status) end end
]]

local NOT_STARTED = "start\tnil\t%s\tprocess (not started) (main)\tfalse\n"

-- A pattern that matches the text itself.
local function plain(text)
  return (text:gsub("%p", "%%%0"))
end

local function start(options, more)
  options.command = options.command or { "sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done" }
  local c = script.start(BY_HAND .. (more or ""), options)
  c:expect(plain(NOT_STARTED:format "nil"))
  return c
end

local function lose_script(c)
  c:kill("KILL", c:find("reaper-script").pid)
end

describe("COMMAND that the script starts", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is not there before, and ends the container with its code", function()
      local c = start { mode = mode }
      assert.is_nil(c:find "sh")
      script.touch(c, "go")
      c:expect "started\ttrue\n"
      c:expect "up\n"
      c:kill "TERM"
      assert.equal(3, c:wait())
      assert.matches("ended\texit 3\nstop\tmain\nexit\t3\texit 3\n$", c:out())
      assert.equal("", c:err())
    end)

    for name, code in pairs { TERM = 143, INT = 130, QUIT = 131 } do
      it("leaves 128 and the signal when " .. name .. " comes before it runs", function()
        local c = start { mode = mode }
        c:kill(name)
        assert.equal(code, c:wait())
        assert.matches(("stop\tSIG%s\nexit\t%d\tnil\n$"):format(name, code), c:out())
        c:err_expect("SIG" .. name .. " before COMMAND could be started\n")
        assert.not_matches("up\n", c:out())
      end)
    end

    it("is started by the next script process when one is lost before that", function()
      local c = start { mode = mode }
      lose_script(c)
      c:expect(plain(NOT_STARTED:format "crash"))
      script.touch(c, "go")
      c:expect "started\ttrue\n"
      c:expect "up\n"
      c:kill "TERM"
      assert.equal(3, c:wait())
    end)

    it("is known to the next script process when one is lost after that", function()
      local c = start { mode = mode }
      script.touch(c, "go")
      c:expect "up\n"
      lose_script(c)
      c:expect(("start\t%d\tcrash\tprocess %d %%(main%%)\ttrue\n"):format(c:find("sh").nspid, c:find("sh").nspid))
      c:expect(("started\tnil\tthe main child is still alive\t%d\n"):format(EBUSY))
      c:kill "TERM"
      assert.equal(3, c:wait())
    end)

    it("is started at once when a script that does not start it takes the place", function()
      local c = start { mode = mode }
      script.replace(c, PLAIN)
      c:kill "HUP" -- while there is no COMMAND it is the script that is loaded anew
      c:expect "plain\ttrue\treload\n"
      c:expect "up\n"
      c:kill "TERM"
      assert.equal(3, c:wait())
      assert.matches("plain ended\texit 3\n", c:out())
    end)
  end)

  it("ends when nobody sees it, and the next script process is told", function()
    local c = start({ args = { "--hook-timeout", "20" } },
      "if io.open '{folder}/slow' then wait_for 'loaded' end")
    script.touch(c, "go")
    c:expect "up\n"
    script.touch(c, "slow")
    lose_script(c)
    c:until_true(function() return not c:find "reaper-script" end, nil, "the script process's end")
    c:kill("KILL", c:find("sh").pid)
    c:until_true(function() return not c:find "sh" end, nil, "COMMAND's end")
    script.touch(c, "loaded")
    assert.equal(137, c:wait())
    assert.matches("start\tnil\tcrash\t.*ended\tsignal SIGKILL\n", c:out())
  end)

  it("is its newest run for a script process that starts it before it is told of the end of the one before", function()
    local c = start({ args = { "--hook-timeout", "20" } }, [[
      if io.open '{folder}/slow' then
        wait_for 'loaded'
        on_start = function() print("again", reaper.main:start()) end
        on_reap = function(pid, status, _, info)
          if info.main then print("told", status, reaper.main.pid ~= pid, reaper.main:alive()) end
        end
      end
    ]])
    script.touch(c, "go")
    c:expect "up\n"
    script.touch(c, "slow")
    lose_script(c)
    c:until_true(function() return not c:find "reaper-script" end, nil, "the script process's end")
    c:kill("KILL", c:find("sh").pid)
    c:until_true(function() return not c:find "sh" end, nil, "COMMAND's end")
    script.touch(c, "loaded")
    c:expect "again\ttrue\n.*told\tsignal SIGKILL\ttrue\ttrue\n"
    c:expect "up\n.*up\n"
    c:kill "TERM"
    assert.equal(3, c:wait())
    assert.matches("told\texit 3\tfalse\tfalse\n", c:out())
  end)

  it("can be waited for before it runs, and be started again", function()
    local out, err, code = script.run([[
      require "reaper.runtime.hooks".start_main_by_hand()
      function on_start()
        reaper.after(0, function() print("waited", (reaper.main:wait())) end)
        reaper.sleep(0.05)
        print(reaper.main:start())
      end
      function on_reap(_, status, _, info)
        if status.code == 1 then print("again", reaper.main:start()) end
      end
    ]], { command = { "sh", "-c", 'echo run >> {folder}/runs; exit $(wc -l < {folder}/runs)' } })
    assert.same({ "true\nwaited\texit 1\nagain\ttrue\n", "", 2 }, { out, err, code })
  end)

  it("begins where reaper-lua was started, with its descriptors", function()
    local c = start { command = { "sh", "-c", "pwd; cat <&5" }, files = { text = "from outside\n" },
      wrap = { "/bin/sh", "-c", 'cd {folder} && exec 5< text && exec "$@"', "sh" } }
    script.touch(c, "go")
    assert.equal(0, c:wait())
    assert.matches("\n" .. plain(c.folder) .. "\n.*from outside\n", c:out())
  end)

  it("is not there for signals before it runs: they are asked about, and not kept", function()
    local c = start({}, "function on_signal(name) print(name) if name == 'SIGTERM' then return false end end")
    c:kill "USR1"
    c:kill "TERM"
    c:expect "SIGUSR1\nSIGTERM\n"
    script.touch(c, "go")
    c:expect "up\n"
    c:kill "INT"
    assert.equal(130, c:wait())
  end)

  for code, command in pairs { [127] = "/nowhere/at-all", [126] = "/etc/passwd" } do
    it("leaves " .. code .. " when it cannot be started: " .. command, function()
      local c = start({ command = { command } }, "function on_signal() reaper.exit() return false end")
      script.touch(c, "go")
      c:expect('started\tnil\tcannot run "' .. plain(command) .. '"[^\n]*\t%d+\n')
      c:kill "USR1"
      assert.equal(code, c:wait())
      assert.matches(("stop\texit\nexit\t%d\tnil\n$"):format(code), c:out())
    end)
  end

  it("leaves its own code when it could be started in the end", function()
    local out, err, code = script.run([[
      require "reaper.runtime.hooks".start_main_by_hand()
      function on_start()
        print(reaper.main:start())
        print(os.execute "cp /bin/true {folder}/late")
        print(reaper.main:start())
      end
    ]], { command = { "{folder}/late" } })
    assert.matches("^nil\tcannot run [^\n]*\t2\ntrue\texit\t0\ntrue\n$", out)
    assert.same({ "", 0 }, { err, code })
  end)

  it("is not started any more in the stop", function()
    local out, err, code = script.run([[
      require "reaper.runtime.hooks".start_main_by_hand()
      function on_start() reaper.exit(4) end
      function on_stop() print(reaper.main:start()) end
    ]], { command = { "echo", "runs" } })
    assert.same({ "nil\treaper-lua is stopping\t16\n", "", 4 }, { out, err, code })
  end)

  it("is left to the next script when that starts it, too", function()
    local c = start {}
    c:kill "HUP"
    c:expect(plain(NOT_STARTED:format "reload"))
    script.touch(c, "go")
    c:expect "up\n"
    c:kill "TERM"
    assert.equal(3, c:wait())
    assert.equal(1, select(2, c:out():gsub("up\n", "")))
  end)

  it("is started at once when the script of the next script process does not start it", function()
    local c = start {}
    script.replace(c, PLAIN)
    lose_script(c)
    c:expect "plain\ttrue\tcrash\n"
    c:kill "TERM"
    assert.equal(3, c:wait())
  end)

  it("ends the container when a script takes the place that does not start it, and it does not exist", function()
    local c = start { command = { "/nowhere/at-all" } }
    script.replace(c, "function on_start(pid, again) print('plain', pid, again) end " ..
      "function on_stop(reason) print('plain stop', reason) end")
    c:kill "HUP"
    assert.equal(127, c:wait())
    assert.matches("plain\tnil\treload\n", c:out())
    assert.matches("plain stop\tmain\n", c:out())
    assert.matches('cannot run "/nowhere/at%-all"', c:err())
  end)
end)

if faults.missing() then
  pending("a shortage of processes: " .. faults.missing())
  return
end

describe("COMMAND that the script starts, when there is no process to be had,", function()
  after_each(container.close_all)

  local OPTIONS = { args = { "-u", "65534:65534" }, command = { "echo", "runs" } }
  local SHORTAGE = { "-f", "-e", "trace=setresuid", "-e", "inject=setresuid:error=EAGAIN" }

  it("is tried again, and hooks run meanwhile", function()
    local c = start(OPTIONS, "function on_signal(name) print(name) end")
    local detach = faults.attach(c, c, nil, SHORTAGE)
    script.touch(c, "go")
    c:err_expect "trying again in 0.2 s"
    c:kill "USR1"
    c:expect "SIGUSR1\n"
    detach()
    assert.equal(0, c:wait())
    assert.matches("started\ttrue\n", c:out())
    assert.matches("\nruns\n", c:out())
  end)

  it("is not waited for when TERM comes", function()
    local c = start(OPTIONS)
    faults.attach(c, c, nil, SHORTAGE)
    script.touch(c, "go")
    c:err_expect "trying again in 0.2 s"
    c:kill "TERM"
    assert.equal(143, c:wait())
  end)

  it("is waited for by a script that takes the place and does not start it", function()
    local c = start(OPTIONS)
    local detach = faults.attach(c, c, nil, SHORTAGE)
    script.replace(c, PLAIN)
    c:kill "HUP"
    c:err_expect "trying again in 0.2 s"
    assert.not_matches("plain", c:out())
    detach()
    assert.equal(0, c:wait())
    assert.matches("plain\t%w+\treload\n", c:out())
  end)
end)
