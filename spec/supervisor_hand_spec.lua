-- What scripts do with services by hand, beside starting and stopping them: supervisor.signal, reload and wait.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local virtual = require "spec.support.virtual"
local support = require "spec.support.services"

local HEAD = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail) print(name .. " " .. state, detail or "") end
]]

local _, start = support.below(HEAD, virtual)
local shell, sleeper = support.shell, support.sleeper

-- Begins services, and does something in on_start.
local function doing(list, code, options)
  return start(list, options or {}, "function on_start() " .. code .. " end")
end

describe("supervisor.signal", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("reaches the process of a service, and COMMAND", function()
      local c = start(shell("a", "trap 'echo a got USR2' USR2; echo a up; while :; do sleep 0.02; done"),
        { mode = mode, command = { "sh", "-c",
          "trap 'echo main got USR1' USR1; echo main up; while :; do sleep 0.02; done" } },
        [[function on_signal(name)
          if name == "SIGUSR1" then print(supervisor.signal("a", "USR2"), supervisor.signal("main",
            "USR1")) return false end
        end]])
      c:expect "a up\n"
      c:expect "main up\n"
      c:kill "USR1"
      c:expect "true\ttrue\n"
      c:expect "a got USR2\n"
      c:expect "main got USR1\n"
    end)
  end)

  it("says what has no process", function()
    local c = doing(sleeper("a", "autostart = false") .. sleeper "b", 'print(supervisor.signal("a", "HUP"))')
    c:expect "nil\ta is finished and has no process\t3\n"
  end)

  it("refuses what is no signal or no service", function()
    local c = doing(sleeper "a", [[
      print(select(2, pcall(supervisor.signal, "a", "HOP")))
      print(select(2, pcall(supervisor.signal, "b", "HUP")))]])
    c:expect "bad argument 'signal' to 'supervisor.signal' %(\"HOP\" is not a signal; did you mean HUP%?%)\n"
    c:expect "bad argument 'name' to 'supervisor.signal' %(there is no service 'b'"
  end)
end)

describe("supervisor.reload", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("sends the signal of the service", function()
      local c = start(shell("a", "trap 'echo a reloads' HUP; echo a up; while :; do sleep 0.02; done",
        'reload = { signal = "HUP" }'), { mode = mode },
        'function on_signal(name) if name == "SIGUSR1" then print(supervisor.reload "a") return false end end')
      c:expect "a up\n"
      c:expect "a running"
      c:kill "USR1"
      c:expect "true\n"
      c:expect "a reloads\n"
    end)

    it("runs the command of the service, which knows its process", function()
      local c = start(shell("a", "echo a is $$; exec sleep 100",
        [=[reload = { exec = { "sh", "-c", "echo reload $MAINPID" } }]=]),
        { mode = mode },
          'function on_signal(name) if name == "SIGUSR1" then print(supervisor.reload "a") return false end end')
      c:expect "a is %d+\n"
      c:expect "a running"
      c:kill "USR1"
      c:expect "true\n"
      local pid = c:out():match "a is (%d+)\n"
      c:expect("reload " .. pid .. "\n")
    end)
  end)

  it("says why it could not", function()
    local c = doing(sleeper "a" .. sleeper("b", 'reload = { exec = { "false" } }')
      .. sleeper("c", 'reload = { exec = { "sleep", "100" }, timeout = 2 }')
      .. sleeper("d", 'reload = { signal = "HUP" }, autostart = false'), [[
      reaper.sleep(1)
      for _, name in ipairs { "a", "b", "c", "d" } do print(supervisor.reload(name)) end]])
    c:expect "nil\ta has no key 'reload', such as { signal = \"HUP\" }\n"
    c:expect "nil\treload: exit 1\n"
    c:expect "nil\treload has taken longer than 2 s\n"
    c:expect "nil\td is finished\n"
  end)
end)

describe("supervisor.wait", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("waits until a service is ready, and until it is down", function()
      local c = doing(sleeper("a", "ready = { delay = 0.2 }"), [[
        print("ready", supervisor.wait("a", "ready", 10), supervisor.status "a".state)
        supervisor.stop "a"
        print("down", supervisor.wait("a", "down"), supervisor.status "a".state)]], { mode = mode })
      c:expect "ready\ttrue\trunning\n.*down\ttrue\tfinished\n"
    end)
  end)

  it("sees a service that is down for a moment only", function()
    local c = doing(sleeper "a", [[
      supervisor.wait "a"
      supervisor.restart "a"
      print("down", supervisor.wait("a", "down", 10))]])
    c:expect "down\ttrue\n"
  end)

  it("gives up in time", function()
    local c = doing(sleeper("a", "ready = { delay = 50, timeout = 60 }"),
      'print(supervisor.wait("a", "ready", 5)) print(supervisor.wait("a", nil, 0))')
    c:expect "nil\ttimeout\nnil\ttimeout\n"
    assert.is_true(c:now() < 6)
  end)

  it("says that a service will never be ready", function()
    local c = doing(shell("a", "sleep 1; exit 3", 'restart = "no", when_failed = "ignore", ready = { fd = 3 }')
      .. sleeper "b",
      'print(supervisor.wait "a") print(supervisor.wait("a", "finished"))')
    c:expect "nil\ta has failed: exit 3: it is not to be started again\nnil\ta has failed: exit 3"
  end)

  it("takes a one-shot for ready when it has finished well", function()
    local c = doing(shell("a", "sleep 3; exit 0", "oneshot = true") .. sleeper "b",
      'print(supervisor.wait "a", supervisor.status "a".state)')
    c:expect "true\tfinished\n"
  end)

  it("ends with the container", function()
    local c = doing(sleeper("a", "ready = { delay = 500, timeout = 600 }"), 'print(supervisor.wait "a")')
    c:expect "a starting"
    c:kill "TERM"
    c:expect "nil\tthe container is stopping\n"
    assert.equal(0, c:wait())
  end)
end)
