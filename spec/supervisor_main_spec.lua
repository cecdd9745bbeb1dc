-- COMMAND beside services: it is the last one that starts, the first one that is stopped, and its exit code counts.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local virtual = require "spec.support.virtual"
local script = require "spec.support.script".over(virtual)
local support = require "spec.support.services"

local HEAD = [[
local supervisor = require "reaper.supervisor"
function on_start(pid, again) print("on_start", pid, again) end
function on_service(name, state, detail) print(name .. " " .. state, detail or "") end
]]

local _, start = support.below(HEAD, virtual)
local shell, sleeper = support.shell, support.sleeper

local COMMAND = { "sh", "-c",
  "echo COMMAND begins; trap 'echo COMMAND got TERM; exit 9' TERM; while :; do sleep 0.02; done" }

describe("COMMAND beside services", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("begins when all services are ready, and its exit code is the container's", function()
      local c = start(shell("db", "sleep 0.2; echo db up; exec sleep 100", 'ready = { line = "up" }')
        .. shell("migrate", "echo migrated", 'oneshot = true, after = { "db" }') .. sleeper("slow",
          "ready = { delay = 0.3 }"),
        { mode = mode, command = { "sh", "-c", "echo COMMAND begins; exit 4" } })
      assert.equal(4, c:wait())
      assert.matches("on_start\tnil\tnil\n", c:out(), 1, true)
      assert.matches("db running.*migrate finished.*main running", c:out())
      assert.matches("slow running.*main running", c:out())
      assert.matches("migrated\n.*COMMAND begins\n", c:out())
      assert.matches("main failed\texit 4\n.*db stopping", c:out())
    end)

    it("is stopped first, then the services in their order", function()
      local c = start(sleeper "db" .. sleeper("web", 'after = { "db" }'), { mode = mode, command = COMMAND })
      c:expect "COMMAND begins\n"
      c:expect "main running"
      c:kill "TERM"
      assert.equal(9, c:wait())
      assert.matches("COMMAND got TERM\n.*web stopping.*web finished.*db stopping.*db finished", c:out())
    end)

    it("is started by the next script process where one was lost before", function()
      local c = start(sleeper("db", "ready = { delay = 0.5 }"), { mode = mode, command = { "sh", "-c",
        "echo COMMAND begins; exec sleep 100" } })
      c:expect "db starting"
      script.kill_script(c)
      c:expect "on_start\tnil\tcrash\n.*COMMAND begins\n"
      script.kill_script(c)
      c:expect "on_start\t%d+\tcrash\n"
      c:kill "TERM"
      assert.equal(143, c:wait())
      assert.equal(1, select(2, c:out():gsub("COMMAND begins\n", "")))
    end)
  end)

  it("waits for those that the script names, only", function()
    local c = start("{ main = true, after = { 'db' } },\n" .. sleeper("db", "ready = { delay = 2 }")
      .. sleeper("slow", "ready = { delay = 500, timeout = 1000 }"), { command = COMMAND })
    c:expect "COMMAND begins\n"
    assert.is_true(c:now() >= 2 and c:now() < 3)
  end)

  it("does not wait for a service that waits to be started by hand, nor for one with a schedule", function()
    local c = start(sleeper("hand", "autostart = false") .. sleeper("cron", 'schedule = "@yearly"') .. sleeper "db",
      { command = COMMAND })
    c:expect "COMMAND begins\n"
  end)

  it("does not begin when a service that it needs has failed", function()
    local c = start(shell("db", "exit 7", 'restart = "no", ready = { fd = 3 }'), { command = COMMAND })
    assert.equal(7, c:wait())
    assert.is_nil(c:out():find("COMMAND begins", 1, true))
  end)

  it("begins beside a service that may fail", function()
    local c = start(shell("extra", "exit 7", 'restart = "no", when_failed = "ignore"') .. sleeper "db",
      { command = COMMAND })
    c:expect "COMMAND begins\n"
  end)

  it("does not begin when the stop comes first, which is in order, too", function()
    local c = start(sleeper("db", "ready = { delay = 50 }"), { command = COMMAND })
    c:expect "db starting"
    c:kill "TERM"
    assert.equal(143, c:wait())
    assert.matches("db stopping.*db finished", c:out())
    assert.is_nil(c:out():find("COMMAND begins", 1, true))
  end)

  it("stands in supervisor.status, and can be waited for", function()
    local c = start(sleeper "db", { command = COMMAND }, [[
      reaper.after(0, function()
        print("wait", supervisor.wait "main")
        local status = supervisor.status "main"
        print(status.name, status.state, math.type(status.pid), #supervisor.status())
      end)]])
    c:expect "wait\ttrue\nmain\trunning\tinteger\t2\n"
  end)

  it("keeps the container, whatever becomes of the services", function()
    local c = start(shell("db", "exit 0"), { command = COMMAND })
    c:expect "db finished"
    c:advance(5)
    c:kill "TERM"
    assert.equal(9, c:wait())
  end)
end)
