-- What each option does, seen from outside: one function for each, which runs the program with the options that it is
-- given and returns what it saw. `given` is false where the option is not set, and its absence is what is to be seen.

local container = require "spec.support.container"

local helper = container.helper
local observe = {}

-- A copy of the options with more of them; lists and tables are taken as they are.
local function with(options, more)
  local all = {}
  for _, source in ipairs { options, more } do
    for key, value in pairs(source) do
      all[key] = value
    end
  end
  if options.script and more.script then
    all.script = options.script .. more.script
  end
  return all
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

local function start(options, more)
  return container.start(with(options, more))
end

local function run(options, more)
  return container.run(with(options, more))
end

--- The exit code when COMMAND exits with 3.
function observe.exit_code(options)
  return (run(options, { command = { helper, "exit", 3 } }))
end

--- How many of the two processes of the main child's group get a signal.
function observe.group(options)
  local c = start(options, { command = { "/bin/sh", "-c", '"$0" signals & exec "$0" signals', helper } })
  c:expect("ready.*ready")
  c:kill("USR1")
  c:expect("got 10\n")
  c:kill("TERM")
  c:wait()
  return count(c:out(), "got 10\n")
end

--- What becomes of USR1.
function observe.rewritten(options)
  local c = start(options, { command = { helper, "signals" } })
  c:expect("ready")
  c:kill("USR1")
  local number = c:expect("got (%d+)\n")
  c:kill("TERM")
  c:wait()
  return tonumber(number)
end

local DYING_PARENT = [[
  cd {folder}
  sh -c '"$@" >log & echo $! >pid; until grep -q ready log; do sleep 0.01; done' sh "$@"
  kill -TERM $(cat pid)
  while kill -0 $(cat pid) 2>/dev/null; do sleep 0.01; done
  cat log
]]

--- How many USR1 a reaper-lua passes on whose parent dies: it runs below another one, which is process 1.
function observe.parent_death(options)
  local words = { "/bin/sh", "-c", DYING_PARENT, "sh", container.binary }
  table.move(options.args or {}, 1, #(options.args or {}), #words + 1, words)
  if options.script then
    words[#words + 1] = "{folder}/hooks.lua"
  end
  table.move({ "--", helper, "signals" }, 1, 3, #words + 1, words)
  local _, out = run(options, { args = {}, command = words })
  return count(out, "got 10\n")
end

--- The grace period in seconds, as the engine tells it when it is over.
function observe.grace(options)
  local c = start(options, { command = { helper, "daemon", "--ignore-term" } })
  return tonumber((c:expect("the grace period of (%S+) s is over")))
end

--- Whether a daemon is left when reaper-lua has ended.
function observe.left(options)
  local _, _, err = run(options, { mode = "subreaper", report_left = true, command = { helper, "daemon" } })
  return err:find("host: left %d+ %a spec%-daemon") ~= nil
end

--- COMMAND's user.
function observe.user(options)
  local _, out = run(options, { command = { "/usr/bin/id", "-u" } })
  return tonumber(out)
end

--- How many orphans are told on stderr by their name.
function observe.warnings(options)
  local _, _, err = run(options, { command = { helper, "orphans", 3 } })
  return count(err, "reaped orphan %d+ %(spec%-orphan%)")
end

--- The level of what is said: 0 for errors only, 2 as it is without options, 3 and 4 for more.
function observe.level(options)
  local c = start(options, { command = { helper, "signals" } })
  c:expect("ready")
  c:kill("TERM")
  c:wait()
  return c:err():find("forwarding SIGTERM", 1, true) and 4 or c:err():find("main child %d+ started") and 3 or 2
end

--- "json" or "text".
function observe.log_format(options)
  local _, _, err = run(options, { command = { "/no/such" } })
  return err:sub(1, 1) == "{" and "json" or err:sub(1, 12) == "reaper-lua: " and "text" or err
end

--- The first line of the file "end", in which it stands why the container ended; "" where there is none.
function observe.termination_log(options)
  local c = start(options, { command = { helper, "exit", 3 } })
  c:wait()
  return (c:read("end") or ""):match "^[^\n]*"
end

--- How many seconds the engine waits for an answer.
function observe.hook_timeout(options)
  local c = start(options, {
    script = [[
      function on_signal(name)
        if name == "SIGUSR1" then os.execute("sleep 60") end
      end
    ]],
    command = { helper, "signals" },
  })
  c:expect("ready")
  c:kill("USR1")
  return tonumber((c:expect("on_signal has not answered within (%S+) s")))
end

--- Whether a string of 32 megabytes fits into the Lua state.
function observe.fits(options)
  local c = start(options, {
    script = [[
      function on_start()
        print("fits", (pcall(string.rep, "x", 1 << 25)))
      end
    ]],
    command = { helper, "hold" },
  })
  return c:expect("fits\t(%a+)") == "true"
end

--- Whether a script process that blocks while there is something to read is replaced.
function observe.replaced(options, given)
  local c = start(options, {
    script = [[
      function on_start(pid, again)
        print("start", again)
        if not again then os.execute("sleep 60") end
      end
      function on_reap() end
    ]],
    command = { "/bin/sh", "-c", '"$0" orphans 5; exec "$0" signals', helper },
  })
  c:expect("ready")
  if given then
    c:expect("start\tcrash")
  end
  c:kill("TERM")
  c:wait()
  return c:out():find("start\tcrash", 1, true) ~= nil
end

--- The exit code of a script that is given as text.
function observe.nothing_else(options)
  return (container.run(options))
end

--- Whether COMMAND is started.
function observe.started(options)
  local _, out = run(options, { script = "local loaded = true", command = { "/bin/echo", "started" } })
  return out == "started\n"
end

--- The exit code after TERM, if it waits for one. A TERM that comes before reaper-lua is ready is lost on process 1.
function observe.paused(options)
  local c = container.start(options)
  return c:until_true(function()
    c:kill("TERM")
    return c:ended()
  end)
end

return observe
