-- sd_notify(3): what a service says on $NOTIFY_SOCKET, who is heard, and the watchdog. What needs no kernel runs in
-- virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local script = require "spec.support.script"
local support = require "spec.support.services"
local virtual = require "spec.support.virtual"

local TELL = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail)
  print(name .. " " .. state)
  io.stderr:write(name, " ", state, ": ", tostring(detail), "\n")
end
]]

local shell = support.shell
local run, start = support.below(TELL, virtual)
local notify = container.helper .. " notify"
local has_systemd_notify = os.execute "command -v systemd-notify >/dev/null 2>&1"

local INIT = { mode = "init" }
local NOTIFY = "ready = { notify = true, timeout = 5 }"

-- A script that gets the name of db's socket and starts a process of its own that sends to it.
local function with_stranger(words, more)
  return ([[
    local function send(name)
      reaper.spawn { %s, env = { NOTIFY_SOCKET = name }, %s }
    end
    supervisor.run { { name = "db", command = { "sh", "-c", "echo $NOTIFY_SOCKET; exec sleep 100" },
      stdout = send, restart = "never", ready = { notify = true, timeout = 1 } } }]]):format(words, more or "")
end

describe("who sends to the notify socket", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("may be the leader, its children, and those whose parents have ended", function()
      for _, command in ipairs {
        "exec " .. notify .. " READY=1 --hold",
        notify .. " READY=1 --hold & wait",
        "( ( " .. notify .. " READY=1 --hold ) & ); exec sleep 100",
        "setsid " .. notify .. " READY=1 --hold & exec sleep 100",
        notify .. " READY=1; exec sleep 100", -- it has ended when the message is read, or is just about to
      } do
        local c = start(shell("db", command, NOTIFY), { mode = mode })
        c:expect "db running\n"
      end
    end)
  end)

  it("is no stranger, who is named once", function()
    local c = script.start(TELL .. with_stranger(('%q, "notify", "READY=1", "READY=1", "--hold"'):format(
      container.helper)), INIT)
    c:err_expect("warning: db: what process %d+ %(spec%-helper%) writes to its notify socket is dropped, "
      .. "since that is no process of it\n")
    c:err_expect "db failed: not ready within 1 s"
    assert.equal(1, select(2, c:err():gsub("is dropped", "")))
  end)

  it("is no other user whose process has ended meanwhile", function()
    local c = script.start(TELL .. with_stranger(('%q, "notify", "READY=1"'):format(container.helper),
      "user = 65534"), INIT)
    c:err_expect "what process %d+ %([%w-]+%) writes to its notify socket is dropped"
    c:err_expect "db failed: not ready within 1 s"
  end)

  it("may be root when its process has ended meanwhile", function()
    local c = start(shell("db", "user=$(id -u); setsid " .. notify .. " READY=1; sleep 100", NOTIFY), INIT)
    c:expect "db running\n"
  end)
end)

describe("a message on the notify socket", function()
  after_each(container.close_all)

  it("may be followed by a barrier, which ends when all before it has been read", function()
    local c = start(shell("db", notify .. " READY=1 --barrier STATUS=x --barrier; exec sleep 100", NOTIFY), INIT)
    c:expect "db running\n.*behind the barrier\nbehind the barrier\n"
  end)

  it("of systemd-notify is heard", function()
    if not has_systemd_notify then
      return pending "systemd-notify is not installed"
    end
    local c = start(shell("db", "systemd-notify --ready --status=fine && echo sent; exec sleep 100", NOTIFY), INIT)
    c:expect "db running\n"
    c:expect "sent\n"
  end)

  it("brings no descriptors in, however many come with it", function()
    local c = start(shell("db", notify .. " --fds 1 X=1 --fds 253 FDSTORE=1 --big 65536 X=2 --fds 0 READY=1 --barrier; "
      .. notify .. " --fds 253 X=3 --barrier; exec sleep 100", NOTIFY), INIT, [[
      local before
      local function count()
        local n = 0
        for _ in io.popen("ls /proc/$PPID/fd"):lines() do n = n + 1 end
        return n
      end
      reaper.on("on_service", function(name, state)
        if state == "starting" then before = count() end
      end)
      function on_signal() print("more: " .. count() - before) return false end]])
    c:expect "behind the barrier\n.*behind the barrier\n"
    c:kill "USR1"
    local more = tonumber((c:expect "more: (%-?%d+)\n"))
    assert.is_true(more < 4, more)
    c:err_expect "warning: db: on its notify socket, a message is dropped: it has more than 4096 bytes\n"
  end)

  it("may be empty, long or strange", function()
    local c = start(shell("db", notify .. " '' --big 100000 \"$(printf '\\377\\033[1m=\\n\\n==\\nREADY')\" READY=1; "
      .. "exec sleep 100", NOTIFY), INIT)
    c:expect "db running\n"
  end)

  it("without end keeps nobody else from his turn", function()
    local c = start(shell("db", notify .. " --flood STATUS=x", "ready = { notify = true, timeout = math.huge }")
      .. shell("other", "exec sleep 100", "ready = { delay = 0.2 }"), INIT, [[
      local count = 0
      reaper.every(0.05, function() count = count + 1 if count == 20 then print "twenty times" end end)]])
    c:expect "other running\n"
    c:expect "twenty times\n"
    c:kill "TERM"
    assert.equal(0, c:wait())
  end)

  it("is read also after a crash and a reload of the script", function()
    local c = start(shell("db", notify .. " READY=1; while [ ! -e {folder}/go ]; do sleep 0.02; done; " .. notify
      .. " STATUS=x --barrier; exec sleep 100", NOTIFY), INIT, "function on_reload() print 'reloaded' end\n"
      .. "function on_signal(name) if name == 'SIGUSR1' then print('here') return false end end")
    c:expect "db running\n"
    local _, scripts = c:find "reaper-script"
    c:kill("KILL", scripts[1].pid)
    c:until_true(function()
      local _, now = c:find "reaper-script"
      return now[1] and now[1].pid ~= scripts[1].pid
    end)
    c:kill "HUP"
    c:expect "reloaded\n"
    local file = assert(io.open(c:file "go", "w"))
    file:close()
    c:expect "behind the barrier\n"
  end)
end)

describe("a status by sd_notify", function()
  after_each(container.close_all)

  it("is the detail of the service until another one comes, or it ends", function()
    local c = start(shell("db", notify .. " 'STATUS=loading 3 of 7'; sleep 1; " .. notify .. " READY=1 STATUS=serving; "
      .. "sleep 1; " .. notify .. " RELOADING=1; sleep 1; " .. notify .. " READY=1; sleep 1; " .. notify .. " STATUS=; "
      .. "sleep 1; exit 3", "restart = 'never', when_failed = 'ignore', " .. NOTIFY)
      .. shell("other", "exec sleep 100"), nil, [[
      for at = 0.5, 5.5 do
        reaper.after(at, function() print(tostring(supervisor.status "db".detail)) end)
      end]])
    c:expect "loading 3 of 7\ndb running\nserving\nserving\nserving\nnil\ndb failed\nexit 3: it is"
  end)
end)

describe("MAINPID", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("names the process whose end is the service's end", function()
      local c = start(shell("db", "sleep 0.5 & " .. notify .. " MAINPID=$! READY=1 --barrier; echo leader ends",
        "restart = 'never', when_failed = 'ignore', " .. NOTIFY) .. shell("other", "exec sleep 100"), { mode = mode })
      c:expect "db running\n.*leader ends\n.*db finished\n"
    end)
  end)

  container.each_mode(function(mode)
    -- The daemon speaks when the first process and the script process that has heard it are gone.
    it("is known to the next script process, which hears and reads the daemon, and sees its end", function()
      local daemon = "until [ -e {folder}/speak ]; do sleep 0.02; done; " .. notify .. " STATUS=serving --barrier; "
        .. "echo the daemon speaks; until [ -e {folder}/end ]; do sleep 0.02; done; exit 7"
      local c = start(shell("db", "sh -c '" .. daemon .. "' & " .. notify .. " MAINPID=$! READY=1 --barrier; exit 0",
        "restart = 'never', when_failed = 'ignore', stdout = function(line) print('read: ' .. line) end, " .. NOTIFY)
        .. shell("other", "exec sleep 100"), { mode = mode }, [[
        function on_signal(name)
          if name == "SIGUSR1" then print(supervisor.status "db".state, supervisor.status "db".detail) return false end
        end]])
      c:expect "db running\n"
      script.kill_script(c)
      script.touch(c, "speak")
      c:expect "read: the daemon speaks\n"
      c:kill "USR1"
      c:expect "running\tserving\n"
      script.touch(c, "end")
      c:expect "db failed\n"
      c:err_expect "db failed: exit 7"
    end)
  end)

  it("is dropped when that is no process of the service", function()
    local c = start(shell("db", notify .. " MAINPID=1 READY=1; exec sleep 100", NOTIFY), INIT)
    c:expect "db running\n"
    c:err_expect "db: on its notify socket, MAINPID=1 is dropped: that is no process of it\n"
  end)
end)

describe("a watchdog", function()
  after_each(container.close_all)

  local WATCHED = "restart = 'never', watchdog = 0.5, " .. NOTIFY

  container.each_mode(function(mode)
    it("that hears nothing in time has the service stopped as not healthy", function()
      local c = start(shell("db", notify .. " READY=1 WATCHDOG=1; exec sleep 100", WATCHED), { mode = mode })
      c:err_expect "db running: nil\ndb stopping: watchdog: no sign of life for 0.5 s\n.*db failed"
    end)
  end)

  it("is content with WATCHDOG=1", function()
    local c = start(shell("db", notify .. " READY=1" .. ("; sleep 0.3; " .. notify .. " WATCHDOG=1"):rep(6)
      .. "; echo all sent; exec sleep 100", WATCHED))
    c:err_expect "db stopping: watchdog: no sign of life for 0.5 s\n"
    c:expect "db running\nall sent\ndb stopping\n"
  end)

  it("gives its interval in the environment, and nobody's pid", function()
    local c = start(shell("db", "echo $WATCHDOG_USEC,$WATCHDOG_PID; " .. notify .. " READY=1; exec sleep 100",
      "watchdog = 2.5, " .. NOTIFY), { mode = "init", env = { WATCHDOG_PID = "1", WATCHDOG_USEC = "7" } })
    c:expect "2500000,\n"
    c = start(shell("db", "echo [$WATCHDOG_USEC]; " .. notify .. " READY=1; exec sleep 100", NOTIFY),
      { mode = "init", env = { WATCHDOG_USEC = "7" } })
    c:expect "%[%]\n"
  end)

  it("begins when the service is ready, and not before", function()
    local c = start(shell("db", "sleep 3; " .. notify .. " READY=1 WATCHDOG=1; exec sleep 100", WATCHED))
    c:expect "db starting\ndb running\ndb stopping\n"
  end)

  it("can be triggered by the service", function()
    local c = start(shell("db", notify .. " READY=1 WATCHDOG=trigger; exec sleep 100", WATCHED))
    c:err_expect "db stopping: watchdog: it has triggered that itself\n"
  end)

  it("takes another interval, or none, from the service", function()
    local c = start(shell("db", notify .. " READY=1 WATCHDOG_USEC=1500000; sleep 1.2; echo lives; exec sleep 100",
      WATCHED))
    c:expect "db running\nlives\n.*db stopping\n"
    c:err_expect "db stopping: watchdog: no sign of life for 1.5 s\n"
    c = start(shell("db", notify .. " READY=1 WATCHDOG_USEC=0; sleep 10; echo lives; exec sleep 100", WATCHED))
    c:expect "db running\nlives\n"
  end)

  it("goes on with its interval in the next script process", function()
    local c = start(shell("db", notify .. " READY=1 WATCHDOG_USEC=300000000; sleep 2; echo lives; exec sleep 100",
      WATCHED), INIT)
    c:expect "db running\n"
    c:kill "HUP"
    c:expect "lives\n"
    assert.is_nil(c:out():find "stopping")
  end)

  it("does not take a script that was blocked for a service that hangs", function()
    local c = start(shell("db", notify .. " READY=1; (sleep 0.3; echo block) & while :; do " .. notify
      .. " WATCHDOG=1; sleep 0.1; done", "stdout = function() os.execute 'sleep 2' print 'awake' end, " .. WATCHED),
      INIT, "reaper.after(4, function() print 'later' end)")
    c:expect "db running\nawake\nlater\n"
  end)
end)

describe("what a service says of itself", function()
  local wrong = {
    { "'db.watchdog'", "watchdog = 0, " .. NOTIFY }, { "'db.watchdog'", "watchdog = '1', " .. NOTIFY },
    { "'db.watchdog'", "watchdog = math.huge, " .. NOTIFY }, { "'db.watchdog'", "watchdog = -1, " .. NOTIFY },
    { "'db.watchdog'", "watchdog = 1e300, " .. NOTIFY }, { "ready = { notify = true } expected", "watchdog = 1" },
    { "ready = { notify = true } expected", "watchdog = 1, ready = { delay = 1 }" },
    { "ready = { notify = true } expected", "watchdog = 1, ready = { notify = false }" },
    { "NOTIFY_SOCKET", "env = { NOTIFY_SOCKET = '/x' }, " .. NOTIFY },
    { "'db.ready.notify'", "ready = { notify = 1 }" },
    { "only exec, http and tcp are tried again", "ready = { notify = true, interval = 1 }" },
    { "exactly one of", "ready = { http = 'http://localhost/', tcp = 'localhost:1' }" },
    { "exactly one of", "health = { exec = { 'true' }, tcp = 'localhost:1' }" },
    { "'db.ready.http' to 'supervisor.run' (the host is a number", "ready = { http = 'http://db/' }" },
    { "'db.health.http' to 'supervisor.run' (plain HTTP only", "health = { http = 'https://localhost/' }" },
    { "'db.health.tcp'", "health = { tcp = 5432 }" }, { "'db.health.tcp'", "health = { tcp = '127.0.0.1' }" },
    { "zero byte", "ready = { tcp = '127.0.0.1:80\\0' }" },
  }
  for _, row in ipairs(wrong) do
    it("is refused at load: " .. row[2], function()
      local _, err, code = run(shell("db", "true", row[2]))
      assert.equal(125, code)
      assert.matches(row[1], err, 1, true)
    end)
  end
end)
