-- A service is more than its first process: what is left of it is ended before it starts again and at the stop, and no
-- process of another service is.

local uv = require "luv"
local container = require "spec.support.container"
local script = require "spec.support.script"
local support = require "spec.support.services"

local HEAD = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail) print(name, state, detail or "") end
function on_signal(name)
  if name == "SIGUSR1" then supervisor.restart "a" return false end
  if name == "SIGUSR2" then supervisor.stop "a" return false end
end
]]

local _, start = support.below(HEAD)
local shell, sleeper = support.shell, support.sleeper

-- True for a process that lives and has that text in its arguments; a sleep has nothing else there.
local function is_one(process, text)
  return process.state ~= "Z" and (process.args == text or not text:find "^sleep " and process.args:find(text, 1, true))
end

local function count(c, text)
  local n = 0
  for _, process in ipairs(c:processes()) do
    n = n + (is_one(process, text) and 1 or 0)
  end
  return n
end

local function await_count(c, text, wanted)
  c:until_true(function()
    return count(c, text) == wanted
  end, 20, ("%d processes '%s'"):format(wanted, text))
end

-- Waits until there is one: a shell becomes it in a moment.
local function pid_of(c, text)
  return c:until_true(function()
    for _, process in ipairs(c:processes()) do
      if is_one(process, text) then
        return process.pid
      end
    end
  end, 20, "a process '" .. text .. "'")
end

-- A port of the loopback that nobody has.
local function free_port()
  local socket = uv.new_tcp()
  assert(socket:bind("127.0.0.1", 0))
  local port = socket:getsockname().port
  socket:close()
  return port
end

-- ---- What a service can leave behind, as shell scripts whose first process goes on. ----

local LEAVINGS = {
  { "a child in its group", "sleep 1001 & exec sleep 2001" },
  { "a child in a group of its own", "set -m; sleep 1001 & set +m; exec sleep 2001" },
  { "a job in a session of its own", "setsid sleep 1001 & exec sleep 2001" },
  { "a daemon by a double fork", "( setsid sh -c 'sleep 1001 & :' & ) ; exec sleep 2001" },
  { "a child without environment in a session of its own", "setsid env -i PATH=$PATH sleep 1001 & exec sleep 2001" },
  { "a child that ignores TERM", "sh -c 'trap \"\" TERM HUP; exec sleep 1001' & exec sleep 2001" },
}

describe("what is left of a service", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, leaving in ipairs(LEAVINGS) do
      it("is ended before it starts again: " .. leaving[1], function()
        local c = start(shell("a", leaving[2], "stop = { grace = 0.5 }") .. sleeper "other", { mode = mode })
        await_count(c, "sleep 1001", 1)
        await_count(c, "sleep 2001", 1)
        local old = pid_of(c, "sleep 1001")
        c:kill "USR1"
        c:expect "a\tclearing\t[^\n]*sleep\n.*a\twaiting\t.*a\trunning"
        await_count(c, "sleep 1001", 1)
        await_count(c, "sleep 2001", 1)
        assert.not_equal(old, pid_of(c, "sleep 1001"))
        c:kill "TERM"
        assert.equal(0, c:wait())
        assert.matches("a\tclearing\t[^\n]*1 process is left: sleep\n.*a\tfinished", c:out())
      end)
    end

    it("is ended when its first process is killed, by group and by environment", function()
      local c = start(shell("a", "sleep 1001 & setsid sleep 1001 & exec sleep 2001", 'restart = "always"'),
        { mode = mode })
      await_count(c, "sleep 1001", 2)
      uv.kill(pid_of(c, "sleep 2001"), "sigkill")
      c:expect "a\tclearing\tsignal SIGKILL; 2 processes are left: sleep, sleep\n.*a\tbackoff\tsignal SIGKILL; again in"
      await_count(c, "sleep 2001", 1)
      await_count(c, "sleep 1001", 2)
    end)

    it("is ended when it has ended by itself", function()
      local c = start(shell("a", "sleep 1001 & exit 0") .. sleeper "other", { mode = mode })
      c:expect "a\tclearing\texit 0; 1 process is left: %l+\n.*a\tfinished\texit 0" -- perhaps before its exec
      assert.equal(0, count(c, "sleep 1001"))
    end)

    it("has the grace of the service before it is killed", function()
      local c = start(shell("a", "sh -c 'trap \"\" TERM HUP; echo up; exec sleep 1001' & read line <&- ; wait",
        "stop = { grace = 0.4 }") .. sleeper "other", { mode = mode })
      c:expect "up\n"
      local begin = uv.hrtime()
      uv.kill(pid_of(c, "read line"), "sigkill")
      c:expect "a\tbackoff"
      local took = (uv.hrtime() - begin) / 1e9
      assert.is_true(took >= 0.4 and took < 5, ("%g s"):format(took))
    end)

    it("gets HUP on a terminal of its own, and nobody else does", function()
      local c = start(shell("a", ("%s pty -- bash --norc -i & "
        .. "sh -c 'trap \"echo worker got TERM; exit 0\" TERM; echo up; "
        .. "while :; do sleep 0.02; done' & exec sleep 2001"):format(container.helper), "stop = { grace = 20 }")
        .. sleeper "other", { mode = mode })
      c:expect "up\n"
      await_count(c, "bash --norc -i", 2) -- with the one that has made its terminal
      await_count(c, "sleep 2001", 1)
      local begin = uv.hrtime()
      uv.kill(pid_of(c, "sleep 2001"), "sigkill")
      c:expect "a\tbackoff"
      assert.is_true((uv.hrtime() - begin) / 1e9 < 10)
      c:expect "worker got TERM\n"
    end)

    it("is left alone where that is wanted", function()
      local c = start(shell("a", "sleep 1001 & exec sleep 2001", 'stop = { rest = "leave" }') .. sleeper "other",
        { mode = mode })
      await_count(c, "sleep 1001", 1)
      c:kill "USR1"
      await_count(c, "sleep 1001", 2)
      assert.is_nil(c:out():find("clearing", 1, true))
    end)

    it("is ended by a script process that comes after one that was lost", function()
      local c = start(shell("a", "sh -c 'trap \"\" TERM HUP; echo up; exec sleep 1001' & exec sleep 2001",
        "stop = { grace = 3 }") .. sleeper "other", { mode = mode })
      c:expect "up\n"
      c:kill "USR2"
      c:expect "a\tclearing"
      script.kill_script(c)
      c:expect "a\tfinished"
      assert.equal(0, count(c, "sleep 1001"))
    end)

    it("is ended, too, when the script does not have the service any more", function()
      local c = start(shell("a", "setsid sleep 1001 & exec sleep 2001") .. sleeper "other",
        { mode = mode })
      await_count(c, "sleep 1001", 1)
      script.replace(c, HEAD .. "supervisor.run {" .. sleeper "other" .. "}")
      c:kill "HUP"
      c:expect "a\tfinished"
      assert.equal(0, count(c, "sleep 1001"))
      assert.equal(0, count(c, "sleep 2001"))
    end)
  end)
end)

describe("the end of what is left", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("never concerns another service, nor what the script has started itself, nor COMMAND", function()
      local c = start(shell("a", "sleep 1001 & exec sleep 2001") .. shell("b", "sleep 3001 & setsid sleep 3002 & wait")
        .. shell("c", "env REAPER_NAME=a sleep 4001 & wait"),
        { mode = mode, command = { "sh", "-c", "REAPER_NAME=a sleep 5001 & wait" } },
        'reaper.spawn { "sleep", "6001", name = "a" }')
      for _, text in ipairs { "1001", "3001", "3002", "4001", "5001", "6001" } do
        await_count(c, "sleep " .. text, 1)
      end
      for _ = 1, 3 do
        c:kill "USR1"
        c:expect "a\twaiting\t.*a\trunning.*$"
        c:expect "a\tclearing"
        await_count(c, "sleep 1001", 1)
      end
      for _, text in ipairs { "3001", "3002", "4001", "5001", "6001" } do
        assert.equal(1, count(c, "sleep " .. text), text)
      end
    end)

    it("finds its own among 2,000 others, and stays quick", function()
      local c = start(shell("a", "setsid sleep 1001 & exec sleep 2001")
        .. ('{ name = "crowd", command = { "%s", "sleepers", "2000" } },\n')
        :format(container.helper), { mode = mode })
      c:expect "ready\n"
      await_count(c, "sleep 1001", 1)
      local before = count(c, "sleepers 2000")
      assert.is_true(before >= 2000, "there are " .. before)
      local begin = uv.hrtime()
      c:kill "USR1"
      c:expect "a\tclearing.*a\trunning"
      assert.is_true((uv.hrtime() - begin) / 1e9 < 3)
      assert.equal(before, count(c, "sleepers 2000"))
    end)
  end)
end)

-- ---- Real programs. ----

local NGINX = [[
local file = assert(io.open("{folder}/nginx.conf", "w"))
file:write("daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log stderr crit; events {}\n"
  .. "http { access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
  .. "fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n"
  .. "server { listen 127.0.0.1:PORT; return 200 \"hello\\n\"; } }\n")
file:close()
]]

describe("a real service", function()
  after_each(container.close_all)

  it("nginx whose master is killed comes back on its port", function()
    local port = free_port()
    local c = script.start(HEAD .. NGINX:gsub("PORT", port) .. [[
      supervisor.run { { name = "web", command = { "nginx", "-p", "{folder}", "-c", "{folder}/nginx.conf" },
        restart = "always", stop = { signal = "QUIT" } } }]], { mode = "init" })
    await_count(c, "worker process", 2)
    for i = 1, 3 do
      uv.kill(pid_of(c, "master process"), "sigkill")
      c:until_true(function()
        return select(2, c:out():gsub("web\tbackoff\tsignal SIGKILL", "")) == i
      end, 20, "the restart")
      await_count(c, "worker process", 2)
    end
    assert.is_nil(c:out():find("web\tbackoff\texit", 1, true)) -- it would be, had the port been taken
  end)

  it("a shell around a server that holds a port starts again", function()
    local port = free_port()
    local c = start(shell("a", ("redis-server --port %d --bind 127.0.0.1 --save '' --daemonize no; echo ended $?")
      :format(port), 'restart = "always", stdout = "null"'), { mode = "init" })
    await_count(c, "redis-server 127.0.0.1", 1)
    local old = pid_of(c, "redis-server 127.0.0.1")
    c:kill "USR1"
    c:expect "a\tclearing[^\n]*redis%-server\n.*a\trunning"
    await_count(c, "redis-server 127.0.0.1", 1)
    assert.not_equal(old, pid_of(c, "redis-server 127.0.0.1"))
  end)

  it("a tree of 40 processes like a browser's is gone when its first process is", function()
    local c = start(shell("a", [[
      for i in 1 2 3 4 5 6 7 8 9 10; do
        sh -c 'sleep 1001 & setsid sleep 1001 & wait' &
        ( setsid sh -c 'sleep 1001 & sleep 1001 & wait' & )
      done
      exec sleep 2001]], 'restart = "always"'), { mode = "init" })
    await_count(c, "sleep 1001", 40)
    await_count(c, "sleep 2001", 1)
    uv.kill(pid_of(c, "sleep 2001"), "sigkill")
    c:expect "a\tclearing\tsignal SIGKILL; 60 processes are left.*a\tbackoff" -- with the 20 shells
    await_count(c, "sleep 1001", 40)
    c:kill "TERM"
    assert.equal(0, c:wait())
  end)
end)
