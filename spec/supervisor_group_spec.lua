-- reaper.supervisor: services that are restarted together, the exit code, starts by hand, and a slow on_service.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local script = require "spec.support.script"
local support = require "spec.support.services"
local virtual = require "spec.support.virtual"

-- Each change of a state is a line: name, state. USR1 calls the script's by_hand.
local TELL = [[
local supervisor = require "reaper.supervisor"
local restart = require "reaper.restart"
function on_service(name, state) print(name .. " " .. state) end
function on_signal(name) if name == "SIGUSR1" then by_hand() return false end end
]]

local sleeper, shell = support.sleeper, support.shell
local run, start = support.below(TELL, virtual)

-- It runs when its trap is set.
local function trapping(name, trap, more)
  return shell(name, ("trap '%s' TERM; echo >&3; while :; do sleep 0.02; done"):format(trap),
    "ready = { fd = 3 }, " .. (more or ""))
end

local WAIT = "while [ ! -e {folder}/go ]; do sleep 0.02; done; "

-- It fails once, when the spec says so.
local function failing(name, more)
  return shell(name, "if [ -e {folder}/second ]; then exec sleep 100; fi; touch {folder}/second; " .. WAIT .. "exit 1",
    more or "restart = 0.1")
end

local touch = script.touch

-- Waits until these lines are there.
local function await(c, ...)
  for _, line in ipairs { ... } do
    c:until_true(function()
      return ("\n" .. c:out()):find("\n" .. line .. "\n", 1, true)
    end, 10, line)
  end
end

-- The lines after that one.
local function lines_after(c, line)
  return script.lines((c:out():match("\n" .. line .. "\n(.*)$")))
end

-- What has become of one service: its states.
local function states(lines, name)
  local list = {}
  for _, line in ipairs(lines) do
    list[#list + 1] = line:match("^" .. name .. " (.*)")
  end
  return table.concat(list, " ")
end

local function position(lines, wanted)
  for i, line in ipairs(lines) do
    if line == wanted then
      return i
    end
  end
  error("there is no line '" .. wanted .. "' in:\n" .. table.concat(lines, "\n"), 2)
end

local function in_order(lines, ...)
  local last = 0
  for _, line in ipairs { ... } do
    assert.is_true(position(lines, line) > last, line .. " in:\n" .. table.concat(lines, "\n"))
    last = position(lines, line)
  end
end

describe("services that are restarted together", function()
  after_each(container.close_all)

  for _, strategy in ipairs { "one_for_all", "rest_for_one" } do
    it("are stopped from the last to the first: " .. strategy, function()
      local c = start(failing "bad" .. sleeper "a" .. sleeper "b" .. sleeper "c"
        .. ('strategy = "%s"'):format(strategy))
      await(c, "bad running", "a running", "b running", "c running")
      touch(c, "go")
      c:expect "bad backoff\n.*c running\n"
      in_order(lines_after(c, "bad backoff"), "c stopping", "b stopping", "a stopping", "bad starting", "a starting",
        "b starting", "c starting")
    end)

    it("are stopped only when what needs them has ended: " .. strategy, function()
      local c = start(failing "bad" .. trapping("db", "echo db is asked; exit 0")
        .. trapping("app", "sleep 0.4; echo app is over; exit 0", 'after = { "db" }')
        .. trapping("web", "sleep 0.4; echo web is over; exit 0", 'after = { "app" }')
        .. sleeper "other" .. ('strategy = "%s"'):format(strategy))
      await(c, "bad running", "web running", "other running")
      touch(c, "go")
      c:expect "bad backoff\n.*web running\n"
      local lines = lines_after(c, "bad backoff")
      in_order(lines, "other stopping", "web stopping", "web is over", "app stopping", "app is over", "db stopping",
        "bad starting", "db starting", "app starting", "web starting")
      in_order(lines, "app is over", "db is asked", "bad starting")
    end)
  end

  it("do not wait for one that needs them and has no process", function()
    local c = start(failing "bad" .. sleeper("db", 'ready = { exec = { "test", "-e", "{folder}/open" } }')
      .. sleeper("web", 'after = { "db" }') .. 'strategy = "one_for_all"')
    await(c, "bad running", "db starting")
    touch(c, "go")
    c:expect "bad backoff\n.*db starting\n"
    assert.equal("", states(lines_after(c, "bad backoff"), "web"))
  end)

  for _, never in ipairs {
    '"never"', '"no"', "false", "restart.never", '"no", backoff = { initial = 0.1 }', 'restart.otp "temporary"',
  } do
    it("leave one with restart = " .. never .. " where it was stopped", function()
      local c = start(sleeper("once", "restart = " .. never) .. failing "bad" .. sleeper "a"
        .. 'strategy = "one_for_all"')
      await(c, "once running", "bad running", "a running")
      touch(c, "go")
      c:expect "bad backoff\n.*a running\n"
      local lines = lines_after(c, "bad backoff")
      assert.equal("stopping finished", states(lines, "once"))
      assert.equal("waiting starting running", states(lines, "bad"))
      assert.equal("stopping waiting starting running", states(lines, "a"))
      assert.is_nil(c:ended())
    end)
  end

  it("do not take its turn from one with restart = \"never\" that was not started yet", function()
    local c = start(failing "bad" .. sleeper("gate", 'ready = { exec = { "sh", "-c", '
      .. '"echo asked >> {folder}/asked; test $(wc -l < {folder}/asked) -gt 1" }, interval = 1000 }, restart = 0.1')
      .. shell("once", "exit 0", 'after = { "gate" }, restart = "never"') .. 'strategy = "one_for_all"')
    await(c, "bad running", "gate starting")
    c:until_true(function() return c:read "asked" end, 5, "the probe")
    touch(c, "go")
    c:expect "bad backoff\n.*gate running\n.*once finished\n"
    assert.equal("starting running finished", states(script.lines(c:out()), "once"))
  end)

  it("start again what has finished by itself, but not what was stopped, or is to run once", function()
    local c = start(shell("setup", "exit 0") .. shell("once", "exit 0", 'restart = "never"') .. sleeper "stopped"
      .. sleeper "a" .. failing("bad", 'after = { "setup" }, restart = 0.1') .. 'strategy = "one_for_all"', nil,
      'function by_hand() supervisor.stop "stopped" end')
    await(c, "setup finished", "once finished", "stopped running", "a running", "bad running")
    c:kill "USR1"
    await(c, "stopped finished")
    touch(c, "go")
    c:expect "bad backoff\n.*bad running\n"
    c:expect "bad backoff\n.*setup finished\n"
    local lines = lines_after(c, "bad backoff")
    assert.equal("waiting starting running finished", states(lines, "setup"))
    in_order(lines, "a waiting", "setup starting", "bad starting")
    assert.equal("", states(lines, "once"))
    assert.equal("", states(lines, "stopped"))
  end)

  it("do not start again one that is just being stopped by hand", function()
    local c = start(failing "bad" .. trapping("slow", "while [ ! -e {folder}/second_go ]; do sleep 0.02; done; exit 0")
      .. sleeper "a" .. 'strategy = "one_for_all"', nil, 'function by_hand() supervisor.stop "slow" end')
    await(c, "bad running", "slow running", "a running")
    c:kill "USR1"
    await(c, "slow stopping")
    touch(c, "go")
    c:expect "bad backoff\n.*a waiting\n"
    touch(c, "second_go")
    c:expect "bad backoff\n.*a running\n"
    assert.equal("finished", states(lines_after(c, "bad backoff"), "slow"))
  end)

  it("do not hold back one that comes before them", function()
    local c = start(sleeper("gate", 'ready = { exec = { "test", "-e", "{folder}/open" }, interval = 0.05 }')
      .. sleeper("early", 'after = { "gate" }') .. failing("bad", "restart = 1000") .. sleeper "late"
      .. 'strategy = "rest_for_one"')
    await(c, "bad running", "late running")
    touch(c, "go")
    c:expect "bad backoff\n.*late waiting\n"
    touch(c, "open")
    await(c, "early running")
    assert.equal("stopping waiting", states(lines_after(c, "bad backoff"), "late"))
  end)

  it("do not hold back one that is started by hand", function()
    local c = start(failing("bad", "restart = 1000") .. sleeper "a" .. sleeper("extra", "autostart = false")
      .. 'strategy = "one_for_all"', nil, 'function by_hand() supervisor.start "extra" end')
    await(c, "bad running", "a running")
    touch(c, "go")
    c:expect "bad backoff\n.*a waiting\n"
    c:kill "USR1"
    await(c, "extra running")
    assert.equal("stopping waiting", states(lines_after(c, "bad backoff"), "a"))
  end)
end)

describe("the exit code", function()
  after_each(container.close_all)

  for _, row in ipairs {
    { "more often than intensity allows", 'restart = "always"', "intensity = 1, period = 100",
      "more than 1 restarts within 100 s" },
    { "more often than restart.limit allows", 'restart = restart.limit("always", { max = 1, window = 100 })', "",
      "it was started again 1 times within 100 s" },
    { "more often than restart.systemd allows", 'restart = restart.systemd { restart = "always", restart_sec = 0.01, '
      .. "start_limit_burst = 2 }", "", "it was started 2 times within" },
    { "and its policy raises", 'restart = function() error "no idea" end', "", "no idea" },
    { "and its policy returns a text", 'restart = function() return "soon" end', "", "returned a string" },
    { "and its policy returns a negative delay", "restart = function() return -1 end", "", "returned -1" },
    { "and its policy never returns", "restart = function() while true do end end", "", "too long" },
    { "and its policy waits", "restart = function() reaper.sleep(1e6) end", "", "it has to answer at once" },
    { "and its policy calls that a failure", 'restart = function() return nil, "not so soon", false end', "",
      "not so soon" },
  } do
    it("is 1 when a service ends with 0 " .. row[1], function()
      local lines, err, code = run(shell("web", "exit 0", row[2]) .. sleeper "db" .. row[3],
        { args = { "--hook-timeout", "0.5" } })
      assert.equal(1, code)
      assert.equal("db finished", lines[#lines])
      assert.matches("web: [^\n]*" .. row[4]:gsub("%-", "%%-"), err)
    end)
  end

  for _, row in ipairs { { "true", 3, 0, "finished" }, { "false", 3, 3, "failed" }, { "nil", 3, 3, "failed" },
    { "true", 0, 0, "finished" }, { "nil", 0, 0, "finished" } } do
    it(("is %d when a policy gives up with %s after exit %d"):format(row[3], row[1], row[2]), function()
      local lines, _, code = run(shell("web", "exit " .. row[2],
        ('restart = function() return nil, "enough", %s end'):format(row[1])))
      assert.equal(row[3], code)
      assert.equal("web " .. row[4], lines[#lines])
    end)
  end

  it("comes with one line for the final failure", function()
    local _, err = run(shell("web", "exit 3", 'restart = "never"') .. sleeper "db")
    assert.equal("web: failed: exit 3: it is not to be started again; stopping all",
      err:match "web: [^\n]*")
    assert.equal(1, select(2, err:gsub("exit 3", "")))
  end)

  it("comes with one line for a failure that is ignored", function()
    local _, err = run(shell("web", "exit 3", 'restart = "never", when_failed = "ignore"'))
    assert.equal("web: failed: exit 3: it is not to be started again", err:match "web: [^\n]*")
    assert.equal(1, select(2, err:gsub("exit 3", "")))
  end)
end)

describe("autostart = false", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("leaves the start to supervisor.start", function()
      local c = start(sleeper("extra", "autostart = false") .. sleeper "a", { mode = mode },
        'function by_hand() print(supervisor.status "extra".state, supervisor.start "extra") end')
      await(c, "a running")
      c:kill "USR1"
      c:expect "extra running\n"
      assert.equal("a starting\na running\nextra waiting\nextra starting\nfinished\ttrue\nextra running\n", c:out())
      c:kill "TERM"
      assert.equal(0, c:wait())
    end)
  end)

  it("lets the container end with 0 when the others have finished", function()
    local lines, err, code = run(sleeper("extra", "autostart = false") .. shell("a", "exit 0"))
    assert.same({ "a starting", "a running", "a finished" }, lines)
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("lets what needs it wait until it runs", function()
    local c = start(sleeper("extra", "autostart = false") .. sleeper("web", 'after = { "extra" }') .. sleeper "a", nil,
      'function by_hand() print(supervisor.status "web".state) supervisor.start "extra" end')
    await(c, "a running")
    c:kill "USR1"
    c:expect "web running\n"
    in_order(script.lines(c:out()), "waiting", "extra running", "web starting")
  end)

  it("of all services waits for the script", function()
    local c = start(sleeper("extra", "autostart = false"), nil,
      'function by_hand() print(supervisor.start "extra") end function on_start(_, again) print("start", again) end')
    c:expect "start\tnil\n"
    script.kill_script(c)
    c:expect "start\tcrash\n"
    c:kill "USR1"
    c:expect "extra running\n"
  end)

  for _, value in ipairs { '"no"', "0", "{}" } do
    it("may not be " .. value, function()
      local _, err, code = run(sleeper("extra", "autostart = " .. value))
      assert.equal(125, code)
      assert.matches("bad argument 'extra.autostart' to 'supervisor.run' (boolean expected, got", err, 1, true)
    end)
  end
end)

describe("on_service that takes its time", function()
  after_each(container.close_all)

  local function alert(state, seconds)
    return ('function on_service(name, state) print(name .. " " .. state) if state == "%s" then '
      .. 'print("alert: " .. tostring(reaper.run { "sleep", "%s" })) end end'):format(state, seconds)
  end

  container.each_mode(function(mode)
    it("is waited for when a service has failed for good", function()
      local lines, _, code = run(shell("web", "exit 3", 'restart = "never"'), { mode = mode }, alert("failed", 0.5))
      assert.equal(3, code)
      in_order(lines, "web failed", "alert: exit 0")
    end)

    it("is waited for on TERM", function()
      local c = start(sleeper "web", { mode = mode }, alert("finished", 0.5))
      await(c, "web running")
      c:kill "TERM"
      assert.equal(0, c:wait())
      in_order(script.lines(c:out()), "web finished", "alert: exit 0")
    end)

    it("is not waited for after a second TERM", function()
      local c = start(sleeper "web", { mode = mode }, alert("finished", 1000))
      await(c, "web running")
      c:kill "TERM"
      await(c, "web finished")
      c:until_true(function() return c:find "sleep" end, 5, "the alert")
      assert.is_nil(c:ended())
      c:kill "TERM"
      assert.equal(0, c:wait(5))
      assert.is_nil(c:out():find("alert: exit 0", 1, true))
    end)
  end)

  it("is not waited for after two TERMs when a service has failed for good", function()
    local c = start(shell("web", "exit 3", 'restart = "never"'), nil, alert("failed", 1000))
    await(c, "web failed")
    c:until_true(function() return c:find "sleep" end, 5, "the alert")
    c:kill "TERM"
    c:kill "TERM"
    c:kill "INT"
    assert.equal(3, c:wait(5))
  end)

  it("and that raises then does not keep the container", function()
    local _, err, code = run(shell("web", "exit 3", 'restart = "never"'), nil,
      'function on_service(_, state) if state == "failed" then reaper.sleep(0.2) error "no alert" end end')
    assert.equal(3, code)
    assert.matches("no alert", err, 1, true)
  end)

  it("may be one of several, or none", function()
    local lines, _, code = run(shell("web", "exit 3", 'restart = "never"'), nil, [[
      for i = 1, 3 do
        reaper.on("on_service", function(_, state)
          if state == "failed" then reaper.sleep(0.1 * i) print("alert " .. i) end
        end)
      end]])
    assert.equal(3, code)
    in_order(lines, "alert 1", "alert 2", "alert 3")
    local _, _, silent = run(shell("web", "exit 3", 'restart = "never"'), nil, "on_service = nil")
    assert.equal(3, silent)
  end)
end)

describe("supervisor.start in on_service", function()
  after_each(container.close_all)

  it("of what fails at once does not spin", function()
    local c = start('{ name = "a", command = { "/nowhere/at-all" }, restart = "never", when_failed = "ignore" },\n'
      .. sleeper "b", nil, [[
      local tell, first, starts = on_service, reaper.now(), 0
      function on_service(name, state)
        if name == "a" and state == "failed" then
          starts = starts + 1
          supervisor.start "a"
          if starts == 5 then print("five in", reaper.now() - first >= 0.4) end
        end
      end]])
    c:expect "five in\ttrue\n"
    c:kill "TERM"
    assert.equal(0, c:wait())
  end)
end)
