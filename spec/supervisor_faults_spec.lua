-- reaper.supervisor: what goes wrong with one service is its own affair, and is told as it was.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local virtual = require "spec.support.virtual"
local scripts = require "spec.support.script"
local support = require "spec.support.services"

local TELL = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail) print(name, state, detail) end
]]

local sleeper, shell = support.sleeper, support.shell
local run, start = support.below(TELL, virtual)
local _, start_real = support.below(TELL)

local function lines_with(lines, state)
  local list = {}
  for _, line in ipairs(lines) do
    list[#list + 1] = line:find("\t" .. state .. "\t", 1, true) and line or nil
  end
  return list
end

describe("a service that cannot be started any more", function()
  after_each(container.close_all)

  -- The file is closed once all run; then work ends, and with it what is restarted together.
  local function with_closed_file(mode, list, more)
    local c = start_real(list, { mode = mode }, [[
      reaper.on("on_start", function(_, again)
        print("start", again)
        while supervisor.status "work".state ~= "running" do reaper.sleep(0.01) end
        file:close()
        io.open("{folder}/go", "w"):close()
      end)
      reaper.every(0.05, function() print "tick" end)
    ]] .. (more or ""))
    return c
  end

  local WORK = "while ! test -e {folder}/go; do sleep 0.02; done; exit 3"

  container.each_mode(function(mode)
    it("since its stdout has been closed leaves all others alone, and the stop as well", function()
      local c = with_closed_file(mode, 'period = (function() file = io.open("{folder}/out", "w") return 5 end)(),\n'
        .. shell("work", WORK, "restart = 0.3, stdout = file") .. sleeper "other")
      c:expect "work\tbackoff\texit 3; again in 0%.3 s\n"
      c:expect "work\tbackoff\t[^\n]*'stdout' to 'supervisor%.run work'[^\n]*got a closed file%); again in 0%.3 s\n"
      c:expect "work\tbackoff\t[^\n]*closed file.*work\tbackoff\t[^\n]*closed file"
      assert.equal(1, select(2, c:out():gsub("start\t", "")))
      assert.is_nil(c:err():find("the script process ended", 1, true))
      c:kill "TERM"
      assert.equal(0, c:wait())
      assert.matches("other\tstopping\tnil\n.*other\tfinished\tsignal SIGTERM\n", c:out())
    end)
  end)

  it("since its descriptors have been closed fails as one that was not executed, also what needs another", function()
    local c = with_closed_file("init", 'period = (function() file = io.open("{folder}/out", "w") return 5 end)(),\n'
      .. shell("work", WORK, "restart = 0.1")
      .. sleeper("needs", 'after = { "work" }, fds = { [5] = file }, restart = function() end, when_failed = "ignore"')
      .. sleeper "other" .. 'strategy = "rest_for_one"')
    c:expect "needs\tfailed\t[^\n]*'fds%[5%]' to 'supervisor%.run needs'[^\n]*closed file"
    assert.is_nil(c:err():find("the script process ended", 1, true))
    c:kill "TERM"
    assert.equal(0, c:wait())
  end)
end)

describe("what a service ended for", function()
  after_each(container.close_all)

  -- The policy prints what it sees, and gives up at the second end.
  local POLICY = [[function(event)
    print("policy", event.reason, event.stopped, event.status)
    if event.restarts == 1 then return nil, "enough" end
    return 0.1
  end]]

  local function ends(service, options)
    local lines, err, code = run(service, options)
    local seen = {}
    for _, line in ipairs(lines) do
      seen[#seen + 1] = line:match "^policy\t(.*)$"
    end
    return seen, lines, code, err
  end

  it("is a readiness that does not come", function()
    local seen, lines, code = ends(shell("db", "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done",
      "restart = " .. POLICY .. ", ready = { fd = 3, timeout = 0.5 }"))
    local why = "not ready within 0.5 s"
    assert.same({ why .. "\ttrue\texit 0", why .. "\ttrue\texit 0" }, seen)
    assert.same({ "db\tstopping\t" .. why, "db\tstopping\t" .. why }, lines_with(lines, "stopping"))
    assert.same({ "db\tbackoff\t" .. why .. "; again in 0.1 s" }, lines_with(lines, "backoff"))
    assert.same({ "db\tfailed\t" .. why .. ": enough" }, lines_with(lines, "failed"))
    assert.equal(1, code)
  end)

  it("is its health, and the KILL when it does not end by itself", function()
    local seen, lines = ends(shell("db", "trap '' TERM; echo up; while :; do sleep 0.02; done", "restart = " .. POLICY
      .. ', stop = { grace = 2 }, health = { exec = { "false" }, interval = 0.1, retries = 2 }'))
    local why = "health: 2 failures: exit 1; stopped by SIGKILL after 2 s of grace"
    assert.same({ why .. "\ttrue\tsignal SIGKILL", why .. "\ttrue\tsignal SIGKILL" }, seen)
    assert.same({ "db\tfailed\t" .. why .. ": enough" }, lines_with(lines, "failed"))
  end)

  it("is what kept it from being started", function()
    local seen, lines, code = ends('{ name = "db", command = { "/nowhere/at-all" }, restart = ' .. POLICY .. " },")
    local why = 'cannot run "/nowhere/at-all": No such file or directory'
    assert.same({ why .. "\tfalse\texit 127", why .. "\tfalse\texit 127" }, seen)
    assert.same({ "db\tfailed\t" .. why .. ": enough" }, lines_with(lines, "failed"))
    assert.equal(127, code)
  end)

  it("is nothing beside the status of an end of its own", function()
    local seen = ends(shell("db", "exit 3", "restart = " .. POLICY))
    assert.same({ "nil\tfalse\texit 3", "nil\tfalse\texit 3" }, seen)
  end)

  it("is in its status, as far as that is one", function()
    local lines = run(shell("db", "exec sleep 100", 'restart = "never", when_failed = "ignore", '
      .. "ready = { fd = 3, timeout = 0.5 }") .. sleeper("web", 'after = { "db" }, when_failed = "ignore"'), nil, [[
      reaper.on("on_service", function(name, state)
        if name ~= "web" then return end
        for _, s in ipairs(supervisor.status()) do print("status", s.name, s.state, s.status, s.detail) end
      end)]])
    assert.same({ "status\tdb\tfailed\tsignal SIGTERM\tnot ready within 0.5 s: it is not to be started again",
      "status\tweb\tfailed\tnil\tdb, which it needs, has failed" }, { table.unpack(lines, #lines - 1) })
  end)

  it("is not known when the script process was lost with it", function()
    local c = start(shell("db", "while ! test -e {folder}/go; do sleep 0.02; done; exit 3",
      "restart = " .. POLICY), { programs = {} })
    c:expect "db\trunning"
    -- It has read of the end, and is lost before it can do anything about it.
    c:watch_calls(function(_, _, process)
      process.is_to_be_lost = process.is_to_be_lost or process.has_read == "an end"
      if process.is_to_be_lost then
        c:watch_calls(function() end)
      end
    end)
    scripts.over(virtual).touch(c, "go")
    c:expect "policy\tnobody has seen how it ended\tfalse\tunknown\n"
    c:expect "db\tbackoff\tnobody has seen how it ended; again in 0.1 s\n"
  end)
end)

describe("a reload", function()
  after_each(container.close_all)

  local script = scripts.over(virtual)

  it("tells of a service that the script does not have any more", function()
    local c = start(sleeper "a" .. sleeper "b")
    c:expect "b\trunning"
    script.replace(c, TELL .. "supervisor.run {" .. sleeper "a" .. "}")
    c:kill "HUP"
    c:expect "b\tstopping\tthe script does not have it any more\n"
    c:expect "b\tfinished\tsignal SIGTERM\n"
    c:err_expect "b: stopping: the script does not have it any more\n"
    c:err_expect "b: finished: signal SIGTERM\n"
    assert.equal(1, select(2, c:out():gsub("a\tstarting", "")))
  end)

  it("tells that it was killed", function()
    local c = start(sleeper "a" .. shell("b", "trap '' TERM; echo up; while :; do sleep 0.02; done",
      "stop = { grace = 1 }"))
    c:expect "up\n"
    script.replace(c, TELL .. "supervisor.run {" .. sleeper "a" .. "}")
    c:kill "HUP"
    c:expect "b\tfinished\tstopped by SIGKILL after 1 s of grace\n"
  end)

  it("tells of one that was between two starts", function()
    local c = start(sleeper "a" .. shell("b", "exit 1", "restart = 1000"))
    c:expect "b\tbackoff"
    script.replace(c, TELL .. "supervisor.run {" .. sleeper "a" .. "}")
    c:kill "HUP"
    c:expect "b\tfinished\tthe script does not have it any more\n"
  end)

  -- Each case is a change of `fds`, or of a stream that is an open file or a descriptor.
  for _, case in ipairs {
    { "another file in fds", 'fds = { [5] = io.open("{folder}/one", "a") }',
      'fds = { [5] = io.open("{folder}/two", "a") }' },
    { "another number in fds", "fds = { [5] = 1 }", "fds = { [6] = 1 }" },
    { "another descriptor in fds", "fds = { [5] = 1 }", "fds = { [5] = 2 }" },
    { "fds that were not there", "", "fds = { [5] = 1 }" },
    { "another file as stdout", 'stdout = io.open("{folder}/one", "a")', 'stdout = io.open("{folder}/two", "a")' },
    { "another descriptor as stdout", "stdout = 1", "stdout = 2" },
    { "the same in all of them", 'fds = { [5] = io.open("{folder}/one", "a"), [6] = 2 }, stdout = 1',
      'fds = { [6] = 2, [5] = io.open("{folder}/one", "a") }, stdout = 1', same = true },
  } do
    it((case.same and "leaves alone what has " or "restarts what has ") .. case[1], function()
      local c = start_real(sleeper("a", case[2]) .. sleeper "b", { mode = "init" })
      c:expect "a\trunning\t.*b\trunning\t"
      scripts.replace(c, TELL .. "supervisor.run {" .. sleeper("a", case[3])
        .. shell("b", "exec sleep 99") .. "}")
      c:kill "HUP"
      c:expect "b\trunning.*b\trunning"
      if not case.same then
        c:expect "a\tstopping\tits command has changed\n"
        c:expect "a\trunning.*a\trunning"
      end
      assert.equal(case.same and 1 or 2, select(2, c:out():gsub("a\tstarting", "")))
    end)
  end
end)

describe("a service that may not be signalled", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is told, and neither a stop by hand nor the container's waits for it", function()
      local c = start_real(sleeper("a", "user = '65534:65534', when_failed = 'ignore'") .. sleeper "b", { mode = mode,
        program = { "setpriv", "--bounding-set=-kill", "--inh-caps=-kill", container.binary } }, [[
        reaper.on("on_start", function()
          while supervisor.status "b".state ~= "running" do reaper.sleep(0.01) end
          print("stop", supervisor.stop "a")
          while supervisor.status "a".state ~= "failed" do reaper.sleep(0.01) end
          print("start", supervisor.start "a")
        end)
      ]])
      c:expect "a\tfailed\tprocess %d+ cannot be stopped: Operation not permitted\n"
      c:expect "start\tnil\ta is failed already\n"
      c:kill "TERM"
      assert.equal(0, c:wait())
      assert.matches("reaper%-lua may not signal process %d+ %(sleep%)", c:err())
      assert.matches("b\tfinished\tsignal SIGTERM\n", c:out())
    end)
  end)
end)
