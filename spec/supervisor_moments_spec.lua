-- The script process is lost at every moment: before each of its calls that are seen from outside, in virtual time.
-- Whatever the moment, the next one goes on as if nothing had happened, also where it is lost itself soon afterwards.

local moments = require "spec.support.moments"

local failing, server = moments.failing, moments.server

local CHAIN = [[supervisor.run {
  { name = "db", command = { "db" } },
  { name = "app", command = { "app" }, after = { "db" } },
  { name = "web", command = { "web" }, after = { "app" } } }]]

local THREE = { db = server(), app = server(), web = server() }

local function ends_in_order(run)
  run:expect_order("web is asked", "web ends", "app is asked", "app ends", "db is asked", "db ends")
  assert.equal(0, run.code)
end

local ONE = { "db", "app", "web" }

local function starts_of_all(count)
  local starts = {}
  for _, name in ipairs(ONE) do
    starts[name] = count
  end
  return starts
end

local function notifying(process, notes)
  process:sleep(0.2)
  notes:add(process.comm .. " is ready")
  process:notify "READY=1"
end

local function writing(process, notes)
  process:sleep(0.2)
  notes:add(process.comm .. " is ready")
  process:write(5, "\n")
end

local function printing(process, notes)
  process:sleep(0.2)
  notes:add(process.comm .. " is ready")
  process:print "it is up"
end

local SCENARIOS = {
  {
    name = "three services start and stop in order", script = CHAIN, programs = THREE,
    drive = function(run)
      run:await "web starts"
      run:stop()
    end,
    check = function(run)
      run:expect_starts(starts_of_all(1))
      run:expect_order("db starts", "app starts", "web starts")
      ends_in_order(run)
    end,
  },
  {
    name = "a stop at the very start is one", script = CHAIN, programs = THREE,
    drive = function(run)
      run:await "db starts"
      run:stop()
    end,
    check = function(run)
      run:expect_order("db is asked", "db ends")
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a service fails twice and comes again after its pauses",
    script = [[supervisor.run { { name = "work", command = { "work" }, restart = "on-failure",
      backoff = { initial = 0.5, factor = 2 } }, { name = "db", command = { "db" } } }]],
    programs = { work = failing(1, 0.2, 2), db = server() },
    drive = function(run)
      run:await("work starts", 3)
      run.back_at = run.container:now()
      run:stop()
    end,
    check = function(run)
      run:expect_starts { work = 3, db = 1 }
      local least = 0.2 + 0.5 + 0.2 + 1
      local most = least + (run.again and 0.3 or 0.1) + 1e-6 -- until there is a script process again
      assert(run.back_at >= least - 1e-6 and run.back_at <= most, "back at " .. run.back_at)
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a service fails for good",
    script = [[supervisor.run { { name = "db", command = { "db" } },
      { name = "work", command = { "work" }, restart = "never", after = { "db" } } }]],
    programs = { work = failing(7, 0.2, 1), db = server() },
    drive = function() end,
    check = function(run)
      run:expect_starts { work = 1, db = 1 }
      run:expect_order("work fails", "db is asked", "db ends")
      run:expect_code(7)
      run:expect_told "work failed"
    end,
  },
  {
    name = "a service that fails at once is started as often as it may be",
    script = [[supervisor.run { { name = "work", command = { "work" }, restart = "on-failure:2" },
      { name = "once", command = { "once" }, restart = "never", when_failed = "ignore" },
      { name = "db", command = { "db" } } }]],
    programs = { work = failing(7, 0.01, 9), once = failing(3, 0.02, 9), db = server() },
    drive = function() end,
    check = function(run)
      -- Of a start and an end that two lost processes have read, one after the other, nobody knows.
      local more = run.again and run.has_lost == "an end" and 1 or 0
      for name, count in pairs { work = 3, once = 1, db = 1 } do
        local starts = run.notes.starts[name]
        assert(starts >= count and starts <= count + more, ("%d starts of %s"):format(starts, name))
      end
      run:expect_code(7)
    end,
  },
  {
    name = "a service is started too often",
    script = [[supervisor.run { { name = "work", command = { "work" }, restart = 0.2 },
      { name = "db", command = { "db" } }, intensity = 2, period = 100 }]],
    programs = { work = failing(7, 0.2, 9), db = server() },
    drive = function() end,
    check = function(run)
      run:expect_starts { work = 3, db = 1 }
      run:expect_code(7)
    end,
  },
  {
    name = "a failure that is ignored leaves the others alone, and what needs it fails",
    script = [[supervisor.run {
      { name = "db", command = { "db" } },
      { name = "work", command = { "work" }, restart = "never", when_failed = "ignore", ready = { delay = 5 } },
      { name = "web", command = { "web" }, after = { "work" }, when_failed = "ignore" } }]],
    programs = { work = failing(7, 0.2, 1), db = server(), web = server() },
    drive = function(run)
      run:await "work fails"
      run.container:advance(3)
      run:stop()
    end,
    check = function(run)
      run:expect_starts { work = 1, db = 1, web = 0 }
      run:expect_told "work failed"
      run:expect_told "web failed"
      assert.equal(0, run.code)
    end,
  },
  {
    name = "all are restarted together",
    script = [[supervisor.run { strategy = "one_for_all",
      { name = "db", command = { "db" } },
      { name = "work", command = { "work" }, after = { "db" }, restart = 0.3 },
      { name = "web", command = { "web" }, after = { "work" } } }]],
    programs = { work = failing(1, 0.7, 1), db = server(), web = server() },
    drive = function(run)
      run:await("web starts", 2)
      run:stop()
    end,
    check = function(run)
      run:expect_starts { db = 2, work = 2, web = 2 }
      run:expect_order("work fails", "web is asked", "web ends")
      run:expect_order("work fails", "db is asked", "db ends")
      assert.equal(0, run.code)
    end,
  },
  {
    name = "work that is to be done once is done once, and then the others start",
    script = [[supervisor.run { { name = "setup", command = { "setup" } },
      { name = "web", command = { "web" }, after = { "setup" } } }]],
    programs = { setup = failing(0, 0.2, 9), web = server() },
    drive = function(run)
      run:await "web starts"
      run:stop()
    end,
    check = function(run)
      run:expect_starts { setup = run.has_lost == "an end" and run.notes.starts.setup == 2 and 2 or 1, web = 1 }
      assert.equal(0, run.code)
    end,
  },
  {
    name = "all finish, and the container ends",
    script = [[supervisor.run { { name = "work", command = { "work" }, restart = "never" },
      { name = "db", command = { "db" }, restart = "never" } }]],
    programs = { work = failing(0, 0.2, 9), db = failing(0, 0.3, 9) },
    drive = function() end,
    check = function(run)
      run:expect_starts { work = 1, db = 1 }
      run:expect_code(0)
    end,
  },
  {
    name = "services tell that they are ready",
    script = [[supervisor.run { { name = "db", command = { "db" }, ready = { notify = true, timeout = 5 } },
      { name = "app", command = { "app" }, after = { "db" }, ready = { fd = 5, timeout = 5 } },
      { name = "log", command = { "log" }, after = { "app" }, ready = { line = "up", timeout = 5 } },
      { name = "web", command = { "web" }, after = { "log" } } }]],
    programs = { db = server(notifying), app = server(writing), log = server(printing), web = server() },
    drive = function(run)
      run:await "web starts"
      run.container:advance(6) -- beyond the timeout of one that would not be taken for ready
      run:stop()
    end,
    check = function(run)
      -- A word that a lost process had read is lost with it: then that service is not ready in time, and comes again.
      for _, name in ipairs { "db", "app", "log", "web" } do
        local starts = run.notes.starts[name]
        assert.is_true(starts == 1 or (starts == 2 and run.has_lost ~= nil and run.has_lost ~= "an end"), name)
      end
      run:expect_order("db is ready", "app starts", "app is ready", "log starts", "log is ready", "web starts")
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a probe finds that a service is ready, and leaves nothing behind",
    script = [[supervisor.run {
      { name = "db", command = { "db" }, ready = { exec = { "probe" }, interval = 0.2, timeout = 5 } },
      { name = "web", command = { "web" }, after = { "db" } } }]],
    programs = { db = server(), web = server(), probe = function(process, notes)
      process:sleep(0.05)
      process:exit(notes.starts.probe > 2 and 0 or 1)
    end },
    drive = function(run)
      run:await "web starts"
      run:stop()
    end,
    check = function(run)
      run:expect_starts { db = 1, web = 1 }
      assert.is_true(run.notes.starts.probe >= 3)
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a service that is not healthy is restarted",
    script = [[supervisor.run { { name = "db", command = { "db" }, restart = 0.2,
      health = { exec = { "probe" }, interval = 0.2, retries = 2 } } }]],
    programs = { db = server(), probe = function(process, notes)
      process:exit(notes.starts.db == 1 and 1 or 0)
    end },
    drive = function(run)
      run:await("db starts", 2)
      run.container:advance(1)
      run:stop()
    end,
    check = function(run)
      run:expect_starts { db = 2 }
      assert.equal(0, run.code)
    end,
  },
  {
    name = "what does not end is killed after its grace",
    script = [[supervisor.run { { name = "db", command = { "db" } },
      { name = "deaf", command = { "deaf" }, after = { "db" }, stop = { grace = 1.5 } } }]],
    programs = { db = server(), deaf = function(process)
      process:on("TERM", false)
      process:sleep(1e6)
    end },
    drive = function(run)
      run:await "deaf starts"
      run.container:advance(1)
      run.asked_at = run.container:now()
      run:stop()
    end,
    check = function(run)
      run:expect_starts { db = 1, deaf = 1 }
      local passed = run.container:now() - run.asked_at
      assert(passed >= 1.5 and passed <= 2, "ended after " .. passed)
      run:expect_order("db is asked", "db ends")
      assert.equal(0, run.code)
    end,
  },
  {
    name = "services are stopped, started and restarted by hand", script = CHAIN .. [[
      function on_signal(name)
        local by_hand = { SIGUSR1 = supervisor.stop, SIGUSR2 = supervisor.start, SIGWINCH = supervisor.restart }
        if by_hand[name] then
          by_hand[name] "web"
          return false
        end
      end]],
    programs = THREE,
    drive = function(run)
      run:await "web starts"
      run:kill "USR1"
      run:await "web ends"
      run.container:advance(1)
      run:kill "USR2"
      run:await("web starts", 2)
      run.container:advance(1)
      run:kill "WINCH"
      run:await("web starts", 3)
      run.container:advance(1)
      run:stop()
    end,
    check = function(run)
      -- A question that was not answered is asked again, and a restart that is asked for twice is made twice.
      run:expect_starts { db = 1, app = 1, web = run.moment and run.notes.starts.web == 4 and 4 or 3 }
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a script that is loaded anew leaves, restarts, stops and starts services", script = CHAIN,
    programs = { db = server(), app = server(), web = server(), fresh = server(), newer = server() },
    drive = function(run)
      run:await "web starts"
      run.container:advance(0.5)
      run:reload [[supervisor.run { { name = "db", command = { "db" } },
        { name = "app", command = { "newer" }, after = { "db" } }, { name = "fresh", command = { "fresh" } } }]]
      run:await "fresh starts"
      run:await "newer starts"
      run:await "web ends"
      run.container:advance(1)
      run:stop()
    end,
    check = function(run)
      run:expect_starts { db = 1, app = 1, newer = 1, web = 1, fresh = 1 }
      run:expect_order("app is asked", "app ends", "newer starts", "newer is asked", "newer ends", "db is asked")
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a script shuts everything down with a code of its own", script = CHAIN .. [[
      reaper.on("on_start", function() reaper.after(0.5, function() supervisor.shutdown(42) end) end)]],
    programs = THREE,
    drive = function() end,
    check = function(run)
      run:expect_starts(starts_of_all(1))
      run:expect_order("web is asked", "web ends", "app is asked", "app ends", "db is asked", "db ends")
      assert.equal(42, run.code)
    end,
  },
}

describe("wherever the script process is lost,", function()
  for _, scenario in ipairs(SCENARIOS) do
    it(scenario.name, function()
      moments.lose_once(scenario)
    end)

    it(scenario.name .. ", and the next one soon after it", function()
      moments.lose_twice(scenario)
    end)
  end
end)
