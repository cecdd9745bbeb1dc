-- What holds in every engine. "bare" is an image of /reaper-lua and /helper alone, "box" has busybox, too.

local expect = require "spec.container.expect"
local shell = require "spec.container.shell"

local quote, equal, has, quick = shell.quote, expect.equal, expect.has, expect.quick

return function(engine, check, cannot)
  local function can_limit(output)
    if output:find "discarded" then
      cannot(output:match "[^\n]*discarded[^\n]*")
    end
  end

  check("the Dockerfile of the README", function()
    local code, output = engine:run "readme exit 3"
    equal(3, code, output)
    has(output, "\tapp\tmain\texit 3\nnothing is left, exit code 3")
  end)

  for _, case in ipairs {
    { "-- /helper exit 0", 0 },
    { "-- /helper exit 3", 3 },
    { "-- /helper crash segv", 139 },
    { "-- /helper crash kill", 137 },
    { "-e 3 -- /helper exit 3", 0 },
    { "-e 3:7 -- /helper exit 3", 7 },
    { "-- /no/such", 127, "reaper%-lua: .*/no/such" },
    { "-- /text", 126, "reaper%-lua: .*/text" },
    { "--no-such", 125, "reaper%-lua: .*no%-such" },
    { "/no/such.lua", 125, "reaper%-lua: .*/no/such%.lua" },
  } do
    check(("exit code of %s"):format(case[1]), function()
      local code, output = engine:run("bare /reaper-lua " .. case[1])
      equal(case[2], code, output)
      has(output, case[3] or "")
    end)
  end

  check("stop sends TERM and is quick", function()
    local id = engine:start "bare /reaper-lua -- /helper signals"
    engine:expect(id, "ready")
    local seconds, code = engine:stop(id, 20)
    quick(seconds)
    equal(0, code)
    has(engine:must("logs " .. id), "got 15\n")
  end)

  check("stop ends a command that has no handler", function()
    local id = engine:start "box /reaper-lua -v -- /bin/sleep 1000"
    engine:expect(id, "main child %d+ started")
    local seconds, code = engine:stop(id, 20)
    quick(seconds)
    equal(143, code)
  end)

  -- The helper is a static server; nothing else is in the image that could ask it.
  for _, case in ipairs {
    { "http", "http://localhost:8080/healthz", "< GET /healthz HTTP/1%.1" },
    { "tcp", "127.0.0.1:8080", "db running" },
  } do
    check(("an image from scratch whose service is ready by %s"):format(case[1]), function()
      local id = engine:start("bare /reaper-lua -x " .. quote(([[
        function on_service(name, state, detail) print(name .. " " .. state .. " " .. tostring(detail)) end
        require "reaper.supervisor".run { {
          name = "db", command = { "/helper", "serve", "4", "8080", "say", "HTTP/1.1 200 OK\r\n\r\n" },
          ready = { %s = "%s", interval = 0.1, timeout = 20 }, health = { %s = "%s", interval = 0.1 },
        } }]]):format(case[1], case[2], case[1], case[2])))
      engine:expect(id, "db running")
      engine:expect(id, case[3])
      local seconds, code = engine:stop(id, 20)
      quick(seconds)
      equal(0, code)
    end)
  end

  check("stop kills an orphan that ignores TERM after the grace", function()
    local id = engine:start("box /reaper-lua -t 1 -- /bin/sh -c " .. quote
      [[setsid sh -c 'trap "" TERM; echo deaf; while :; do sleep 1; done' & exec /helper signals]])
    engine:expect(id, "deaf")
    engine:expect(id, "ready")
    local seconds, code = engine:stop(id, 20)
    quick(seconds)
    equal(0, code)
    has(engine:must("logs " .. id), "the grace period of 1 s is over")
  end)

  check("kill -s reaches the command", function()
    local id = engine:start "bare /reaper-lua -- /helper signals"
    engine:expect(id, "ready")
    for name, number in pairs { USR1 = 10, HUP = 1, INT = 2, WINCH = 28, ["RTMIN+3"] = 37, RTMAX = 64 } do
      engine:must(("kill -s %s %s"):format(name, id))
      engine:expect(id, ("got %d\n"):format(number))
    end
  end)

  check("Ctrl-C on the terminal reaches the command", function()
    local screen = engine:terminal "bare /reaper-lua -- /helper signals --exit-on INT"
    screen:see "ready"
    screen:type "\3"
    screen:see "got 2"
    equal(0, screen:wait())
  end)

  check("a shell on the terminal has job control", function()
    local screen = engine:terminal "-e 'PS1=READY> ' box /reaper-lua -- /bin/sh -i"
    screen:see "READY> "
    screen:type "echo be''gun; cat\n" -- what is typed is shown, too, and not seen
    screen:see "begun\r\n"
    screen:type "typed\n"
    screen:see "typed\r\ntyped\r\n"
    screen:type "\26"
    screen:see "Stopped"
    screen:see "READY> "
    screen:type "fg\n"
    screen:see "fg\r\ncat\r\n"
    screen:type "again\n"
    screen:see "again\r\nagain\r\n"
    screen:type "\3"
    screen:see "READY> "
    screen:type "echo code $?\n"
    screen:see "code 130"
    screen:type "exit 5\n"
    equal(5, screen:wait())
  end)

  check("orphans of exec are reaped", function()
    local id = engine:start "box /reaper-lua -w -- /helper hold"
    local code, output = engine(("exec %s /bin/sh -c %s"):format(id, quote
      "for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.2 >/dev/null 2>&1 &); done; exit 4"))
    equal(4, code, output)
    engine:expect(id, ("reaped orphan %d+ %(sleep%).*"):rep(9))
    engine:await_no_zombie(id)
  end)

  check("stop is quick while an exec runs", function()
    local id = engine:start "box /reaper-lua -v -- /bin/sleep 1000"
    engine:expect(id, "main child %d+ started")
    engine:must(("exec --detach %s /bin/sleep 2000"):format(id))
    engine:find(id, "the exec", function(process)
      return process.comm == "sleep" and process.parent == 0
    end)
    local seconds, code = engine:stop(id, 20)
    quick(seconds)
    equal(143, code)
  end)

  check("read-only, without capabilities, as nobody", function()
    local script = [[
      function on_reap(_, status) print("reaped", status) end
      function on_start()
        print("spawned", (reaper.run { "/helper", "exit", "4" }))
        assert(reaper.spawn { "/helper", "hold" })
        reaper.exit(3)
      end]]
    local code, output = engine:run("--read-only --cap-drop=ALL --security-opt no-new-privileges --user 65534:65534 "
      .. "bare /reaper-lua -x " .. quote(script))
    equal(3, code, output)
    has(output, "reaped\texit 4")
    has(output, "spawned\texit 4")
    has(output, "reaped\tsignal SIGTERM")
  end)

  check("the limit of processes, reached and left again", function()
    local script = [[
      local function sleeper() return reaper.spawn { "/helper", "hold" } end
      function on_start()
        local sleepers, child, message, errno = {}, nil, nil, nil
        repeat
          child, message, errno = sleeper()
          sleepers[#sleepers + 1] = child
        until not child or #sleepers == 100
        print("full", message, errno)
        sleepers[1]:kill "KILL"
        sleepers[1]:wait()
        print("room", (assert(sleeper())).pid)
        print("full again", sleeper())
        reaper.exit(7)
      end]]
    local code, output = engine:run("--pids-limit 12 bare /reaper-lua -x " .. quote(script))
    can_limit(output)
    equal(7, code, output)
    has(output, "full\t[^\n]*\t11\nroom\t%d+\nfull again\tnil")
  end)

  check("a death by the memory limit", function()
    local script = [[
      function on_reap(_, status, _, info)
        print(info.comm, status, "oom", info.oom)
        if info.main then print("fine", (reaper.run { "/helper", "exit", "4" })) end
      end]]
    local code, output = engine:run("--memory 40m box /reaper-lua -x " .. quote(script)
      .. " -- /bin/dd if=/dev/zero of=/dev/null bs=80M count=1")
    can_limit(output)
    equal(137, code, output)
    has(output, "dd\tsignal SIGKILL\toom\ttrue\n")
    has(output, "fine\texit 4\n")
  end)

  check("--restart on-failure", function()
    local FORMAT = "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}"
    local failing = engine:start "--restart on-failure:2 bare /reaper-lua -- /helper exit 3"
    local fine = engine:start "--restart on-failure:2 bare /reaper-lua -- /helper exit 0"
    engine:await(failing, FORMAT, "2 exited 3", 20)
    engine:await(fine, FORMAT, "0 exited 0")
  end)

  check("as the engine's own init (--init)", function()
    local code, output = engine:run(("--init %s box /bin/sh -c %s"):format(engine.init, quote
      "/proc/1/exe --version; (sleep 0.1 &); sleep 0.3; ps -o stat,comm; exit 3"))
    equal(3, code, output)
    has(output, "^reaper%-lua %d")
    if output:find "\nZ" then
      error("a zombie is left\n" .. output)
    end
  end)

  check("not process 1, in another's process namespace", function()
    local first = engine:start "bare /helper hold"
    local id = engine:start(("--pid container:%s box /reaper-lua -w -- /bin/sh -c %s"):format(first, quote
      "(sleep 0.2 &); (sleep 1000 &); exec /helper signals"))
    engine:expect(id, "reaped orphan %d+ %(sleep%)")
    local seconds, code = engine:stop(id, 20)
    quick(seconds)
    equal(0, code)
    equal("running", engine:inspect(first, "{{.State.Status}}"))
  end)

  check("-P holds a process namespace for others", function()
    local first = engine:start "bare /reaper-lua -P -w"
    local id = engine:start(("--pid container:%s box /bin/sh -c %s"):format(first, quote
      "(sleep 0.2 &); exec /helper hold"))
    engine:expect(first, "reaped orphan %d+ %(sleep%)")
    engine:await_no_zombie(id)
    quick((engine:stop(first, 20)))
  end)
end
