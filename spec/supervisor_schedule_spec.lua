-- The key `schedule` of a service, in virtual time: the clock of the wall is the specs' own.

local virtual = require "spec.support.virtual"
local support = require "spec.support.services"

local HEAD = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail)
  print(os.date("!%H:%M:%S", os.time()), name, state, detail or "")
end
]]

local _, start = support.below(HEAD, virtual)

local MIDNIGHT = 1767225600 -- 2026-01-01, a Thursday
local shell = support.shell

-- The times at which the service "job" has begun.
local function times_of(c)
  local times = {}
  for time in c:out():gmatch "(%d%d:%d%d:%d%d)\tjob\tstarting" do
    times[#times + 1] = time
  end
  return times
end

local function job(command, keys)
  return shell("job", command, keys .. ', timezone = "UTC"')
end

local function begin(list, clock)
  local c = start(list, { clock = MIDNIGHT + clock })
  c:advance(0.5)
  return c
end

describe("a schedule", function()
  it("runs the service at its times, and the container goes on in between", function()
    local c = begin(job("echo at work", 'schedule = "*/5 * * * *"'), 60)
    assert.equal("", c:out())
    c:advance(11 * 60)
    assert.same({ "00:05:00", "00:10:00" }, times_of(c))
    assert.matches("job\tscheduled\texit 0", c:out(), 1, true)
    c:kill "TERM"
    assert.equal(0, c:wait())
    assert.matches("job\tfinished", c:out(), 1, true)
  end)

  it("may be a number of seconds", function()
    local c = start(shell("job", "exit 0", "schedule = 90"), {})
    c:advance(200)
    local times = times_of(c)
    assert.equal(2, #times)
  end)

  it("of @reboot is one run at each start of the container", function()
    local c = begin(shell("job", "echo once", 'schedule = "@reboot"') .. support.sleeper "other", 0)
    c:advance(86400)
    assert.equal(1, select(2, c:out():gsub("once\n", "")))
    assert.matches("job\tfinished", c:out(), 1, true)
  end)

  it("lets what has failed fail for itself, and comes again", function()
    local c = begin(job("exit 3", 'schedule = "0 * * * *"'), 3000)
    c:advance(2 * 3600)
    assert.same({ "01:00:00", "02:00:00" }, times_of(c))
    assert.matches("warning: job: this run has failed: exit 3", c:err(), 1, true)
  end)

  it("ends the container for a failure where that is asked for", function()
    local c = begin(job("exit 3", 'schedule = "0 * * * *", when_failed = "exit"'), 3000)
    assert.equal(3, c:wait(4000))
  end)

  it("has retries where the policy wants them", function()
    local c = begin(job("exit 3", 'schedule = "0 * * * *", restart = "on-failure:2"'), 3590)
    c:advance(600)
    assert.equal(3, #times_of(c))
    assert.matches("job\tscheduled\texit 3: it was started again 2 times", c:out(), 1, true)
  end)

  it("waits for what it comes after", function()
    local c = begin(support.sleeper("db", "ready = { delay = 100, timeout = 200 }")
      .. job("exit 0", 'schedule = "* * * * *", after = { "db" }'), 0)
    c:advance(240)
    assert.same({ "00:01:40", "00:02:00", "00:03:00", "00:04:00" }, times_of(c))
  end)

  it("is killed in time where it has a timeout", function()
    local c = begin(job("sleep 1000", 'schedule = "0 * * * *", timeout = 30, stop = { grace = 1 }'), 3590)
    c:advance(100)
    assert.matches("01:00:30\tjob\tstopping\tnot finished within 30 s", c:out(), 1, true)
  end)
end)

describe("a run that is still at work when the time comes again", function()
  local function at_work(overlap, work)
    local c = begin(job(work or "sleep 150", ('schedule = "* * * * *", overlap = "%s"'):format(overlap)), 50)
    c:advance(400)
    return c
  end

  it("goes on, and that time is skipped", function()
    local c = at_work "skip"
    assert.same({ "00:01:00", "00:04:00", "00:07:00" }, times_of(c))
  end)

  it("is the default", function()
    local c = begin(job("sleep 150", 'schedule = "* * * * *"'), 50)
    c:advance(400)
    assert.same({ "00:01:00", "00:04:00", "00:07:00" }, times_of(c))
  end)

  it("goes on, and one more run follows at once", function()
    local c = at_work "queue"
    assert.same({ "00:01:00", "00:03:30", "00:06:00" }, times_of(c))
  end)

  it("is ended, and a new one begins", function()
    local c = at_work "kill"
    assert.same({ "00:01:00", "00:02:00", "00:03:00", "00:04:00", "00:05:00", "00:06:00", "00:07:00" }, times_of(c))
  end)
end)

describe("a clock that is set", function()
  local HOURLY = job("exit 0", 'schedule = "0 * * * *"')

  it("forward runs once what was missed", function()
    local c = begin(HOURLY, 1800)
    c:set_clock(5 * 3600)
    c:advance(1)
    assert.equal(1, #times_of(c))
    c:advance(3600)
    assert.equal("06:00:00", times_of(c)[2])
  end)

  it("back by less than three hours does not repeat what has run", function()
    local c = begin(HOURLY, 2 * 3600 - 10)
    c:advance(20)
    assert.same({ "02:00:00" }, times_of(c))
    c:set_clock(-3600)
    c:advance(3600)
    assert.same({ "02:00:00" }, times_of(c))
    c:advance(3600)
    assert.same({ "02:00:00", "03:00:00" }, times_of(c))
  end)

  it("back by more counts as it is", function()
    local c = begin(HOURLY, 10 * 3600 - 10)
    c:advance(20)
    c:set_clock(-5 * 3600)
    c:advance(3600)
    assert.same({ "10:00:00", "06:00:00" }, times_of(c))
  end)

  it("does not change a number of seconds", function()
    local c = begin(shell("job", "exit 0", "schedule = 100"), 0)
    c:set_clock(-50000)
    c:advance(50)
    c:set_clock(100000)
    c:advance(60)
    assert.equal(1, #times_of(c))
  end)
end)

describe("a schedule and those who steer", function()
  local DAILY = job("echo at work", 'schedule = "@daily"')

  local function steer(code)
    local c = start(DAILY .. shell("other", "sleep 1000000"), { clock = MIDNIGHT + 3600 },
      ("function on_signal(name) %s return false end"):format(code))
    c:advance(0.5)
    c:kill "USR1"
    c:advance(10)
    return c
  end

  it("runs at once when it is started by hand, and at its time again", function()
    local c = steer 'print(supervisor.start "job")'
    assert.same({ "01:00:00" }, times_of(c))
    c:advance(86400)
    assert.equal("00:00:00", times_of(c)[2])
  end)

  it("does not run any more when it is stopped, until it is started", function()
    local c = steer [[
      local state = supervisor.status "job".state
      supervisor[state == "finished" and "start" or "stop"] "job"]]
    c:advance(2 * 86400)
    assert.same({}, times_of(c))
    c:kill "USR1"
    c:advance(2 * 86400)
    assert.equal(2, #times_of(c), c:out() .. c:err())
  end)

  it("says when it runs next", function()
    local c = steer 'print(os.date("!next %F %T", supervisor.status "job".next_run))'
    assert.matches("next 2026-01-02 00:00:00\n", c:out(), 1, true)
  end)

  it("goes on after the script process was lost, and runs once what was missed meanwhile", function()
    local c = begin(job("exit 0", 'schedule = "0 * * * *"'), 3590)
    c:advance(20)
    require "spec.support.script".over(virtual).kill_script(c)
    c:advance(3600)
    assert.same({ "01:00:00", "02:00:00" }, times_of(c))
  end)
end)
