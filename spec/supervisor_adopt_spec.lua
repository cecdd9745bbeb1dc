-- The script process is lost or replaced: the services live on, and the next script process goes on with them.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local virtual = require "spec.support.virtual"
local script = require "spec.support.script".over(virtual)

local replace = script.replace

-- Tells every state, and the states of all at a start; USR1 reloads, USR2 prints the status.
local HEAD = [[
  local supervisor = require "reaper.supervisor"
  local function list()
    local words = {}
    for _, s in ipairs(supervisor.status()) do
      words[#words + 1] = ("%s=%s:%s:%d"):format(s.name, s.state, s.pid, s.restarts)
    end
    return table.concat(words, " ")
  end
  function on_start(_, again) print("start", again, list()) end
  function on_service(name, state, detail) print(name, state, detail) end
  function on_signal(name)
    if name == "SIGUSR1" then reaper.reload() return false end
    if name == "SIGUSR2" then print("status", list()) return false end
  end
]]

local function start(services, options)
  return script.start(HEAD .. "supervisor.run{" .. services .. "}", options)
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

-- The lines after the last start.
local function tail(c)
  return c:out():match(".*\n(start\t.*)$") or c:out()
end

local function state_of(c, name)
  local out = c:out()
  local from = #out
  c:kill("USR2")
  local line = c:until_true(function()
    return c:out():sub(from + 1):match("status\t([^\n]*)\n")
  end, 10, "the status")
  return line:match("%f[%w]" .. name .. "=(%w+):(%w+):(%d+)")
end

-- Kills the script process and waits for the next one.
local function crash(c)
  local before = count(c:out(), "start\tcrash")
  script.kill_script(c)
  c:until_true(function()
    return count(c:out(), "start\tcrash[^\n]*\n") > before
  end, 10, "the next script process")
  return c:out():match(".*start\tcrash\t([^\n]*)\n")
end

local function await(c, name, state)
  local pid, restarts
  c:until_true(function()
    local now
    now, pid, restarts = state_of(c, name)
    return now == state
  end, 10, name .. " to be " .. state)
  return pid, tonumber(restarts)
end

local TWO = [[
  { name = "db", command = { "sleep", "1000" } },
  { name = "web", command = { "sleep", "1001" }, after = { "db" } },
]]

describe("services whose policy was killed", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("run on under the next one with their pids, and stop in order", function()
      local c = start(TWO, { mode = mode })
      c:expect("web\trunning")
      local db, web = await(c, "db", "running"), await(c, "web", "running")
      for _ = 1, 3 do
        assert.equal(("db=running:%s:0 web=running:%s:0"):format(db, web), crash(c))
      end
      assert.equal(2, #select(2, c:find("sleep")))
      assert.equal(2, count(c:out(), "\tstarting"))
      c:kill("TERM")
      assert.equal(0, c:wait())
      assert.matches("^start\tcrash[^\n]*\nweb\tstopping\tnil\nweb\tfinished\t[^\n]*\n"
        .. "db\tstopping\tnil\ndb\tfinished\t[^\n]*\n$", tail(c))
    end)
  end)

  it("are each started once, at whatever moment that happens", function()
    local services = {}
    for i = 1, 12 do
      services[i] = ([[ { name = "s%d", command = { "sleep", "%d" }, ready = { delay = 0.05 } %s } ]])
        :format(i, 1000 + i, i > 1 and (", after = { 's%d' }"):format(i - 1) or "")
    end
    local c = start(table.concat(services, ","))
    for round = 1, 5 do
      c:expect(("s%d\tstarting"):format(2 * round))
      crash(c)
    end
    await(c, "s12", "running")
    local words = {}
    for _, process in ipairs(select(2, c:find("sleep"))) do
      words[#words + 1] = process.args:match("sleep (%d+)")
    end
    table.sort(words)
    assert.equal("1001 1002 1003 1004 1005 1006 1007 1008 1009 1010 1011 1012", table.concat(words, " "))
    c:kill("TERM")
    assert.equal(0, c:wait())
    local last = 13
    for number in c:out():gmatch("s(%d+)\tfinished") do
      assert.equal(last - 1, tonumber(number))
      last = tonumber(number)
    end
    assert.equal(1, last)
  end)

  it("are restarted by the next one with their history and counts", function()
    local c = start([[
      { name = "a", command = { "sleep", "1000" }, restart = function(event)
        print("event", event.restarts, #event.history, event.status)
        return 0.1
      end },
    ]])
    for round = 1, 3 do
      await(c, "a", "running")
      assert.matches("^a=running:%d+:" .. round - 1 .. "$", crash(c))
      c:kill("KILL", c:find("sleep").pid)
      c:expect(("event\t%d\t%d\tsignal SIGKILL\n"):format(round - 1, round - 1))
    end
    await(c, "a", "running")
    assert.equal(4, count(c:out(), "a\tstarting"))
  end)

  local endings = {
    { "exit 3", "exit 3", "backoff" }, { "kill -9 $$", "signal SIGKILL", "backoff" },
    { "exit 0", "exit 0", "finished" },
  }
  for _, row in ipairs(endings) do
    it("and that died meanwhile with " .. row[2] .. " are judged by that", function()
      local c = start(([[
        { name = "a", command = { "sh", "-c", "while test ! -e {folder}/go; do sleep 0.01; done; %s" },
          backoff = { initial = 60 } },
        { name = "b", command = { "sleep", "1000" } },
      ]]):format(row[1]))
      c:expect("b\trunning")
      c:kill("STOP", c:find("reaper-script").pid)
      script.touch(c, "go")
      c:until_true(function() return not c:find("sh") end, 5, "the end of a")
      script.kill_script(c)
      c:expect("start\tcrash\t[^\n]*\na\t" .. row[3] .. "\t" .. row[2])
      assert.equal(1, count(c:out(), "a\t" .. row[3]))
      assert.equal(row[3], (state_of(c, "a")))
    end)
  end

  it("are not started again when they had finished, and those that need them start", function()
    local c = start([[
      { name = "setup", command = { "true" }, restart = "on-failure" },
      { name = "slow", command = { "sleep", "1000" }, after = { "setup" }, ready = { exec = { "test", "-e",
        "{folder}/go" }, interval = 0.05 } },
      { name = "web", command = { "sleep", "1001" }, after = { "setup", "slow" } },
    ]])
    c:expect("slow\tstarting")
    assert.matches("^setup=finished:nil:0 slow=starting:%d+:0 web=waiting:nil:0$", crash(c))
    script.touch(c, "go")
    await(c, "web", "running")
    assert.equal(1, count(c:out(), "setup\tstarting"))
    assert.equal(1, count(c:out(), "slow\tstarting"))
  end)

  it("go on with their pause where it was", function()
    local c = start([[
      { name = "a", command = { "sh", "-c", "exit 3" }, restart = function(event)
        return event.restarts == 0 and 1.5 or nil
      end },
    ]])
    c:expect("a\tbackoff")
    assert.equal("a=backoff:nil:0", crash(c))
    assert.equal("a=backoff:nil:0", crash(c))
    assert.equal(3, c:wait())
    assert.equal(2, count(c:out(), "a\tstarting"))
    assert.matches("a\tfailed\texit 3", c:out())
  end)

  it("are judged as a failed start when their command does not exist", function()
    local c = start([[ { name = "a", command = { "/nowhere/at/all" }, restart = function() return 0.5 end } ]])
    c:expect("a\tbackoff")
    crash(c)
    c:expect("start\tcrash.*a\tstarting\tnil\n"
      .. "a\tbackoff\tcannot run \"/nowhere/at/all\": No such file or directory; again")
    c:kill("TERM")
    assert.equal(0, c:wait())
  end)

  local HELD = "while test ! -e {folder}/go; do sleep 0.01; done; "
  local kinds = { -- descriptors are handed over by the real engine once
    { "exec", [[exec = { "test", "-e", "{folder}/go" }, interval = 0.05]], "exec sleep 1000" },
    { "line", [[line = "^ready"]], HELD .. "echo ready; exec sleep 1000" },
    { "fd", [[fd = 5]], HELD .. "echo >&5; exec sleep 1000", is_handed_over = true },
    { "notify", [[notify = true]], HELD .. container.helper .. " notify READY=1; exec sleep 1000",
      is_handed_over = true },
    { "delay", [[delay = 1.5]], "exec sleep 1000" },
  }
  for _, kind in ipairs(kinds) do
    for _, way in ipairs { "crash", "reload" } do
      it(("become ready (%s) under the next one, after a %s"):format(kind[1], way), function()
        local c = start(([[ { name = "a", command = { "sh", "-c", %q }, ready = { timeout = 20, %s } },
          { name = "b", command = { "sleep", "1001" }, after = { "a" } } ]]):format(kind[3], kind[2]),
          { mode = kind.is_handed_over and way == "crash" and "init" or nil })
        c:expect("a\tstarting")
        local pid = await(c, "a", "starting")
        for round = 1, way == "crash" and 2 or 1 do
          if way == "crash" then
            assert.equal(("a=starting:%s:0 b=waiting:nil:0"):format(pid), crash(c), "round " .. round)
          else
            c:kill("USR1")
            c:expect(("start\treload\ta=starting:%s:0 b=waiting:nil:0\n"):format(pid))
          end
        end
        assert.is_nil(c:out():find("a\trunning", 1, true))
        script.touch(c, "go")
        assert.equal(pid, (await(c, "a", "running")))
        await(c, "b", "running")
        assert.equal(1, count(c:out(), "a\tstarting"))
        assert.equal(1, count(c:out(), "a\trunning"))
      end)
    end
  end

  -- Each says so once.
  local says = {
    { "READY=1", "notify = true", container.helper .. " notify READY=1" }, { "a newline", "fd = 5", "echo >&5" },
  }
  for _, row in ipairs(says) do
    local service = ([[ { name = "a", command = { "sh", "-c", %q }, ready = { %s } } ]])
      :format(HELD .. row[3] .. " && touch {folder}/sent; exec sleep 1000", row[2])

    it("that say " .. row[1] .. " while there is no script process are ready under the next one", function()
      local c = start(service)
      local pid = await(c, "a", "starting")
      for _ = 1, 4 do -- the next one comes later and later
        crash(c)
      end
      script.kill_script(c)
      c:until_true(function() return not c:find("reaper-script") end, 5, "the end of the script process")
      script.touch(c, "go")
      c:until_true(function() return c:read("sent") end, 5, "the message")
      assert.is_nil(c:find("reaper-script"))
      c:expect("start\tcrash\ta=starting:[^\n]*\na\trunning")
      assert.equal(pid, (await(c, "a", "running")))
    end)

    it("that say " .. row[1] .. " while the script is loaded anew are ready", function()
      local c = start(service .. [[} function on_reload() -- it reads nothing meanwhile
        os.execute "touch {folder}/go; while test ! -e {folder}/sent; do sleep 0.01; done"
      end print{]], { mode = "init" })
      local pid = await(c, "a", "starting")
      c:kill("USR1")
      c:expect("start\treload\t")
      assert.equal(pid, (await(c, "a", "running")))
      assert.equal(1, count(c:out(), "a\trunning"))
    end)
  end

  -- A script's own child of the same name, which is no service.
  local TWIN = [[} function on_start(_, again)
    print("start", again, list())
    if not again then
      reaper.after(0, function()
        while supervisor.status "a".state ~= "%s" do reaper.sleep(0.01) end
        print("twin", reaper.spawn { "sleep", "2000", name = "a" }.pid)
      end)
    end
  end print{]]
  for _, row in ipairs {
    { "runs", "sleep 1000", "running" }, { "has finished", "exit 0", "finished" },
    { "is between two starts", "exit 1", "backoff" },
    { "waits", "sleep 1000", "waiting", 'after = { "b" }' },
  } do
    it("are not taken for a child of the script with the name of one that " .. row[1], function()
      local c = start(([[ { name = "a", command = { "sh", "-c", "%s" }, backoff = { initial = 1000, max = 1000 }, %s },
        { name = "b", command = { "sleep", "1001" }, ready = { delay = 1000, timeout = 2000 } } ]])
        :format(row[2], row[4] or "") .. TWIN:format(row[3]))
      c:expect("twin\t%d+\n")
      local state, pid = state_of(c, "a")
      assert.equal(row[3], state)
      for _ = 1, 2 do
        assert.matches(("%%f[%%w]a=%s:%s:0"):format(state, pid), crash(c))
      end
      c:kill("TERM")
      assert.equal(0, c:wait())
      assert.is_nil(tail(c):find("a\trunning", 1, true))
    end)
  end

  it("are not taken for such a child when they have ended meanwhile", function()
    local c = start(([[ { name = "a", command = { "sh", "-c", %q }, restart = 1000 } ]]):format(HELD .. "exit 3")
      .. TWIN:format("running"))
    c:expect("twin\t%d+\n")
    c:kill("STOP", c:find("reaper-script").pid)
    script.touch(c, "go")
    c:until_true(function() return not c:find("sh") end, 5, "the end of a")
    script.kill_script(c)
    c:expect("start\tcrash\t[^\n]*\na\tbackoff\texit 3")
    assert.equal("backoff", (state_of(c, "a")))
  end)

  it("are not started when they wait for supervisor.start", function()
    local c = start([[ { name = "extra", command = { "sleep", "1000" }, autostart = false },
      { name = "leaf", command = { "sleep", "1001" }, after = { "extra" } },
      { name = "b", command = { "sleep", "1002" } } ]]
      .. [[} reaper.on("on_signal", function(name)
        if name == "SIGWINCH" then supervisor.start "extra" return false end
      end) print{]])
    local pid = await(c, "b", "running")
    assert.equal(("extra=finished:nil:0 leaf=waiting:nil:0 b=running:%s:0"):format(pid), crash(c))
    c:kill("WINCH")
    pid = await(c, "extra", "running")
    await(c, "leaf", "running")
    assert.matches(("^extra=running:%s:0 leaf=running:"):format(pid), crash(c))
  end)

  it("that are not ready in time fail in the time that was left", function()
    local c = start([[ { name = "a", command = { "sleep", "1000" }, restart = "never",
      ready = { line = "never", timeout = 2 } } ]])
    local at = c:until_true(function() return c:out():find("a\tstarting") and script.clock(c) end)
    for _ = 1, 3 do
      crash(c)
    end
    assert.equal(1, c:wait())
    assert.matches("a\tstopping\tnot ready within 2 s\na\tfailed", c:out())
    assert.truthy(script.clock(c) - at <= 2 + (c.now and 0.01 or 3 * container.slow))
  end)

  it("and that are being stopped go on to stop, each in its turn and within one grace", function()
    local c = start([[
      { name = "db", command = { "sleep", "1000" } },
      { name = "web", command = { "sh", "-c", "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done" },
        after = { "db" }, stop = { grace = 2.5 } },
    ]])
    c:expect("up\n")
    await(c, "web", "running")
    c:kill("TERM")
    c:expect("asked\n")
    local at = script.clock(c)
    assert.matches("^db=running:%d+:0 web=stopping:%d+:0$", crash(c))
    assert.matches("^db=running:%d+:0 web=stopping:%d+:0$", crash(c))
    assert.equal(0, c:wait())
    assert.equal(1, count(c:out(), "asked\n"))
    assert.matches("web\tfinished\tstopped by SIGKILL after 2%.5 s of grace\n"
      .. "db\tstopping\tnil\ndb\tfinished\tsignal SIGTERM\n$", c:out())
    assert.truthy(script.clock(c) - at <= 2.5 + (c.now and 0.01 or 2 * container.slow))
  end)

  it("and one that was stopped by name stays so", function()
    local c = start([[ { name = "a", command = { "sleep", "1000" } }, { name = "b", command = { "sleep", "1001" } } ]]
      .. [[} reaper.on("on_signal", function(name)
        if name == "SIGWINCH" then supervisor.stop "a" return false end
      end) print{]])
    await(c, "a", "running")
    await(c, "b", "running")
    c:kill("WINCH")
    c:expect("a\tfinished")
    crash(c)
    assert.equal("finished", (state_of(c, "a")))
    assert.equal("running", (state_of(c, "b")))
  end)

  it("and that are restarted together still wait for each other", function()
    local c = script.start(HEAD .. [[ supervisor.run{ strategy = "one_for_all",
      { name = "a", command = { "sleep", "1000" }, backoff = { initial = 0.1, jitter = 0 } },
      { name = "b", command = { "sh", "-c", "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done" },
        stop = { grace = 2.5 } } } ]])
    c:expect("up\n")
    await(c, "a", "running")
    c:kill("KILL", c:find("sleep").pid)
    c:expect("asked\n")
    crash(c)
    c:expect("b\twaiting[^\n]*\n.*b\trunning", 15)
    assert.matches("b\twaiting[^\n]*\na\tstarting", tail(c))
  end)

  it("and whose failure an on_service hook has not survived still end the container", function()
    local c = script.start([[
      local supervisor = require "reaper.supervisor"
      function on_start(_, again) print("start", again) end
      function on_service(name, state)
        print(name, state)
        if state == "failed" then
          os.execute("kill -9 " .. io.open("/proc/self/stat"):read "n")
        end
      end
      supervisor.run{ { name = "a", command = { "sh", "-c", "exit 7" }, restart = "never" },
        { name = "b", command = { "sleep", "1000" } } } ]], { mode = "init" })
    assert.equal(7, c:wait(20))
    assert.matches("a\tfailed\n.*start\tcrash\n", c:out())
  end)
end)

describe("services whose script is loaded anew", function()
  after_each(container.close_all)

  local OLD = [[
    { name = "keep", command = { "sleep", "1000" } },
    { name = "gone", command = { "sleep", "1001" }, after = { "keep" } },
    { name = "other", command = { "sleep", "1002" } },
    { name = "once", command = { "true" }, restart = "on-failure" },
  ]]
  local NEW = [[
    { name = "once", command = { "true" }, restart = "on-failure" },
    { name = "other", command = { "sleep", "1003" } },
    { name = "keep", command = { "sleep", "1000" }, stop = { signal = "INT" } },
    { name = "fresh", command = { "sleep", "1004" }, after = { "other" } },
  ]]

  container.each_mode(function(mode)
    it("are stopped, started, restarted or left as they are", function()
      local c = start(OLD, { mode = mode })
      local keep, other = await(c, "keep", "running"), await(c, "other", "running")
      await(c, "gone", "running")
      await(c, "once", "finished")
      replace(c, HEAD .. "supervisor.run{" .. NEW .. "}")
      c:kill("USR1")
      c:expect("start\treload")
      await(c, "fresh", "running")
      assert.equal(keep, (await(c, "keep", "running")))
      local pid, restarts = await(c, "other", "running")
      assert.are_not.equal(other, pid)
      assert.equal(0, restarts)
      assert.matches("other\tstopping\tits command has changed\n.*other\twaiting[^\n]*\nother\tstarting.*fresh\t",
        c:out())
      c:until_true(function()
        local words = {}
        for _, process in ipairs(select(2, c:find("sleep"))) do
          words[#words + 1] = process.args:match("sleep (%d+)")
        end
        table.sort(words)
        return table.concat(words, " ") == "1000 1003 1004"
      end, 10, "the three that are left")
      assert.equal("finished", (state_of(c, "once")))
      assert.equal(1, count(c:out(), "once\tstarting"))
      c:kill("TERM")
      assert.equal(0, c:wait())
      assert.matches("fresh\tfinished.*other\tstopping", tail(c))
      assert.matches("keep\tfinished\tsignal SIGINT", tail(c))
    end)
  end)

  it("stay as they are when it does not load", function()
    local c = start(OLD)
    local keep = await(c, "keep", "running")
    local gone = await(c, "gone", "running")
    for _, text in ipairs { "supervisor.run{", HEAD .. "supervisor.run{ { name = 'x' } }", "error 'oops'" } do
      replace(c, text)
      local before = count(c:err(), "the old script stays")
      c:kill("USR1")
      c:until_true(function() return count(c:err(), "the old script stays") > before end, 10, "the refusal")
    end
    assert.equal(keep, (await(c, "keep", "running")))
    c:kill("KILL", c:until_true(function()
      for _, process in ipairs(select(2, c:find("sleep"))) do
        if tostring(process.nspid) == gone then return process end
      end
    end).pid)
    c:expect("gone\tbackoff.*gone\trunning")
    assert.is_nil(c:out():find("reload", 1, true))
  end)

  it("are each started once, whatever happens in between", function()
    local c = start(OLD)
    await(c, "gone", "running")
    for round = 1, 5 do
      replace(c, HEAD .. "supervisor.run{" .. (round % 2 == 1 and NEW or OLD) .. "}")
      c:kill("USR1")
      c:until_true(function() return count(c:out(), "start\treload[^\n]*\n") == round end, 10, "reload " .. round)
      if round % 2 == 0 then
        crash(c)
      end
    end
    for _, name in ipairs { "fresh", "keep", "other" } do
      await(c, name, "running")
    end
    c:until_true(function() return #select(2, c:find("sleep")) == 3 end, 10, "three services")
    assert.equal(1, count(c:out(), "keep\tstarting"))
  end)

  it("have their probes no more", function()
    local c = start([[ { name = "a", command = { "sleep", "1000" },
      ready = { exec = { "sleep", "500" } } } ]])
    c:until_true(function() return #select(2, c:find("sleep")) == 2 end, 10, "the probe")
    replace(c, HEAD .. [[supervisor.run{ { name = "a", command = { "sleep", "1000" } } }]])
    c:kill("USR1")
    c:expect("a\trunning")
    c:until_true(function() return #select(2, c:find("sleep")) == 1 end, 10, "the end of the probe")
    assert.equal(1, count(c:out(), "a\tstarting"))
  end)
end)

describe("a storm of reloads", function()
  after_each(container.close_all)

  it("loses no end of a service, and takes no start for one", function()
    local c = script.start([[
      local supervisor = require "reaper.supervisor"
      local list = {}
      for i = 1, 20 do
        list[i] = { name = "s" .. i, command = { "sh", "-c", "sleep 0.1; kill -KILL $$" }, restart = function(event)
          if event.status.signal == "SIGKILL" then
            return 0
          end
          print("wrong", event.name, event.status)
          return nil, "nobody knows its end"
        end }
      end
      supervisor.run(list)
      reaper.after(0.03, reaper.reload)
      function on_start() print "start" end
    ]], { mode = "init" })
    c:until_true(function()
      return c:out():find "wrong" or select(2, c:out():gsub("start\n", "")) >= 60
    end, 60, "60 reloads")
    assert.is_nil(c:out():find "wrong", c:out())
    c:kill "TERM"
    assert.equal(0, c:wait())
  end)
end)
