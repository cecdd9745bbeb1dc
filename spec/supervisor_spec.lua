-- reaper.supervisor: order, ends, restarts, strategies, and what is said no to.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local virtual = require "spec.support.virtual"
local script = require "spec.support.script".over(virtual)
local support = require "spec.support.services"

local TELL = support.TELL

local sleeper, shell = support.sleeper, support.shell
local run, start = support.below(TELL, virtual)

-- The lines of some services only.
local function of(lines, ...)
  local wanted, list = {}, {}
  for _, name in ipairs { ... } do
    wanted[name] = true
  end
  for _, line in ipairs(lines) do
    if wanted[line:match "^%S+"] then
      list[#list + 1] = line
    end
  end
  return list
end

local function position(lines, wanted)
  for i, line in ipairs(lines) do
    if line == wanted then
      return i
    end
  end
  error("there is no line '" .. wanted .. "' in:\n" .. table.concat(lines, "\n"), 2)
end

local function before(lines, first, second)
  assert.is_true(position(lines, first) < position(lines, second), first .. " before " .. second)
end

local function count(lines, wanted)
  local n = 0
  for _, line in ipairs(lines) do
    n = n + (line == wanted and 1 or 0)
  end
  return n
end

describe("supervisor.run", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("starts one after the other, and ends with 0 when all have finished", function()
      local lines, err, code = run(shell("web", "exit 0", 'after = { "db" }') .. shell("db", "exit 0"), { mode = mode })
      assert.same({ "db starting", "db running", "db finished" }, of(lines, "db"))
      assert.same({ "web starting", "web running", "web finished" }, of(lines, "web"))
      before(lines, "db running", "web starting")
      assert.equal("", err)
      assert.equal(0, code)
    end)

    it("stops in the reverse order on TERM, and ends with 0", function()
      local c = start(sleeper "db" .. sleeper("app", 'after = { "db" }') .. sleeper("web", 'after = { "app" }'),
        { mode = mode })
      c:expect "web running\n"
      c:kill "TERM"
      assert.equal(0, c:wait())
      assert.same({
        "db starting", "db running", "app starting", "app running", "web starting", "web running", "web stopping",
        "web finished", "app stopping", "app finished", "db stopping", "db finished",
      }, script.lines(c:out()))
    end)

    it("ends with the exit code of a service that fails for good, when the others have stopped", function()
      local lines, err, code = run(sleeper "db" .. shell("web", "exit 3", 'after = { "db" }, restart = "never"'),
        { mode = mode })
      assert.equal(3, code)
      assert.same({
        "db starting", "db running", "web starting", "web running", "web failed", "db stopping", "db finished",
      }, lines)
      assert.matches("web: failed: exit 3", err, 1, true)
    end)

    it("kills what does not end within its grace", function()
      local c = start(shell("deaf", "trap '' TERM; echo up; while :; do sleep 0.05; done", "stop = { grace = 0.3 }"),
        { mode = mode })
      c:expect "up\n"
      c:expect "deaf running\n" -- in either order
      c:kill "TERM"
      assert.equal(0, c:wait(5))
      assert.matches("deaf running\n.*deaf stopping\n.*deaf finished\n", c:out()) -- and "clearing", if it slept
    end)

    it("kills at once on a second TERM", function()
      local c = start(shell("deaf", "trap '' TERM; echo up; while :; do sleep 0.05; done", "stop = { grace = 1000 }"),
        { mode = mode })
      c:expect "up\n"
      c:kill "TERM"
      c:expect "deaf stopping\n"
      c:kill "TERM"
      assert.equal(0, c:wait(5))
      c:expect "deaf finished\n"
    end)
  end)

  describe("order", function()
    it("starts independent services at once, whatever the first of them does", function()
      local c = start(sleeper("slow", "ready = { delay = 1000, timeout = 2000 }") .. sleeper "other"
        .. sleeper("third", 'after = { "other" }'))
      c:expect "third running\n"
      local lines = script.lines(c:out())
      assert.same({ "slow starting" }, of(lines, "slow"))
    end)

    it("starts what comes after several services when all of them are ready", function()
      local c = start(sleeper("web", 'after = { "a", "b" }') .. sleeper "a" .. sleeper("b", "ready = { delay = 0.3 }"))
      c:expect "web running\n"
      local lines = script.lines(c:out())
      before(lines, "a running", "web starting")
      before(lines, "b running", "web starting")
    end)

    it("lets dependants wait for readiness", function()
      local c = start(shell("db", "sleep 0.3; echo db is up; exec sleep 100", 'ready = { line = "is up" }')
        .. shell("web", "exec sleep 100", 'after = { "db" }'))
      c:expect "web running\n"
      local lines = script.lines(c:out())
      position(lines, "db is up")
      before(lines, "db running", "web starting")
    end)

    it("takes a service that has finished for one that is ready", function()
      local lines, _, code = run(shell("setup", "sleep 0.2; exit 0", "ready = { delay = 100, timeout = 200 }")
        .. shell("web", "exit 0", 'after = { "setup" }'))
      assert.equal(0, code)
      before(lines, "setup finished", "web starting")
    end)

    it("takes one that ended as its policy wants it for one that is ready", function()
      local lines, _, code = run(shell("setup", "exit 43",
        'restart = require "reaper.restart".on_failure { ok = { 43 } }, ready = { delay = 100, timeout = 200 }')
        .. shell("web", "exit 0", 'after = { "setup" }'))
      assert.equal(0, code)
      before(lines, "setup finished", "web starting")
    end)

    it("holds back what needs a service that was stopped by hand", function()
      local db = sleeper("db", "ready = { delay = 100, timeout = 200 }")
      local c = start(db .. sleeper("web", 'after = { "db" }'), nil,
        [[reaper.after(0.1, function()
          supervisor.stop "db"
          reaper.sleep(0.3)
          print(supervisor.status "web".state)
        end)]])
      c:expect "db finished\nwaiting\n"
      assert.is_nil(c:out():find "web starting")
    end)

    it("stops independent services at the same time", function()
      local slow = "trap 'sleep 0.7; exit 0' TERM; echo up; while :; do sleep 0.02; done"
      local c = start(shell("a", slow) .. shell("b", slow) .. shell("c", slow))
      c:expect "up\n.*up\n.*up\n"
      c:kill "TERM"
      assert.equal(0, c:wait())
      local lines = script.lines(c:out())
      for _, name in ipairs { "a", "b", "c" } do
        for _, other in ipairs { "a", "b", "c" } do
          before(lines, name .. " stopping", other .. " finished")
        end
      end
    end)

    it("stops each with its own signal", function()
      local c = start(shell("web", "trap 'echo got QUIT; exit 0' QUIT; trap 'echo got TERM' TERM; echo up; "
        .. "while :; do sleep 0.02; done", 'stop = { signal = "QUIT" }'))
      c:expect "up\n"
      c:kill "TERM"
      assert.equal(0, c:wait())
      assert.matches("got QUIT\n", c:out())
    end)

    it("stops what is waiting or between two starts without a process", function()
      local c = start(shell("db", "exit 1", "restart = 100") .. sleeper("web", 'after = { "gate" }')
        .. sleeper("gate", "ready = { delay = 100, timeout = 200 }"))
      c:expect "db backoff\n"
      c:kill "INT"
      assert.equal(0, c:wait(5))
      assert.same({ "web finished" }, of(script.lines(c:out()), "web"))
      assert.same({ "db starting", "db running", "db backoff", "db finished" }, of(script.lines(c:out()), "db"))
    end)

    it("ends at once on TERM while its only service is between two starts", function()
      local c = start(shell("db", "exit 1", "restart = 100"))
      c:expect "db backoff\n"
      c:kill "TERM"
      assert.equal(0, c:wait(5))
      assert.is_nil(c:err():find "policy")
    end)
  end)

  describe("the end", function()
    it("has 128 + n for a signal", function()
      local _, _, code = run(shell("web", "kill -KILL $$", 'restart = "never"'))
      assert.equal(137, code)
    end)

    it("has 127 for a command that does not exist, which does not spin", function()
      local lines, err, code = run('{ name = "web", command = { "/nowhere/at-all" }, restart = "always" }, '
        .. "intensity = 4, period = 100")
      assert.equal(127, code)
      assert.equal(5, count(lines, "web starting"))
      assert.equal(0, count(lines, "web running"))
      assert.matches("/nowhere/at-all", err, 1, true)
    end)

    it("waits at least 0.1 s from start to start, whatever the policy says", function()
      local c = start('{ name = "web", command = { "/nowhere/at-all" }, restart = 0 }', nil,
        'reaper.after(1, function() print("starts: " .. supervisor.status "web".restarts) reaper.exit(0) end)')
      local starts = tonumber((c:expect "starts: (%d+)\n"))
      assert.is_true(starts >= 1 and starts <= 11 * container.slow, starts)
    end)

    it("has 126 for a command that cannot be executed", function()
      local _, _, code = run('{ name = "web", command = { "/etc/passwd" }, restart = false }')
      assert.equal(126, code)
    end)

    it("does not come with a failure that is to be ignored", function()
      local lines, _, code = run(shell("bad", "exit 3", 'restart = "never", when_failed = "ignore"')
        .. shell("good", "sleep 0.5; exit 0"))
      assert.equal(0, code)
      assert.same({ "good starting", "good running", "good finished" }, of(lines, "good"))
      before(lines, "bad failed", "good finished")
    end)

    it("lets what depends on an ignored failure fail, too", function()
      local lines, _, code = run(
        shell("bad", "exit 3", 'restart = "never", when_failed = "ignore", ready = { delay = 100, timeout = 200 }')
        .. sleeper("leaf", 'after = { "bad" }, when_failed = "ignore"') .. shell("good", "sleep 0.5; exit 0"), nil,
        'function on_service(n, s, d) print(n .. " " .. s) if n == "leaf" then print("why: " .. d) end end')
      assert.equal(0, code)
      assert.same({ "leaf failed" }, of(lines, "leaf"))
      before(lines, "leaf failed", "good finished")
      position(lines, "why: bad, which it needs, has failed")
    end)

    it("is that of the first failure, not of those that are stopped for it", function()
      local _, _, code = run(shell("a", "trap 'exit 9' TERM; while :; do sleep 0.02; done")
        .. shell("b", "sleep 0.3; exit 4", 'restart = "never"'))
      assert.equal(4, code)
    end)
  end)

  describe("restarts", function()
    it("go through backoff and waiting", function()
      local lines, _, code = run(shell("web", "exit 5", 'restart = "on-failure:1"'))
      assert.equal(5, code)
      assert.same({
        "web starting", "web running", "web backoff", "web waiting", "web starting", "web running", "web failed",
      }, lines)
    end)

    it("are those of Docker's on-failure when nothing is said", function()
      local lines, _, code = run(shell("web",
        "if [ -e {folder}/second ]; then exit 0; fi; touch {folder}/second; exit 1"))
      assert.equal(0, code)
      assert.equal(2, count(lines, "web starting"))
      assert.equal("web finished", lines[#lines])
    end)

    it("happen after exit 0 with always", function()
      local c = start(shell("web", "exit 0", 'restart = "always"'))
      c:expect "web starting\n.*web backoff\n.*web starting\n.*web backoff\n.*web starting\n"
      assert.is_nil(c:out():find "finished")
    end)

    it("tell the status and the delay, and the policy all that its event has", function()
      local out, _, code = script.run(TELL .. [[
        supervisor.run { { name = "web", command = { "sh", "-c", "exit 6" }, restart = function(event)
          print(event.name, event.status.code, event.restarts, #event.history, #event.lifetimes, event.lifetime >= 0,
            event.now > 0, math.type(event.rusage.maxrss or 0) ~= nil)
          if event.restarts == 2 then return nil, "twice is enough" end
          return 0.15
        end } }
        function on_service(name, state, detail) if detail then print(state, detail) end end
      ]])
      assert.equal(6, code)
      assert.same({
        "web\t6\t0\t0\t0\ttrue\ttrue\ttrue", "backoff\texit 6; again in 0.15 s",
        "web\t6\t1\t1\t1\ttrue\ttrue\ttrue", "backoff\texit 6; again in 0.15 s",
        "web\t6\t2\t2\t2\ttrue\ttrue\ttrue", "failed\texit 6: twice is enough",
      }, script.lines(out))
    end)

    it("wait as long as backoff says, while restart says whether", function()
      local out, _, code = script.run(TELL .. [[
        supervisor.run { { name = "web", command = { "false" }, restart = "on-failure:3",
          backoff = { initial = 0.2, factor = 2, max = 0.5 } } }
        function on_service(name, state, detail) if state == "backoff" then print(detail) end end
      ]])
      assert.equal(1, code)
      assert.same({ "exit 1; again in 0.2 s", "exit 1; again in 0.4 s", "exit 1; again in 0.5 s" }, script.lines(out))
    end)

    for _, row in ipairs {
      { "raises", 'error "no idea"', "no idea" },
      { "returns a text", 'return "soon"', "returned a string, not a number of seconds" },
      { "returns a table", "return {}", "returned a table" },
      { "returns true", "return true", "returned a boolean" },
      { "returns a negative delay", "return -1", "returned -1" },
      { "returns an infinite delay", "return math.huge", "returned inf" },
      { "returns nan", "return 0/0", "which is no number of seconds" },
      { "returns nothing", "return", "gives up" },
      { "never returns", "while true do end", "too long" },
      { "never returns, and catches errors", "while true do pcall(function() while true do end end) end", "too long" },
      { "waits", "reaper.sleep(1e6)", "it has to answer at once" },
    } do
      it("end with the service's code when the policy " .. row[1], function()
        local lines, err, code = run(
          shell("web", "exit 7", "restart = function(event) " .. row[2] .. " end") .. sleeper "db",
          { args = { "--hook-timeout", "0.5" } })
        assert.equal(7, code)
        assert.equal("web failed", of(lines, "web")[3])
        assert.equal("db finished", of(lines, "db")[4])
        assert.matches("web: failed: exit 7: [^\n]*" .. row[3]:gsub("%-", "%%-"), err)
      end)
    end

    it("can be further than one hour away", function()
      local c = start(shell("web", "exit 1", "restart = 1e9"), nil,
        'reaper.after(0.5, function() print(supervisor.status "web".state) end)')
      c:expect "\nbackoff\n"
    end)
  end)

  describe("intensity", function()
    it("gives up at the restart that is one too many, with the service's code", function()
      local lines, err, code = run(shell("web", "exit 9", "restart = 0.1") .. sleeper "db"
        .. "intensity = 3, period = 100")
      assert.equal(9, code)
      assert.equal(4, count(lines, "web starting"))
      assert.matches("web: more than 3 restarts within 100 s", err, 1, true)
      assert.equal("db finished", of(lines, "db")[4])
    end)

    it("of 0 gives up at the first failure", function()
      local lines, _, code = run(shell("web", "exit 9", "restart = 0.1") .. "intensity = 0")
      assert.equal(9, code)
      assert.equal(1, count(lines, "web starting"))
    end)

    it("counts the restarts of all services", function()
      local lines, _, code = run(shell("a", "exit 9", "restart = 0.1") .. shell("b", "exit 9", "restart = 0.1")
        .. "intensity = 3, period = 100")
      assert.equal(9, code)
      assert.equal(4, count(lines, "a backoff") + count(lines, "b backoff"))
    end)

    it("forgets what is older than the period", function()
      local c = start(shell("web", "exit 9", "restart = 0.3") .. "intensity = 1, period = 0.2")
      c:expect(("web starting\n.*"):rep(5))
      assert.is_nil(c:ended())
    end)
  end)
end)

describe("the strategy", function()
  after_each(container.close_all)

  -- The others live; b, which comes between a and c, ends once with a failure when the others run.
  local services = sleeper "first" .. sleeper "a" .. shell("b",
    "if [ -e {folder}/second ]; then exec sleep 100; fi; touch {folder}/second; while [ ! -e {folder}/go ]; do sleep "
    .. "0.02; done; exit 1", 'after = { "a" }, restart = 0.1') .. sleeper("c", 'after = { "b" }')

  local function after_failure(strategy)
    local c = start(services .. ('strategy = "%s"'):format(strategy), nil,
      'local function look() for _, s in ipairs(supervisor.status()) do if s.state ~= "running" then return '
      .. 'reaper.after(0.02, look) end end print "all up"; io.open("{folder}/go", "w"):close() end '
      .. "reaper.after(0, look)")
    c:expect "all up\n"
    c:expect "b backoff\n.*b running\n"
    c:expect(strategy == "one_for_one" and "b running" or "b backoff\n.*c running\n")
    return script.lines(c:out():match "all up\n(.*)$")
  end

  it("one_for_one restarts only what has ended", function()
    assert.same({ "b backoff", "b waiting", "b starting", "b running" }, after_failure "one_for_one")
  end)

  it("rest_for_one restarts what comes after it, too", function()
    local lines = after_failure "rest_for_one"
    assert.same({ "b backoff", "b waiting", "b starting", "b running" }, of(lines, "b"))
    assert.same({ "c stopping", "c waiting", "c starting", "c running" }, of(lines, "c"))
    assert.same({}, of(lines, "first", "a"))
    before(lines, "c waiting", "b starting")
    before(lines, "b running", "c starting")
  end)

  it("one_for_all stops all of them before it starts one", function()
    local lines = after_failure "one_for_all"
    for _, name in ipairs { "a", "c" } do
      assert.same({ name .. " stopping", name .. " waiting", name .. " starting", name .. " running" }, of(lines, name))
      before(lines, name .. " waiting", "a starting")
    end
    before(lines, "b waiting", "a starting")
    before(lines, "a running", "b starting")
    before(lines, "b running", "c starting")
  end)

  it("one_for_all waits for what needs long to stop", function()
    local c = start(shell("slow", "trap 'sleep 0.7; echo slow is over; exit 0' TERM; while :; do sleep 0.02; done")
      .. shell("b", "sleep 0.3; exit 1", "restart = 0.1") .. 'strategy = "one_for_all"')
    c:expect "b backoff\n.*b starting\n"
    local lines = script.lines(c:out():match "b backoff\n(.*)$")
    before(lines, "slow is over", "b starting")
  end)

  it("one_for_all goes on when the one that has failed is stopped by hand meanwhile", function()
    local c = start(sleeper "a" .. shell("b", "sleep 0.2; exit 1", "restart = 1000") .. 'strategy = "one_for_all"', nil,
      'function on_service(n, s) print(n, s) if n == "a" and s == "waiting" then supervisor.stop "b" end end')
    c:expect "b\tbackoff\na\tstopping\na\twaiting\nb\tfinished\na\tstarting\na\trunning\n"
  end)

  it("does not restart anything when the end is final", function()
    local lines, _, code = run(sleeper "a" .. shell("b", "sleep 0.2; exit 2", 'restart = "never"')
      .. 'strategy = "one_for_all"')
    assert.equal(2, code)
    assert.same({ "a starting", "a running", "a stopping", "a finished" }, of(lines, "a"))
  end)
end)

describe("by name", function()
  after_each(container.close_all)

  -- The body runs in a timer, when both services are up.
  local function by_hand(body)
    local c = start(sleeper("db", 'restart = "never"') .. sleeper("web", 'after = { "db" }, restart = "never"'), nil, [[
      local function until_state(name, state)
        for i = 1, 500 do
          if supervisor.status(name).state == state then return end
          reaper.sleep(0.01)
        end
        error(name .. " is " .. supervisor.status(name).state)
      end
      reaper.after(0, function()
        until_state("web", "running")
        print "up"
        local ok, why = pcall(function() ]] .. body .. [[ end)
        print(ok and "over" or "error: " .. tostring(why))
      end)]])
    c:expect "over\n"
    return c
  end

  it("supervisor.stop stops one, which stays so; supervisor.start starts it again", function()
    local c = by_hand [[
      print(supervisor.stop "web")
      until_state("web", "finished")
      print(supervisor.stop "web")
      print(supervisor.start "web")
      until_state("web", "running")
      print(supervisor.start "web")
    ]]
    assert.same({
      "web stopping", "true", "web finished", "nil\tweb is finished already", "web waiting", "web starting", "true",
      "web running", "nil\tweb is running already", "over",
    }, script.lines(c:out():match "up\n(.*)$"))
  end)

  it("supervisor.restart makes a new process, whatever the restart policy says", function()
    local c = by_hand [[
      local old = supervisor.status "web".pid
      print(supervisor.restart "web")
      until_state("web", "stopping")
      until_state("web", "running")
      print(supervisor.status "web".pid ~= old, supervisor.status "web".restarts)
    ]]
    assert.same({ "web stopping", "true", "web waiting", "web starting", "web running", "true\t0", "over" },
      script.lines(c:out():match "up\n(.*)$"))
  end)

  it("supervisor.start begins a new count of restarts after a final failure", function()
    local c = start(shell("web", "exit 1", 'restart = "on-failure:1", when_failed = "ignore"') .. sleeper "db", nil, [[
      local failures = 0
      local tell = on_service
      function on_service(name, state, detail)
        tell(name, state)
        if state == "failed" then
          failures = failures + 1
          print("failed after " .. supervisor.status(name).restarts)
          if failures == 1 then print(supervisor.start(name)) end
        end
      end]])
    c:expect "failed after 1\n.*failed after 1\n"
    assert.equal(4, count(script.lines(c:out()), "web starting"))
  end)

  it("supervisor.status tells of one, or of all in the order of their starts", function()
    local c = by_hand [[
      local web = supervisor.status "web"
      print(web.name, web.state, math.type(web.pid), web.restarts, web.status, web.since >= 0)
      for i, s in ipairs(supervisor.status()) do print(i, s.name, s.state) end
      supervisor.stop "web"
      until_state("web", "finished")
      print(supervisor.status "web".pid, supervisor.status "web".status)
    ]]
    assert.same({
      "web\trunning\tinteger\t0\tnil\ttrue", "1\tdb\trunning", "2\tweb\trunning", "web stopping", "web finished",
      "nil\tsignal SIGTERM", "over",
    }, script.lines(c:out():match "up\n(.*)$"))
  end)

  it("supervisor.shutdown stops all in order and ends with its code", function()
    local c = by_hand "supervisor.shutdown(42)"
    assert.equal(42, c:wait())
    local lines = script.lines(c:out())
    before(lines, "web finished", "db stopping")
  end)

  it("each raises for an unknown name, with the nearest", function()
    local c = by_hand [[
      for _, f in ipairs { "start", "stop", "restart", "status" } do
        print(select(2, pcall(supervisor[f], "wbe")))
        print(select(2, pcall(supervisor[f], 7)))
      end
      print(select(2, pcall(supervisor.shutdown, 256)))
    ]]
    for _, f in ipairs { "start", "stop", "restart", "status" } do
      assert.matches(("bad argument 'name' to 'supervisor.%s' (there is no service 'wbe'; did you mean 'web'?)")
        :format(f), c:out(), 1, true)
      assert.matches(("bad argument 'name' to 'supervisor.%s' (string expected, got number)"):format(f), c:out(), 1,
        true)
    end
    assert.matches("an integer from 0 to 255 expected, got 256", c:out(), 1, true)
  end)

  it("supervisor.stop of what could not be started ends it", function()
    local lines, _, code = run('{ name = "web", command = { "/nowhere/at-all" }, restart = 0 }', nil,
      'function on_service(n, s) print(n .. " " .. s) if s == "starting" then supervisor.stop(n) end end')
    assert.equal(0, code)
    assert.same({ "web starting", "web stopping", "web finished" }, lines)
  end)
end)

describe("bad input of supervisor.run", function()
  after_each(container.close_all)

  local function refused(services, message, before_it)
    local out, err, code = script.run(TELL .. (before_it or "") .. "supervisor.run " .. services)
    assert.equal(125, code)
    assert.equal("", out)
    assert.matches(message, err, 1, true)
  end

  local good = '{ name = "good", command = { "touch", "{folder}/started" } }, '

  for _, row in ipairs {
    { "no table", "()", "bad argument 'services' to 'supervisor.run' (table expected, got no value)" },
    { "no service", "{}", "at least one service expected" },
    { "a service that is no table", "{ 5 }", "bad argument '[1]' to 'supervisor.run' (table expected, got number)" },
    { "no name", '{ { command = { "true" } } }', "'[1].name'" },
    { "an empty name", '{ { name = "", command = { "true" } } }', "'[1].name'" },
    { "a name with a slash", '{ { name = "a/b", command = { "true" } } }', "'[1].name'" },
    { "a name with a newline", '{ { name = "a\\nb", command = { "true" } } }', "'[1].name'" },
    { "an output that nobody reads", '{ { name = "a", command = { "true" }, stdout = "pipe" } }', "'a.stdout'" },
    { "no command", '{ { name = "a" } }',
      "bad argument 'a.command' to 'supervisor.run' (table expected, got no value)" },
    { "a command that is a text", '{ { name = "a", command = "true" } }', "'a.command'" },
    { "an empty command", '{ { name = "a", command = {} } }', "'a.command' to 'supervisor.run' (it has no words" },
    { "a word that is no text", '{ { name = "a", command = { "true", {} } } }', "'a.command[2]'" },
    { "two of one name", '{ GOOD { name = "good", command = { "true" } } }', "there are two services 'good'" },
    { "an unknown name in after", '{ GOOD { name = "a", command = { "true" }, after = { "goood" } } }',
      "'a' is to start after 'goood', which is no service; did you mean 'good'?" },
    { "after that is a text", '{ GOOD { name = "a", command = { "true" }, after = "good" } }', "'a.after'" },
    { "a service after itself", '{ GOOD { name = "a", command = { "true" }, after = { "a" } } }',
      "the services wait for each other: a after a\n" },
    { "a cycle", '{ GOOD { name = "x", command = { "true" }, after = { "a" } }, '
      .. '{ name = "a", command = { "true" }, after = { "b" } }, '
      .. '{ name = "b", command = { "true" }, after = { "c" } }, '
      .. '{ name = "c", command = { "true" }, after = { "good", "a" } } }',
      "the services wait for each other: a after b after c after a\n" },
    { "an unknown key", '{ GOOD { name = "a", command = { "true" }, restrat = "never" } }',
      "unknown key 'restrat' in 'supervisor.run a'; did you mean 'restart'?" },
    { "an unknown key of the group", '{ GOOD intensty = 3 }', "unknown key 'intensty' in 'supervisor.run'; did you" },
    { "an unknown strategy", '{ GOOD strategy = "one_for_al" }', "did you mean 'one_for_all'?" },
    { "a strategy that is no text", "{ GOOD strategy = 5 }", "string expected, got number" },
    { "a negative intensity", "{ GOOD intensity = -1 }", "'intensity'" },
    { "a fraction as intensity", "{ GOOD intensity = 1.5 }", "'intensity'" },
    { "a period that is a text", '{ GOOD period = "x" }', "'period'" },
    { "an unknown restart text", '{ GOOD { name = "a", command = { "true" }, restart = "alwys" } }',
      "did you mean 'always'?" },
    { "a restart that is a table", '{ GOOD { name = "a", command = { "true" }, restart = {} } }', "'a.restart'" },
    { "a negative number as restart", '{ GOOD { name = "a", command = { "true" }, restart = -1 } }', "'a.restart'" },
    { "an unknown key in backoff", '{ GOOD { name = "a", command = { "true" }, backoff = { intial = 1 } } }',
      "did you mean 'initial'?" },
    { "an unknown key in stop", '{ GOOD { name = "a", command = { "true" }, stop = { sginal = 1 } } }',
      "did you mean 'signal'?" },
    { "an unknown stop signal", '{ GOOD { name = "a", command = { "true" }, stop = { signal = "TREM" } } }',
      "'a.stop.signal'" },
    { "a negative grace", '{ GOOD { name = "a", command = { "true" }, stop = { grace = -1 } } }', "'a.stop.grace'" },
    { "two kinds of readiness",
      '{ GOOD { name = "a", command = { "true" }, ready = { fd = 3, notify = true } } }',
      "exactly one of notify, fd, exec, http, tcp, line and delay expected" },
    { "no kind of readiness", '{ GOOD { name = "a", command = { "true" }, ready = { timeout = 3 } } }',
      "exactly one of" },
    { "readiness on descriptor 1", '{ GOOD { name = "a", command = { "true" }, ready = { fd = 1 } } }',
      "'a.ready.fd'" },
    { "a line that is no pattern", '{ GOOD { name = "a", command = { "true" }, ready = { line = "[" } } }',
      "'a.ready.line' to 'supervisor.run' (it is no pattern" },
    { "an empty probe", '{ GOOD { name = "a", command = { "true" }, ready = { exec = {} } } }', "'a.ready.exec'" },
    { "health without a command", '{ GOOD { name = "a", command = { "true" }, health = { retries = 1 } } }',
      "'a.health.exec'" },
    { "no retries", '{ GOOD { name = "a", command = { "true" }, health = { exec = { "true" }, retries = 0 } } }',
      "'a.health.retries'" },
    { "an unknown when_failed", '{ GOOD { name = "a", command = { "true" }, when_failed = "ignroe" } }',
      "'a.when_failed'" },
    { "a wrong stdin", '{ GOOD { name = "a", command = { "true" }, stdin = print } }',
      "'stdin' to 'supervisor.run a'" },
    { "a wrong stdout", '{ GOOD { name = "a", command = { "true" }, stdout = 5.5 } }',
      "'stdout' to 'supervisor.run a' (\"inherit\", \"null\", \"pipe\", a path" },
    { "a stderr that is a stream of its own", '{ GOOD { name = "a", command = { "true" }, stderr = "stderr" } }',
      "'stderr' to 'supervisor.run a'" },
    { "wrong fds", '{ GOOD { name = "a", command = { "true" }, fds = { x = 1 } } }', "'fds' to 'supervisor.run a'" },
    { "a wrong source in fds", '{ GOOD { name = "a", command = { "true" }, fds = { [5] = "x" } } }',
      "'fds[5]' to 'supervisor.run a'" },
    { "a wrong variable", '{ GOOD { name = "a", command = { "true" }, env = { A = {} } } }', "'env.A'" },
    { "a wrong limit", '{ GOOD { name = "a", command = { "true" }, rlimit = { nofile = "x" } } }', "'rlimit.nofile'" },
    { "a line where both outputs are files", '{ GOOD { name = "a", command = { "true" }, stdout = "out", '
      .. 'stderr = "stdout", ready = { line = "up" } } }',
      "'a.ready.line' to 'supervisor.run' (neither stdout nor stderr is read" },
    { "a line where both outputs are nothing", '{ GOOD { name = "a", command = { "true" }, stdout = "null", '
      .. 'stderr = "null", ready = { line = "up" } } }', "neither stdout nor stderr is read" },
    { "a line whose pattern shows only later that it is wrong",
      '{ GOOD { name = "a", command = { "true" }, ready = { line = "x[a" } } }',
      "'a.ready.line' to 'supervisor.run' (it is no pattern: a '[' has no ']'" },
    { "a wrong type of what spawn takes", '{ GOOD { name = "a", command = { "true" }, cwd = 5 } }', "'cwd'" },
  } do
    it("is told at load: " .. row[1], function()
      refused(row[2]:gsub("GOOD", good), row[3])
    end)
  end

  it("is told at load: a second call", function()
    refused("{ " .. good .. " }", "supervisor.run: it supervises already", "supervisor.run { " .. good .. " }\n")
  end)

  it("starts nothing", function()
    local c = start(good .. '{ name = "a", command = {} }')
    assert.equal(125, c:wait())
    assert.is_nil(c:read "started")
  end)

  it("names the line of the script", function()
    local _, err = run "{ name = 5 }"
    assert.matches("hooks.lua:3:", err, 1, true)
  end)
end)
