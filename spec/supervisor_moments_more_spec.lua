-- The script process is lost at every moment, as in spec/supervisor_moments_spec.lua: what comes before and after a
-- service, what is left of it, one-shots, schedules, COMMAND.

local moments = require "spec.support.moments"

local deaf, lives, server, work = moments.deaf, moments.lives, moments.server, moments.work

local BY_HAND = [[
  function on_signal(name)
    local by_hand = { SIGUSR1 = supervisor.stop, SIGUSR2 = supervisor.restart, SIGWINCH = supervisor.start }
    if by_hand[name] then
      by_hand[name] "db"
      return false
    end
  end]]

local OTHER = [[{ name = "other", command = { "other" } }, ]]

-- A leader that has a child which only KILL ends.
local function with_deaf_kid(before)
  return server(function(process, notes)
    process:spawn { "db-kid" }
    if before then
      before(process, notes)
    end
  end)
end

-- 1, or 2 where the end of it was lost with who had read it.
local function once(run)
  return run.has_lost == "an end" and 2 or 1
end

-- A question that was not answered is asked again, so that what is done by hand can be done twice.
local function by_hand(run)
  return run.moment and 1 or 0
end

local SCENARIOS = {
  -- ---- Before and after. ----
  {
    name = "what comes before and after a service runs once for each life",
    script = [[supervisor.run {
      { name = "db", command = { "db" }, pre_start = { "db-pre" }, post_stop = { "db-post" } },
      { name = "web", command = { "web" }, after = { "db" } } }]],
    programs = { db = server(), web = server(), ["db-pre"] = work(0.2), ["db-post"] = work(0.2) },
    drive = function(run)
      run:await "web starts"
      run:stop()
    end,
    check = function(run)
      run:expect_starts_within("db-pre", 1, once(run))
      run:expect_starts_within("db-post", 1, once(run))
      run:expect_order("db-pre is done", "db starts", "web starts", "web ends", "db is asked", "db ends")
      run:expect_order("db-post starts", "db-post is done")
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a pre_start that fails is a failed start",
    script = [[supervisor.run { { name = "db", command = { "db" }, pre_start = { "db-pre" }, post_stop = { "db-post" },
      backoff = { initial = 0.3 } } }]],
    programs = { db = server(), ["db-pre"] = lives(work(0.2, 3), work(0.1)), ["db-post"] = work(0.1) },
    drive = function(run)
      run:await "db starts"
      run:stop()
    end,
    check = function(run)
      run:expect_starts_within("db-pre", 2, 1 + once(run))
      run:expect_starts_within("db-post", 2, 1 + once(run))
      run:expect_starts { db = 1 }
      run:expect_order("db-pre is done", "db-post starts", "db ends")
      run:expect_order("db-pre is done", "db starts")
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a pre_start that takes too long is stopped, and comes again",
    script = [[supervisor.run { { name = "db", command = { "db" }, pre_start = { "db-pre", timeout = 0.5 },
      backoff = { initial = 0.3 }, stop = { grace = 0.4 } } }]],
    programs = { db = server(), ["db-pre"] = lives(deaf, server(), work(0.1)) },
    drive = function(run)
      run:await "db starts"
      run:stop()
    end,
    check = function(run)
      run:expect_starts_within("db-pre", 3, 2 + once(run))
      run:expect_order("db-pre is asked", "db-pre ends", "db-pre is done", "db starts", "db ends")
      run:expect_starts { db = 1 }
      assert.equal(0, run.code)
    end,
  },
  {
    name = "a post_stop that takes too long is killed, and the service comes again",
    script = [[supervisor.run { { name = "db", command = { "db" }, post_stop = { "db-post", timeout = 0.5 },
      backoff = { initial = 0.3 } } }]],
    programs = { db = lives(work(0.2, 1), server()), ["db-post"] = lives(deaf, work(0.1, 7)) },
    drive = function(run)
      run:await("db starts", 2)
      run:stop()
    end,
    check = function(run)
      run:expect_starts { db = 2 }
      run:expect_starts_within("db-post", 2, 1 + once(run))
      run:expect_order("db is done", "db-post starts", "db ends")
      assert.equal(0, run.code)
    end,
  },

  -- ---- One-shots. ----
  {
    name = "one-shots run once, one after the other, before what needs them",
    script = [[supervisor.run { { name = "one", command = { "one" }, oneshot = true },
      { name = "two", command = { "two" }, oneshot = true, after = { "one" }, pre_start = { "two-pre" } },
      { name = "web", command = { "web" }, after = { "two" } } }]],
    programs = { one = work(0.2), two = work(0.2), ["two-pre"] = work(0.1), web = server() },
    drive = function(run)
      run:await "web starts"
      run.container:advance(1)
      if not run.container:ended() then
        run:stop()
      end
    end,
    check = function(run)
      if run.has_lost == "an end" and not run.notes.starts.web then -- nobody knows how it has ended: it has failed
        run:expect_told((run.notes.starts["two-pre"] and "two" or "one") .. " failed")
      else
        run:expect_starts { one = 1, two = 1, web = 1 }
        run:expect_order("one is done", "two-pre starts", "two-pre is done", "two starts", "two is done", "web starts")
        assert.equal(0, run.code)
      end
    end,
  },

  -- ---- Schedules. ----
  {
    name = "a service that runs each so many seconds does so",
    script = [[supervisor.run { { name = "job", command = { "job" }, schedule = 10 } }]],
    programs = { job = work(1) },
    drive = function(run)
      run.container:advance(35)
      run:stop()
    end,
    check = function(run)
      run:expect_times("job", 10, 20, 30)
      assert.equal(0, run.code)
    end,
  },
}

local MINUTES = 1767225600 + 50 -- ten seconds before a minute is over

local function at_work(overlap, seconds, ...)
  local times = { ... }
  return {
    name = "a schedule that has come while its service is at work: " .. overlap,
    script = ([[supervisor.run { { name = "job", command = { "job" }, schedule = "* * * * *", timezone = "UTC",
      overlap = "%s" }, { name = "other", command = { "other" } } }]]):format(overlap),
    clock = MINUTES, programs = { job = work(seconds), other = server() },
    drive = function(run)
      run.container:advance(225)
      run:stop()
    end,
    check = function(run)
      run:expect_times("job", table.unpack(times))
      if overlap == "skip" and seconds > 60 then
        local _, count = run.container:err():gsub("skipped", "")
        assert(count >= 2, "not told")
      end
      assert.equal(0, run.code)
    end,
  }
end

local function add(scenario)
  SCENARIOS[#SCENARIOS + 1] = scenario
end

add(at_work("skip", 5, 10, 70, 130, 190))
add(at_work("skip", 150, 10, 190))
add(at_work("queue", 85, 10, 95, 180))
add(at_work("kill", 150, 10, 70, 130, 190))

-- ---- What is left of a service. ----

add {
  name = "what is left of a service is killed before it starts again",
  script = BY_HAND .. [[ supervisor.run { { name = "db", command = { "db" }, stop = { grace = 0.5 } } }]],
  programs = { db = with_deaf_kid(), ["db-kid"] = deaf },
  drive = function(run)
    run:await "db-kid starts"
    run.container:advance(0.2)
    run:kill "USR2"
    run:await("db-kid starts", 2)
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    run:expect_starts_within("db", 2, 2 + by_hand(run))
    run:expect_order("db is asked", "db ends")
    assert.equal(0, run.code)
  end,
}

add {
  name = "a child that is known by its descent only is ended with its service",
  script = BY_HAND .. [[ supervisor.run { { name = "db", command = { "db" } } }]],
  programs = {
    db = server(function(process) process:spawn { "db-kid" } end),
    ["db-kid"] = function(process, notes)
      process:set_session()
      process:clear_environment()
      process:on("HUP", false)
      server()(process, notes)
    end,
  },
  drive = function(run)
    run:await "db-kid starts"
    run.container:advance(0.2)
    run:kill "USR2"
    run:await("db-kid starts", 2)
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    run:expect_starts_within("db", 2, 2 + by_hand(run))
    run:expect_order("db is asked", "db ends", "db-kid is asked", "db-kid ends")
    assert.equal(0, run.code)
  end,
}

add {
  name = "what is left of a service is ended before those that it needs are stopped",
  script = [[supervisor.run { { name = "log", command = { "log" } },
    { name = "db", command = { "db" }, after = { "log" }, stop = { grace = 0.5 }, post_stop = { "db-post" } } }]],
  programs = { db = with_deaf_kid(), ["db-kid"] = deaf, ["db-post"] = work(0.1), log = server() },
  drive = function(run)
    run:await "db-kid starts"
    run.container:advance(0.2)
    run:stop()
  end,
  check = function(run)
    run:expect_starts { db = 1, log = 1 }
    run:expect_starts_within("db-post", 1, once(run))
    run:expect_order("db ends", "db-post starts", "db-post is done", "log is asked")
    assert.equal(0, run.code)
  end,
}

-- ---- MAINPID. ----

-- A daemon: its first process names another one, and ends.
local function daemon(process)
  local real = process:spawn { "db-real" }
  process:sleep(0.1)
  process:notify(("MAINPID=%d\nREADY=1"):format(real.pid))
  process:sleep(1)
  process:exit(0)
end

local DAEMON = [[{ name = "db", command = { "db" }, restart = 0.3, ready = { notify = true, timeout = 5 } },
  { name = "web", command = { "web" }, after = { "db" } } }]]

-- A message that a lost process had read is lost with it: then the end of the first process is that of the service.
local function of_daemon(run)
  return run.has_lost and 1 or 0
end

add {
  name = "a service that has named another process as its own is stopped by that",
  script = "supervisor.run { " .. DAEMON,
  programs = { db = daemon, ["db-real"] = server(), web = server() },
  drive = function(run)
    run:await "web starts"
    run.container:advance(2)
    run:stop()
  end,
  check = function(run)
    run:expect_starts_within("db", 1, 1 + of_daemon(run))
    run:expect_starts_within("db-real", 1, 1 + of_daemon(run))
    run:expect_starts { web = 1 }
    run:expect_order("db-real starts", "web starts", "web ends")
    run:expect_order("db-real is asked", "db-real ends")
    assert.equal(0, run.code)
  end,
}

add {
  name = "a service that has named another process as its own comes again when that fails",
  script = "supervisor.run { " .. DAEMON,
  programs = { db = daemon, ["db-real"] = lives(work(2, 3), server()), web = server() },
  drive = function(run)
    run:await("db-real starts", 2)
    run.container:advance(2)
    run:stop()
  end,
  check = function(run)
    run:expect_starts_within("db", 2, 2 + of_daemon(run))
    run:expect_starts_within("db-real", 2, 2 + of_daemon(run))
    run:expect_starts { web = 1 }
    run:expect_order("db-real starts", "web starts", "web ends")
    run:expect_order("db-real is asked", "db-real ends")
    assert.equal(0, run.code)
  end,
}

add {
  name = "a service that has named another process as its own is restarted by hand",
  script = BY_HAND .. " supervisor.run { " .. DAEMON,
  programs = { db = daemon, ["db-real"] = server(), web = server() },
  drive = function(run)
    run:await "web starts"
    run.container:advance(1)
    run:kill "USR2"
    run.container:advance(3)
    run:stop()
  end,
  check = function(run)
    run:expect_starts_within("db", 2, 2 + of_daemon(run) + by_hand(run))
    run:expect_order("db-real starts", "web starts", "web ends")
    run:expect_order("db-real is asked", "db-real ends")
    assert.equal(0, run.code)
  end,
}

add {
  name = "a service ends right after it has named another process as its own",
  script = "supervisor.run { " .. DAEMON,
  programs = {
    db = function(process)
      local real = process:spawn { "db-real" }
      process:sleep(1)
      process:notify(("MAINPID=%d\nREADY=1"):format(real.pid))
      process:exit(0)
    end,
    ["db-real"] = server(), web = server(),
  },
  drive = function(run)
    run:await "web starts"
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    -- Where it has ended while there was no script process, its socket has gone with what was in it.
    run:expect_starts_within("db", 1, run.moment and 2 or 1)
    run:expect_starts { web = 1 }
    run:expect_order("db-real starts", "web starts", "web ends")
    run:expect_order("db-real is asked", "db-real ends")
    assert.equal(0, run.code)
  end,
}

-- ---- Stops in the midst of something. ----

local function stop_in(what, name, seconds)
  return {
    name = "a stop while " .. what,
    script = [[supervisor.run { { name = "log", command = { "log" } },
      { name = "db", command = { "db" }, after = { "log" }, stop = { grace = 1 }, restart = 0.3,
        pre_start = { "db-pre" }, post_stop = { "db-post" } } }]],
    programs = {
      db = with_deaf_kid(function(process) process:sleep(0.5) process:exit(1) end), ["db-kid"] = deaf, log = server(),
      ["db-pre"] = work(0.4), ["db-post"] = work(0.8),
    },
    drive = function(run)
      run:await(name .. " starts")
      run.container:advance(seconds)
      run:stop()
    end,
    check = function(run)
      run:expect_starts { log = 1 }
      if run.has_lost ~= "an end" then -- else nobody knows how pre_start has ended: that is a failed start
        run:expect_starts { db = name == "db-pre" and 0 or 1, ["db-pre"] = 1 }
      end
      run:expect_starts_within("db-post", 1, once(run))
      run:expect_order(name .. " starts", "log is asked", "log ends")
      run:expect_order("db-post is done", "log is asked")
      assert.equal(0, run.code)
    end,
  }
end

add(stop_in("pre_start runs", "db-pre", 0.2))
add(stop_in("the rest of a service is being ended", "db-kid", 0.9))
add(stop_in("post_stop runs", "db-post", 0.3))

add {
  name = "all are restarted together, with all that belongs to them",
  script = [[supervisor.run { strategy = "one_for_all",
    { name = "db", command = { "db" }, stop = { grace = 0.5 }, post_stop = { "db-post" } },
    { name = "app", command = { "app" }, after = { "db" }, restart = 0.3, pre_start = { "app-pre" } } }]],
  programs = {
    db = with_deaf_kid(), ["db-kid"] = deaf, ["db-post"] = work(0.1), ["app-pre"] = work(0.1),
    app = lives(work(0.5, 1), server()),
  },
  drive = function(run)
    run:await("app starts", 2)
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    run:expect_starts { app = 2 }
    run:expect_starts_within("db", 2, 1 + once(run))
    run:expect_order("app is done", "app is asked")
    run:expect_order("db is asked", "db ends", "db-post starts", "db-post is done")
    assert.equal(0, run.code)
  end,
}

-- ---- By hand, in the midst of something. ----

-- The service fails by itself, and its child is left. `signal` is sent while that is being ended, or post_stop runs.
local function in_midst(name, signal, moment, starts)
  return {
    name = name, script = BY_HAND .. [[ supervisor.run { ]] .. OTHER .. [[
      { name = "db", command = { "db" }, stop = { grace = 1 }, restart = 0.3, post_stop = { "db-post" } } }]],
    programs = {
      db = lives(with_deaf_kid(function(process) process:sleep(0.5) process:exit(1) end), server()),
      ["db-kid"] = deaf, ["db-post"] = work(0.8), other = server(),
    },
    drive = function(run)
      run:await(moment == "clearing" and "db-kid starts" or "db-post starts")
      run.container:advance(moment == "clearing" and 0.9 or 0.3)
      run:kill(signal)
      run.container:advance(4)
      run:stop()
    end,
    check = function(run)
      run:expect_starts_within("db", starts, starts + (signal == "USR2" and by_hand(run) or 0))
      run:expect_order("db-kid starts", "db-post starts", "db-post is done")
      assert.equal(0, run.code)
    end,
  }
end

add(in_midst("a stop by hand while the rest is being ended", "USR1", "clearing", 1))
add(in_midst("a restart by hand while the rest is being ended", "USR2", "clearing", 2))
add(in_midst("a stop by hand while post_stop runs", "USR1", "post_stop", 1))
add(in_midst("a restart by hand while post_stop runs", "USR2", "post_stop", 2))

local function in_pre_start(name, signal, starts)
  return {
    name = name, script = BY_HAND .. [[ supervisor.run { ]] .. OTHER .. [[
      { name = "db", command = { "db" }, pre_start = { "db-pre" } } }]],
    programs = { db = server(), ["db-pre"] = lives(server(), work(0.1)), other = server() },
    drive = function(run)
      run:await "db-pre starts"
      run.container:advance(0.3)
      run:kill(signal)
      run.container:advance(3)
      run:stop()
    end,
    check = function(run)
      run:expect_order("db-pre starts", "db-pre is asked", "db-pre ends")
      run:expect_starts_within("db", starts, starts + starts * by_hand(run))
      run:expect_starts_within("db-pre", 1 + starts, 1 + starts + starts * by_hand(run))
      assert.equal(0, run.code)
    end,
  }
end

add(in_pre_start("a stop by hand while pre_start runs", "USR1", 0))
add(in_pre_start("a restart by hand while pre_start runs", "USR2", 1))

-- ---- Reloads. ----

local function removed(name, moment)
  return {
    name = name, script = [[supervisor.run { ]] .. OTHER .. [[
      { name = "db", command = { "db" }, stop = { grace = 1 }, restart = 0.3, post_stop = { "db-post" } } }]],
    programs = {
      db = with_deaf_kid(function(process) process:sleep(0.5) process:exit(1) end),
      ["db-kid"] = deaf, ["db-post"] = work(0.8), other = server(),
    },
    drive = function(run)
      run:await(moment == "clearing" and "db-kid starts" or "db-post starts")
      run.container:advance(moment == "clearing" and 0.9 or 0.3)
      run:reload("supervisor.run { " .. OTHER .. " }")
      run.container:advance(3)
      assert.is_nil(run:find "db-kid")
      assert.is_nil(run:find "db-post")
      run:stop()
    end,
    check = function(run)
      run:expect_starts { db = 1, other = 1 }
      run:expect_told "db finished"
      if moment == "post_stop" then
        run:expect_order("db-post starts", "db-post is done")
      end
      assert.equal(0, run.code)
    end,
  }
end

add(removed("a script that is loaded anew, without a service whose rest is being ended", "clearing"))
add(removed("a script that is loaded anew, without a service whose post_stop runs", "post_stop"))

add {
  name = "a script that is loaded anew, with more for a service that runs",
  script = "supervisor.run { " .. OTHER .. [[ { name = "db", command = { "db" } } }]],
  programs = { db = server(), other = server(), ["db-pre"] = work(0.1), ["db-post"] = work(0.1) },
  drive = function(run)
    run:await "db starts"
    run.container:advance(0.5)
    run:reload(BY_HAND .. " supervisor.run { " .. OTHER .. [[
      { name = "db", command = { "db" }, pre_start = { "db-pre" }, post_stop = { "db-post" } } }]])
    run.container:advance(1)
    run:kill "USR2"
    run:await("db starts", 2)
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    run:expect_starts_within("db", 2, 2 + by_hand(run))
    run:expect_starts_within("db-pre", 1, once(run) + by_hand(run))
    run:expect_starts_within("db-post", 2, 1 + once(run) + by_hand(run))
    run:expect_starts { other = 1 }
    assert.equal(0, run.code)
  end,
}

add {
  name = "a script that is loaded anew, without a service that has a child which is known by its descent only",
  script = "supervisor.run { " .. OTHER .. [[ { name = "db", command = { "db" } } }]],
  programs = {
    db = server(function(process) process:spawn { "db-kid" } end), other = server(),
    ["db-kid"] = function(process, notes)
      process:set_session()
      process:clear_environment()
      process:on("HUP", false)
      server()(process, notes)
    end,
  },
  drive = function(run)
    run:await "db-kid starts"
    run.container:advance(0.5)
    run:reload("supervisor.run { " .. OTHER .. " }")
    run.container:advance(3)
    assert.is_nil(run:find "db-kid")
    run:stop()
  end,
  check = function(run)
    run:expect_starts { db = 1, ["db-kid"] = 1, other = 1 }
    run:expect_order("db is asked", "db ends", "db-kid is asked", "db-kid ends")
    run:expect_told "db finished"
    assert.equal(0, run.code)
  end,
}

add {
  name = "a script that is loaded anew, without the pre_start that runs",
  script = "supervisor.run { " .. OTHER .. [[ { name = "db", command = { "db" }, pre_start = { "db-pre" } } }]],
  programs = { db = server(), other = server(), ["db-pre"] = server() },
  drive = function(run)
    run:await "db-pre starts"
    run.container:advance(0.5)
    run:reload("supervisor.run { " .. OTHER .. [[ { name = "db", command = { "db" } } }]])
    run:await "db starts"
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    run:expect_order("db-pre is asked", "db-pre ends", "db starts", "db is asked")
    run:expect_starts { db = 1, other = 1, ["db-pre"] = 1 }
    assert.equal(0, run.code)
  end,
}

add {
  name = "a script that is loaded anew, without the post_stop that runs",
  script = BY_HAND .. " supervisor.run { " .. OTHER .. [[
    { name = "db", command = { "db" }, post_stop = { "db-post" } } }]],
  programs = { db = server(), other = server(), ["db-post"] = server() },
  drive = function(run)
    run:await "db starts"
    run.container:advance(0.5)
    run:kill "USR2"
    run:await "db-post starts"
    run:reload("supervisor.run { " .. OTHER .. [[ { name = "db", command = { "db" } } }]])
    run:await("db starts", 2)
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    run:expect_starts_within("db", 2, 2 + by_hand(run))
    assert.equal(0, run.code)
  end,
}

add {
  name = "a script that is loaded anew, with a schedule for a service that runs, and without it again",
  script = "supervisor.run { " .. OTHER .. [[ { name = "job", command = { "job" } } }]],
  programs = { other = server(), job = lives(work(5), work(5), server()) },
  drive = function(run)
    run:await "job starts"
    run.container:advance(0.5)
    run:reload("supervisor.run { " .. OTHER .. [[ { name = "job", command = { "job" }, schedule = 10 } }]])
    run.container:advance(14)
    run:reload("supervisor.run { " .. OTHER .. [[ { name = "job", command = { "job" }, schedule = 20 } }]])
    run.container:advance(5) -- until 19.5: the second run is over, and the third would come at 20
    run:reload("supervisor.run { " .. OTHER .. [[ { name = "job", command = { "job" } } }]])
    run.container:advance(1)
    run:stop()
  end,
  check = function(run)
    run:expect_starts { other = 1, job = 3 }
    assert.equal(0, run.code)
  end,
}

add {
  name = "a script that is loaded anew, with another schedule",
  script = [[supervisor.run { { name = "job", command = { "job" }, schedule = 1000 } }]],
  programs = { job = work(1) },
  drive = function(run)
    run.container:advance(5)
    run:reload [[supervisor.run { { name = "job", command = { "job" }, schedule = "* * * * *", timezone = "UTC" } }]]
    run.container:advance(95)
    run:stop()
  end,
  clock = MINUTES,
  check = function(run)
    run:expect_times("job", 10, 70)
    assert.equal(0, run.code)
  end,
}

-- ---- COMMAND. ----

local function command_scenario(name, cmd, drive, code, list)
  return {
    name = name, command = { "cmd" }, script = "supervisor.run { { name = \"db\", command = { \"db\" } }, "
      .. (list or "{ name = \"app\", command = { \"app\" }, after = { \"db\" } }") .. " }",
    programs = { db = server(), app = server(), cmd = cmd, setup = work(0.2) },
    drive = drive,
    check = function(run)
      if run.has_lost == "an end" and run.notes.starts.setup and not run.notes.starts.cmd then
        return run:expect_told "setup failed"
      end
      run:expect_starts { cmd = 1, db = 1 }
      run:expect_order("db starts", "cmd starts", "cmd ends", "db is asked", "db ends")
      run:expect_told "main running"
      assert.equal(code, run.code)
    end,
  }
end

local function stop_at_command(run)
  run:await "cmd starts"
  run.container:advance(0.3)
  if not run.container:ended() then
    run:stop()
  end
end

local function ending_with(seconds, code)
  return function(process, notes)
    process:sleep(seconds)
    notes:add "cmd ends"
    process:exit(code)
  end
end

local function nothing() end

add(command_scenario("COMMAND begins once, and is stopped first", server(), stop_at_command, 0))
add(command_scenario("COMMAND ends by itself, and its exit code counts", ending_with(0.5, 5), nothing, 5))
add(command_scenario("COMMAND that ends at once begins once", ending_with(0.01, 5), nothing, 5))
add(command_scenario("COMMAND begins after those that the list names", server(), stop_at_command, 0,
  [[{ name = "setup", command = { "setup" }, oneshot = true }, { main = true, after = { "db", "setup" } }]]))

describe("wherever the script process is lost,", function()
  for _, scenario in ipairs(SCENARIOS) do
    it(scenario.name, function()
      moments.lose_once(scenario)
    end)

    it(scenario.name .. ", and the next one soon after it", function()
      moments.lose_twice(scenario, 2) -- half of them, in half of the time
    end)
  end
end)
