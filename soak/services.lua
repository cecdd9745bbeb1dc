-- The script that `make soak` lets run: a group of services, and one action for each real-time signal. It tells what it
-- sees in the file `told`, a line at a time and unbuffered: what it has written counts although it is killed then.
-- The driver (run.lua) fills in {folder} and {helper}, and changes the configuration.

local restart = require "reaper.restart"
local supervisor = require "reaper.supervisor"

local EDITION = 1 -- the driver changes it: another command for web, one more service

local file = assert(io.open("{folder}/told", "a"))
file:setvbuf "no"

local function tell(...)
  local words = table.pack(...)
  for i = 1, words.n do
    words[i] = tostring(words[i])
  end
  file:write(table.concat(words, " ") .. "\n")
end

-- ---- What is looked after. ----

local function script(name, more)
  local service = { name = name, command = { "{folder}/" .. name, tostring(EDITION) } }
  for key, value in pairs(more or {}) do
    service[key] = value
  end
  return service
end

local BACKOFF = { initial = 0.1, max = 1, reset_after = 3 }
local function drop_line() end

local services = {
  script("web", { restart = restart.always, backoff = BACKOFF, ready = { line = "^listening" }, stdout = drop_line }),
  script("api", { restart = restart.always, backoff = BACKOFF, ready = { notify = true }, after = { "web" } }),
  script("chatty", { restart = restart.always, backoff = BACKOFF, stdout = drop_line,
    health = { exec = { "{helper}", "exit", "0" }, interval = 1 } }),
  { name = "once", command = { "{folder}/once" }, restart = "never", when_failed = "ignore" },
  { name = "flaky", command = { "{helper}", "exit", "1" }, when_failed = "ignore",
    restart = restart.limit("on-failure", { max = 3, window = 600 }), backoff = { initial = 0.1, max = 0.2 } },
  { name = "batch", command = { "sleep", "0.3" }, when_failed = "ignore" },
  { name = "spare", command = { "sleep", "1000" }, autostart = false },
}
if EDITION == 2 then
  table.insert(services, script("extra", { restart = restart.always, backoff = BACKOFF }))
end
supervisor.run(services)

-- ---- What happens on request. ----

local function name_of(kind)
  return ("%s-%.6f"):format(kind, reaper.now())
end

-- 32 (EPIPE) and 107 (ENOTCONN): this script process has been replaced, or lost its engine, just now.
local function is_replaced(errno)
  return errno == 32 or errno == 107
end

local function spawn(options)
  local child, message, errno = reaper.spawn(options)
  if child then
    tell("spawned", options.name)
  elseif not is_replaced(errno) then
    tell("wrong", "spawn failed: " .. message)
  end
  return child
end

local function spawn_with_pipes()
  local child = spawn { "sh", "-c", "read word; echo $word; echo $word >&2; exit 3", name = name_of "pipes",
    stdin = "pipe", stdout = "pipe", stderr = "pipe" }
  if not child then
    return
  end
  child.stdin:write "hello\n"
  local out, err = child.stdout:read(), child.stderr:read()
  local status = child:wait()
  if out ~= "hello" or err ~= "hello" or tostring(status) ~= "exit 3" then
    local killed = status and status.signal == "SIGKILL" -- by the driver
    tell(killed and "killed" or "wrong", ("pipes gave %s, %s, %s"):format(out, err, status))
  end
end

local function spawn_what_is_not_there()
  local child, message, errno = reaper.spawn { "{folder}/no such program", name = name_of "absent" }
  if child or not (errno == 2 or is_replaced(errno)) then
    tell("wrong", "a failing exec gave " .. tostring(message))
  end
end

local FULL = 300000 -- more than a pipe holds

local function fill_a_pipe()
  local child = spawn { "sh", "-c", "head -c " .. FULL .. " /dev/zero", name = name_of "full", stdout = "pipe" }
  if not child then
    return
  end
  reaper.sleep(0.3)
  local text = child.stdout:read_all()
  local status = child:wait()
  if #text ~= FULL and status.ok then
    tell("wrong", ("of %d bytes %d came"):format(FULL, #text))
  end
end

-- The counters, at a moment when everything that they count has been dispatched: the reply to `stats` is the last that
-- was read, and a timer fires after what was read.
local function tell_stats(tries)
  local before = reaper.stats()
  reaper.after(0, function()
    local stats = reaper.stats()
    if not before or not stats then
      return
    elseif stats.reaped ~= before.reaped and tries > 0 then
      return tell_stats(tries - 1)
    end
    tell("stats", stats.reaped, stats.dropped, stats.script_restarts, stats.reaped == before.reaped)
  end)
end

local function report()
  collectgarbage()
  collectgarbage()
  for _, status in ipairs(supervisor.status()) do
    tell("state", status.name, status.state, status.pid or 0)
  end
  tell("heap", collectgarbage "count" // 1 | 0)
  tell_stats(20)
end

local computing

local actions = {
  spawn_with_pipes,
  spawn_what_is_not_there,
  fill_a_pipe,
  function() os.execute "sleep 0.1" end,
  function() computing = true while computing do end end, -- until it is cut
  function() error "raised on purpose" end,
  reaper.reload,
  function() reaper.configure { verbose = math.random(0, 1), hook_timeout = math.random(10, 20) / 10 } end,
  report,
  function() supervisor.shutdown(7) end,
}

local FIRST = 34 -- SIGRTMIN

-- ---- Hooks. ----

function on_start(_, again)
  tell("start", again or "first")
  reaper.after(0, function() tell "up" end) -- what was read with the start has been dispatched
end

function on_reap(pid, status, _, info)
  tell("reap", pid, info.name or "-", info.comm or "-", status.raw, info.orphan)
end

function on_signal(name, number)
  tell("signal", number)
  local action = actions[number - FIRST + 1]
  if action then
    reaper.after(0, action)
  end
  if name == "SIGUSR2" then
    error "raised in on_signal on purpose"
  end
end

function on_overflow(count)
  tell("overflow", count)
end

function on_error(message, hook)
  local expected = message:find "on purpose" or message:find "computed for too long"
  tell(expected and "raised" or "wrong", hook .. ": " .. message:gsub("\n", " "))
end

function on_service(name, state, detail)
  tell("service", name, state, (tostring(detail):gsub("\n", " ")))
end
