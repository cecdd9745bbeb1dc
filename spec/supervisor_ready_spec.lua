-- reaper.supervisor: when a service is ready, and whether it is healthy.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local script = require "spec.support.script"
local support = require "spec.support.services"
local virtual = require "spec.support.virtual"

local has_systemd_notify = os.execute "command -v systemd-notify >/dev/null 2>&1"
local notify = container.helper .. " notify"

-- Each change of a state is a line: name, state. Its detail is on stderr.
local TELL = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail)
  print(name .. " " .. state)
  io.stderr:write(name, " ", state, ": ", tostring(detail), "\n")
end
]]

local shell = support.shell
local run, start = support.below(TELL, virtual)

-- A dependant, whose start shows that the service was ready.
local WEB = '{ name = "web", command = { "sleep", "100" }, after = { "db" } },\n'

-- The service does something; only after that it is running, and its dependant starts.
local function comes_up(mode, say, ready)
  local db = shell("db", "sleep 0.3; echo said >> {folder}/said; " .. say .. "; exec sleep 100", "ready = " .. ready)
  local c = start(db .. WEB, { mode = mode }, [[
    local tell = on_service
    function on_service(name, state, detail)
      tell(name, state, detail)
      if name == "db" and state == "running" then
        print(io.open "{folder}/said" and "in time" or "too early")
      end
    end]])
  c:expect "db starting\n.*db running\nin time\nweb starting\nweb running\n"
  c:kill "TERM"
  assert.equal(0, c:wait())
  return c:out()
end

-- A service that never gets ready is a failed start, and comes again as its policy says.
local function is_late(say, ready, why)
  local lines, err, code = run(shell("db", say .. "; exec sleep 100", 'restart = "on-failure:1", ready = ' .. ready)
    .. WEB)
  assert.same({
    "db starting", "db stopping", "db backoff", "db waiting", "db starting", "db stopping", "db failed", "web finished",
  }, lines)
  assert.equal(1, code)
  assert.matches("db stopping: not ready within 0.4 s" .. (why or "") .. "\n", err, 1, true)
end

describe("readiness", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is READY=1 on $NOTIFY_SOCKET", function()
      comes_up(mode, notify .. " READY=1", "{ notify = true }")
    end)

    it("is a newline on a descriptor", function()
      comes_up(mode, "echo >&3", "{ fd = 3 }")
    end)

    it("is a command that ends well", function()
      comes_up(mode, "touch {folder}/up", '{ exec = { "test", "-e", "{folder}/up" }, interval = 0.05 }')
    end)

    it("is a line of output, which comes out as well", function()
      assert.matches("it is up now\n", comes_up(mode, "echo it is up now", '{ line = "is up" }'))
    end)

    it("is a delay", function()
      local c = start(shell("db", "exec sleep 100", "ready = { delay = 0.5 }") .. WEB, { mode = mode },
        'reaper.after(0.2, function() print("at 0.2: " .. supervisor.status "db".state) end)')
      c:expect "at 0.2: starting\n.*db running\nweb starting\n"
    end)
  end)

  describe("by notify", function()
    it("works with systemd-notify, which goes on well", function()
      if not has_systemd_notify then
        return pending "systemd-notify is not installed"
      end
      local c = start(shell("db", "systemd-notify --ready && echo sent; systemd-notify --status=fine && "
        .. "echo sent again; exec sleep 100", "ready = { notify = true }") .. WEB, { mode = "init" })
      c:expect "web running\n"
      c:expect "sent\n.*sent again\n"
      assert.is_nil(c:err():find "Failed")
    end)

    it("finds READY=1 among other lines and messages", function()
      local c = start(shell("db", notify .. " STATUS=busy MAINPID=1 'STATUS=up\nREADY=1\nX=y'; exec sleep 100",
        "ready = { notify = true }"))
      c:expect "db running\n"
    end)

    it("takes nothing else for it", function()
      is_late(notify .. " READY=0 XREADY=1 READY=11 STATUS=READY=1 ''", "{ notify = true, timeout = 0.4 }")
    end)

    it("reads what comes later, so that it is no error for who sends it", function()
      local c = start(shell("db", notify .. " READY=1; sleep 0.3; " .. notify .. " STATUS=x READY=1 STOPPING=1 && "
        .. "echo all sent; exec sleep 100", "ready = { notify = true }"))
      c:expect "all sent\n"
      assert.equal("db starting\ndb running\nall sent\n", c:out())
    end)

    it("keeps the environment of the service", function()
      local c = start(shell("db", "echo $COLOUR; " .. notify .. " READY=1; exec sleep 100",
        'env = { COLOUR = "blue" }, ready = { notify = true }'))
      c:expect "blue\n.*db running\n"
    end)

    it("leaves no descriptor behind in the script process and the engine, however often it starts", function()
      local c = start(shell("db", notify .. " READY=1; exit 1", "restart = 0.01, ready = { notify = true }")
        .. shell("other", "echo >&5; exit 1", "restart = 0.01, ready = { fd = 5 }"), { mode = "init" }, [[
        local function count()
          local n = 0
          for _ in io.popen("ls /proc/$PPID/fd /proc/1/fd"):lines() do n = n + 1 end
          return n
        end
        local first
        local function look()
          if supervisor.status "db".restarts < 3 then return reaper.after(0.05, look) end
          if not first then
            first = count()
          elseif supervisor.status "db".restarts >= 20 then
            return print("more: " .. count() - first)
          end
          reaper.after(0.05, look)
        end
        reaper.after(0, look)]])
      local more = tonumber((c:expect("more: (%-?%d+)\n", 30)))
      assert.is_true(more < 8, more)
    end)
  end)

  describe("by a descriptor", function()
    it("may have another number", function()
      comes_up("init", "echo >&7", "{ fd = 7 }")
    end)

    it("does not come by its end, or by text without a newline", function()
      is_late("printf x >&3; exec 3>&-", "{ fd = 3, timeout = 0.4 }")
    end)
  end)

  describe("by a command", function()
    it("is asked for again after each interval, until it is there", function()
      local c = start(shell("db", "exec sleep 100", 'ready = { exec = { "sh", "-c", '
        .. '"echo asked >> {folder}/asked; test $(wc -l < {folder}/asked) -ge 4" }, interval = 0.05 }'))
      c:expect "db running\n"
      assert.equal("asked\nasked\nasked\nasked\n", c:read "asked")
    end)

    it("does not come by a command that fails, hangs or does not exist", function()
      is_late("true", '{ exec = { "false" }, interval = 0.05, timeout = 0.4 }', ": exit 1")
      is_late("true", '{ exec = { "sleep", "1000" }, timeout = 0.4 }')
      is_late("true", '{ exec = { "/nowhere/at-all" }, interval = 0.05, timeout = 0.4 }',
        ': cannot run "/nowhere/at-all": No such file or directory')
    end)

    it("names the last failure when it is late, and one of this start", function()
      local c = start(shell("db", "exec sleep 100", 'restart = 0.1, ready = { timeout = 0.5, interval = 1000, exec = { '
        .. '"sh", "-c", "if [ -e {folder}/asked ]; then exec sleep 1000; fi; touch {folder}/asked; exit 7" } }'))
      c:err_expect "db stopping: not ready within 0.5 s: exit 7\n.*db stopping: not ready within 0.5 s\n"
    end)

    it("leaves no process behind when it hangs", function()
      local c = start(shell("db", "exec sleep 100", 'restart = false, when_failed = "ignore", '
        .. 'ready = { exec = { "sleep", "1234" }, timeout = 0.3 }') .. shell("other", "exec sleep 100"))
      c:expect "db failed\n"
      c:until_true(function()
        local _, all = c:find "sleep"
        return #all == 1
      end, 5, "the end of the probe")
      assert.equal(0, c:zombies())
    end)
  end)

  describe("by a line", function()
    it("is looked for on stderr, too", function()
      local c = start(shell("db", "echo now it is up >&2; exec sleep 100", 'ready = { line = "^now" }'))
      c:expect "db running\n"
      c:err_expect "now it is up\n"
    end)

    it("goes to the function of its output as well", function()
      local c = start(shell("db", "echo first; echo it is up; echo last; exec sleep 100",
        'ready = { line = "is up" }, stdout = function(line) print("<" .. line .. ">") end'))
      c:expect "<first>\n.*<it is up>\n.*<last>\n"
      c:expect "db running\n"
    end)

    it("does not come by another line", function()
      is_late("echo it is down >&2", '{ line = "is up", timeout = 0.4 }')
    end)
  end)

  describe("that does not come", function()
    it("is a failure even if the service ends well for the stop signal", function()
      local lines, _, code = run(shell("db", "trap 'exit 0' TERM; while :; do sleep 0.02; done",
        "restart = false, ready = { fd = 3, timeout = 0.3 }"))
      assert.matches("^db starting\ndb stopping\n.*db failed$", table.concat(lines, "\n")) -- "clearing", if it slept
      assert.equal(1, code)
    end)

    it("is a failure even if the policy takes that end for a good one", function()
      local lines, _, code = run(shell("db", "exec sleep 100",
        'restart = require "reaper.restart".on_failure { max = 0, ok = { 0, 143 } }, '
        .. "ready = { fd = 3, timeout = 0.3 }"))
      assert.matches("^db starting\ndb stopping\n.*db failed$", table.concat(lines, "\n")) -- "clearing", if it slept
      assert.equal(1, code)
    end)

    it("is no matter when the service has done its work before", function()
      local lines, _, code = run(shell("db", "exit 0", "ready = { fd = 3, timeout = 100 }") .. shell("web", "exit 0",
        'after = { "db" }'))
      assert.same({ "db starting", "db finished", "web starting", "web running", "web finished" }, lines)
      assert.equal(0, code)
    end)

    it("is ended with KILL after the grace", function()
      local lines, _, code = run(shell("db", "trap '' TERM; while :; do sleep 0.02; done",
        "restart = false, stop = { grace = 0.2 }, ready = { fd = 3, timeout = 0.3 }"))
      assert.matches("^db starting\ndb stopping\n.*db failed$", table.concat(lines, "\n")) -- "clearing", if it slept
      assert.equal(1, code)
    end)

    it("may be waited for for ever", function()
      local c = start(shell("db", "sleep 0.5; echo >&3; exec sleep 100", "ready = { fd = 3, timeout = math.huge }"))
      c:expect "db running\n"
    end)
  end)
end)

describe("health", function()
  after_each(container.close_all)

  -- The probe writes a line for each time that it is asked, and is well as long as there are not more than `well`.
  local function probe(well)
    return ('exec = { "sh", "-c", "echo asked >> {folder}/asked; test $(wc -l < {folder}/asked) -le %d" }'):format(well)
  end

  local function asked(c)
    return select(2, (c:read "asked" or ""):gsub("asked\n", ""))
  end

  container.each_mode(function(mode)
    it("that fails `retries` times in a row leads to a restart", function()
      local c = start(shell("db", "exec sleep 100", "restart = 0.1, health = { " .. probe(2)
        .. ", interval = 0.05, retries = 3 }"), { mode = mode })
      c:expect "db starting\ndb running\ndb stopping\ndb backoff\ndb waiting\ndb starting\ndb running\n"
      c:err_expect "db stopping: health: 3 failures: exit 1\n"
    end)
  end)

  it("is asked for as long as the service runs, and no longer", function()
    local c = start(shell("db", "exec sleep 100", "health = { " .. probe(1000) .. ", interval = 0.02 }")
      .. shell("other", "exec sleep 100"), nil,
      'reaper.on("on_service", function(n, s) if n == "db" and s == "finished" then print "no more" end end)\n'
      .. 'reaper.on("on_signal", function(n) if n == "SIGUSR1" then supervisor.stop "db" return false end end)')
    c:until_true(function()
      return asked(c) >= 5
    end)
    c:kill "USR1"
    c:expect "no more\n"
    c:until_true(function()
      local _, probes = c:find "sh"
      return #probes == 0
    end)
    local before = asked(c)
    script.pass(c, 0.2)
    assert.equal(before, asked(c))
  end)

  it("waits an interval before the first time", function()
    local c = start(shell("db", "exec sleep 100", "health = { " .. probe(1000) .. ", interval = 1000 }"), nil,
      'reaper.after(0.4, function() print "later" end)')
    c:expect "later\n"
    assert.equal(0, asked(c))
  end)

  it("begins only when the service is ready", function()
    local c = start(shell("db", "exec sleep 100",
      "ready = { delay = 1000, timeout = math.huge }, health = { " .. probe(0) .. ", interval = 0.02 }"), nil,
      'reaper.after(0.4, function() print "later" end)')
    c:expect "later\n"
    assert.equal(0, asked(c))
  end)

  it("counts a command that takes too long as a failure", function()
    local _, err, code = run(shell("db", "exec sleep 100",
      'restart = "never", health = { exec = { "sleep", "1000" }, interval = 0.05, timeout = 0.1, retries = 2 }'))
    assert.equal(1, code)
    assert.matches("db stopping: health: 2 failures: it took longer than 0.1 s", err, 1, true)
  end)

  it("counts a command that does not exist as a failure", function()
    local _, err, code = run(shell("db", "exec sleep 100",
      'restart = "never", health = { exec = { "/nowhere/at-all" }, interval = 0.05, retries = 1 }'))
    assert.equal(1, code)
    assert.matches("health: 1 failure: [^\n]*/nowhere/at%-all", err)
  end)

  it("counts only failures in a row", function()
    local c = start(shell("db", "exec sleep 100", 'health = { exec = { "sh", "-c", "echo asked >> {folder}/asked; '
      .. 'test $(($(wc -l < {folder}/asked) % 3)) -eq 0" }, interval = 0.02, retries = 3 }'))
    c:until_true(function()
      return asked(c) >= 15
    end, 20)
    assert.equal("db starting\ndb running\n", c:out())
  end)

  it("does not count failures within start_period", function()
    local c = start(shell("db", "exec sleep 100",
      'health = { exec = { "sh", "-c", "echo asked >> {folder}/asked; exit 1" }, interval = 0.02, retries = 1, '
      .. "start_period = 1000 }"))
    c:until_true(function()
      return asked(c) >= 10
    end, 20)
    assert.equal("db starting\ndb running\n", c:out())
  end)

  it("counts them within start_period once it was healthy", function()
    local _, err, code = run(shell("db", "exec sleep 100", 'restart = "never", health = { ' .. probe(2)
      .. ", interval = 0.02, retries = 2, start_period = 1000 }"))
    assert.equal(1, code)
    assert.matches("health: 2 failures: ", err, 1, true)
  end)
end)
