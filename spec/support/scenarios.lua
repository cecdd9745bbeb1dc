-- What is tried while system calls fail, one scenario a spec file (injection_KEY_spec.lua), and the order in which they
-- build on each other.

local assert = require "luassert"
local uv = require "luv"
local container = require "spec.support.container"
local script = require "spec.support.script"

local helper = container.helper
local RETRY = 0.5e9 * container.company ^ 1.5 -- a second TERM that comes too early cuts the stop short

-- Does what it reads, says when it gets USR1, and ends with 7.
local WORKER = { "/bin/sh", "-c", [[
  trap 'echo usr1' USR1
  trap : USR2
  trap 'exit 7' TERM
  %s
  echo ready
  while :; do
    read -r line && eval "$line"
  done]], helper }

local function worker(first)
  local words = table.move(WORKER, 1, #WORKER, 1, {})
  words[3] = words[3]:format(first or "")
  return words
end

-- The fault may lose a signal, never two.
local function again_until(c, pattern, act)
  local acted, count = -math.huge, 0
  c:until_true(function()
    if uv.hrtime() - acted > RETRY * container.slow and count < 4 then
      act()
      acted, count = uv.hrtime(), count + 1
    end
    return c:ended() or pattern and c:out():find(pattern)
  end, 8 * container.company ^ 1.5, pattern or "the end")
  if pattern then
    c:expect(pattern, 0) -- or it has ended
  end
end

-- The helper says so when the first of two orphans has been reaped.
local function reaps(c, round)
  again_until(c, ("made 2\n.*"):rep(round), function()
    c:write('"$0" orphans 2 --parallel 1 &\n')
  end)
end

local function forwards(c, round)
  again_until(c, ("usr1\n.*"):rep(round), function()
    c:kill("USR1")
  end)
end

local function tells(c, round)
  again_until(c, "told\texit " .. 40 + round .. "\t", function()
    c:write(('"$0" orphans 1 --code %d\n'):format(40 + round))
  end)
end

local function spawns(c, round)
  again_until(c, ("ran\texit 5\n.*"):rep(round), function()
    c:kill("USR2")
  end)
end

local function stops(c)
  again_until(c, nil, function()
    c:kill("TERM")
  end)
end

local SCRIPT = [[
  function on_start(_, again)
    print("started", again)
    if not again then
      reaper.spawn{ "sh", "-c", "echo line; exec sleep 1000", name = "long",
        stdout = function(line) print("long", line) end }
    end
  end
  function on_reap(_, status, _, info) print("told", status, info.name) end
  function on_signal(name)
    if name == "SIGUSR2" then
      assert(reaper.stats().reaped > 0)
      print("ran", (reaper.run{ "sh", "-c", "exit 5" }))
      return false
    elseif name == "SIGHUP" then
      reaper.reload()
      return false
    end
  end
  function on_exit() print("over") end
]]

local function works(c, round)
  reaps(c, round)
  forwards(c, round)
end

local function works_with_script(c, round)
  works(c, round)
  tells(c, round)
  spawns(c, round)
end

local function first_round(c)
  works_with_script(c, 1)
end

-- True when the call says that a process has gone, or the script's, or may not be signalled. It is believed.
local function says_gone(fault)
  return fault.errno == "ECHILD" or fault.errno == "EPIPE" or (fault.name == "kill" and fault.errno == "EPERM")
    or (fault.errno == "ENOENT" or fault.errno == "ESRCH") and fault.sort:find("/proc/N/stat", 1, true) ~= nil
end

-- `before` comes before the first fault where that is not at the start, `run` between it and the stop, and `after`
-- looks at what has ended; its fault is nil when none was made. Each call with `always` in its sort fails with ENOMEM.
local scenarios = {
  {
    key = "command",
    name = "a COMMAND",
    options = { command = worker() },
    run = function(c)
      works(c, 1)
      works(c, 2)
    end,
  },
  {
    key = "script",
    name = "a script",
    options = { command = worker(), script = SCRIPT },
    run = function(c)
      works_with_script(c, 1)
      works_with_script(c, 2)
    end,
  },
  {
    key = "crash",
    name = "a script process that is lost",
    options = { command = worker(), script = SCRIPT },
    before = first_round,
    run = function(c)
      script.kill_script(c)
      c:expect("started\tcrash\n")
      works_with_script(c, 2)
    end,
  },
  {
    key = "reload",
    name = "a reload",
    options = { command = worker(), script = SCRIPT },
    before = first_round,
    run = function(c)
      again_until(c, "started\treload\n", function()
        c:kill("HUP")
      end)
      works_with_script(c, 2)
    end,
  },
  {
    key = "stop",
    name = "a stop with deaf children",
    options = { command = worker('"$0" daemon --ignore-term; "$0" daemon; "$0" daemon --stopped'),
      args = { "-t", "0.2" } },
    before = function() end,
  },
  {
    key = "second_term",
    name = "a second TERM",
    options = { command = worker('"$0" daemon --ignore-term'), args = { "-t", "30" } },
    before = function(c)
      c:kill("TERM")
      c:until_true(function()
        return not c:find("sh")
      end, 5, "the end of the main child")
    end,
  },
  {
    key = "leavings",
    name = "a stop with what a script has started",
    always = '"/proc", ', -- each look at it, which is what finds them
    options = { command = worker(), args = { "-t", "30" }, script = [[
      io.popen("trap 'sleep 0.2; echo cleaned up; exit' TERM; echo begun; while :; do sleep 0.05; done", "w")
      function on_exit() print("over") end
    ]] },
    before = function(c)
      c:expect("begun\n")
    end,
    after = function(c, fault)
      if not fault or not says_gone(fault) then
        assert.truthy(c:out():find("cleaned up\nover\n", 1, true), c:out())
      end
    end,
  },
  {
    key = "policy",
    name = "the script process itself",
    options = { command = worker(), script = SCRIPT },
    before = first_round,
    run = function(c)
      spawns(c, 2)
      works_with_script(c, 2)
    end,
    traced = "reaper-script",
    calls = "^clone ^epoll ^pipe2 ^recvmsg ^send",
  },
}

for _, scenario in ipairs(scenarios) do
  scenarios[scenario.key] = scenario
end

scenarios.forwards, scenarios.stops = forwards, stops

return scenarios
