-- Where the kernel or a sandbox refuses what spawning is built on, the older ways do.

local container = require "spec.support.container"
local program = require "spec.support.program"
local script = require "spec.support.script"

local sandbox = container.helper:gsub("spec%-helper$", "spec-sandbox")

local SCRIPT = [[
function on_start(_, again)
  if again then
    return
  end
  local child, message = reaper.spawn{ "sh", "-c", "sleep 0.1; exit 7", name = "short" }
  print("spawned", message or child.name)
  print("waited", child:wait())
  print("failed", select(2, reaper.spawn{ "/does/not/exist" }))
  local long = reaper.spawn{ "sleep", "1000", name = "long" }
  print("parent", io.open("/proc/" .. long.pid .. "/stat"):read("a"):match("%) %a (%d+)"), long:alive())
  print("killed", long:kill("TERM"))
  print("ended", tostring(long:wait()))
  print("again", select(3, long:kill("TERM")), long:alive())
  for i = 1, 20 do
    local status = reaper.run{ "sh", "-c", "exit " .. i }
    if status.code ~= i then print("wrong", i, status) end
  end
  print("done")
end
function on_reap(pid, status, _, info) print("reaped", info.name, tostring(status), info.orphan) end
]]

describe("spawning", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for what, promise in pairs {
      ["clone-parent"] = "works by a double fork where CLONE_PARENT is refused",
      ["clone-pidfd"] = "works where CLONE_PIDFD is forbidden",
      ["clone-both"] = "works where CLONE_PIDFD and CLONE_PARENT are forbidden",
      pidfd = "works without pidfds",
      ["pidfd_open=EPERM"] = "works where pidfd_open is forbidden",
      ["pidfd_send_signal=EPERM"] = "works where pidfd_send_signal is forbidden",
      ["pidfd_send_signal=EACCES"] = "works where pidfd_send_signal is denied",
      ["pidfd_send_signal=ENOSYS"] = "works where only pidfd_send_signal is not there",
      ["close_range=EPERM"] = "works where close_range is forbidden",
      ["ioctl=EPERM"] = "works where ioctl is forbidden",
    } do
      it(promise, function()
        local c = container.start { mode = mode, wrap = { sandbox, what, "--" }, script = SCRIPT,
          command = { "sleep", "1000" } }
        c:expect("\ndone\n")
        local out = c:out()
        assert.truthy(out:find("spawned\tshort\n", 1, true), out)
        assert.truthy(out:find("reaped\tshort\texit 7\tfalse\n", 1, true), out)
        assert.truthy(out:find("waited\texit 7\t", 1, true), out)
        assert.truthy(out:find('failed\tcannot run "/does/not/exist": No such file', 1, true), out)
        assert.truthy(out:find("parent\t" .. c.nspid .. "\ttrue\n", 1, true), out)
        assert.truthy(out:find("killed\ttrue\n", 1, true), out)
        assert.truthy(out:find("ended\tsignal SIGTERM\n", 1, true), out)
        assert.truthy(out:find("again\t3\tfalse\n", 1, true), out)
        assert.is_nil(out:find("wrong", 1, true), out)
        assert.is_nil(out:find("exit 127", 1, true), "a child whose exec failed is not told")
        c:kill("TERM")
        assert.equal(143, c:wait())
      end)
    end
  end)
end)

-- A descriptor that reaper-lua inherits, and one that the script opens.
local INHERITS = { "/bin/sh", "-c", 'exec 9</dev/null; exec "$0" "$@"', sandbox, "close-range", "--" }

describe("a kernel without close_range", function()
  after_each(container.close_all)

  it("gives a script process and what it spawns no descriptor that is not theirs", function()
    assert.equal("nil\nfds 0 1 2\n", script.printed([[
      print((io.open "/proc/self/fd/9"))
      kept = assert(io.open "/dev/null")
      local _, _, output = reaper.run{ "]] .. container.helper .. [[", "state", capture = true }
      print(output:match "fds[ %d]*")
    ]], { wrap = INHERITS }))
  end)
end)

local function refused(what, options)
  options.wrap = { sandbox, what, "--" }
  return options
end

describe("where no process can be made", function()
  after_each(container.close_all)

  it("COMMAND is tried again, later and later, until TERM", function()
    local c = container.start(refused("process", { command = { "true" } }))
    for _, delay in ipairs { "0.1", "0.2", "0.4" } do
      c:expect('cannot make a process for "true": Resource temporarily unavailable; trying again in ' .. delay .. " s")
    end
    c:kill("TERM")
    assert.equal(143, c:wait()) -- it never ran
    c:err_expect "SIGTERM before COMMAND could be started"
  end)

  it("a script is not run, and that is told", function()
    local code, out, err = container.run(refused("process", { script = "print 'here'",
      command = { "echo", "there" } }))
    assert.equal("reaper-lua: cannot start the script process: Resource temporarily unavailable\n", err)
    assert.equal("", out)
    assert.equal(125, code)
  end)

  it("reaper.start gives a message, and the program goes on as it was", function()
    local printed = program.printed([[
      local reaper = require "reaper"
      local function blocked() return io.open("/proc/self/status"):read("a"):match "SigBlk:%s*(%x+)" end
      local before = blocked()
      print(reaper.start{})
      print(before == blocked())
    ]], refused("process", {}))
    assert.equal("nil\treaper.start: cannot start the engine: Resource temporarily unavailable\t11\ntrue\n", printed)
  end)
end)

describe("a kernel without signalfd", function()
  it("is none the worse, also where descriptors are polled", function()
    local code, out, err = container.run(refused("signalfd", { command = { "sh", "-c", "sleep 0.1 & echo here" } }))
    assert.same({ 0, "here\n", "" }, { code, out, err })
  end)
end)

describe("where a sandbox forbids", function()
  after_each(container.close_all)

  for _, error in ipairs { "EPERM", "EACCES", "ENOSYS" } do
    it("pwritev2, no line is lost: " .. error, function()
      local code, out, err = container.run(refused("pwritev2=" .. error, { args = { "-v" }, command = { "true" },
        script = [[
          reaper.run{ "sh", "-c", "echo of a service", stdout = reaper.log.lines "web" }
          function on_stop() reaper.log("info", "of the script") end
        ]] }))
      assert.are.same({ 0, "web: of a service\n" }, { code, out })
      assert.matches("reaper%-lua: the main child %d+ started: true\n", err)
      assert.matches("reaper-lua: of the script\n", err, 1, true)
      assert.not_matches("dropped", err)
    end)

    it("rt_sigqueueinfo, a signal that was queued comes without its value: " .. error, function()
      local c = container.start(refused("rt_sigqueueinfo=" .. error, { command = { container.helper, "signals" } }))
      c:expect "ready"
      c:queue("USR1", 5)
      c:expect "got 10\n"
    end)
  end

  it("memfd_create, what the next script process does not know is told, once", function()
    local out, err, code = script.run([[
      require "reaper.supervisor".run { { name = "a", command = { "true" } }, { name = "b", command = { "true" } } }
    ]], refused("memfd_create=EPERM", {}))
    assert.are.same({ 0, "" }, { code, out })
    assert.are.equal(1, select(2, err:gsub("what the script process keeps for the next one is lost", "")))
  end)

  it("getrandom, each service has a socket of its own to tell that it is ready", function()
    local TELL = [[ exec 3>&1; printf '%s\n' "$NOTIFY_SOCKET"; sleep 1000 ]]
    local c = container.start(refused("getrandom=EPERM", { script = ([[
      local function service(name)
        return { name = name, command = { "sh", "-c", %q }, stdout = reaper.log.lines(name), ready = { notify = true } }
      end
      require "reaper.supervisor".run { service "a", service "b" }
    ]]):format(TELL) }))
    c:expect "a: @"
    c:expect "b: @"
    local a, b = c:out():match "a: (@[^\n]+)", c:out():match "b: (@[^\n]+)"
    assert.are_not.equal(a, b)
    assert.not_matches("/0+$", a)
  end)
end)
