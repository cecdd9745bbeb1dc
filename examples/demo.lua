-- make demo: children die in several ways; on_reap shows each death as a row of a table.

local function row(...)
  print((("%5s  %-10s %-8s %-16s %9s %8s %9s"):format(...)))
end

local function kind_of(info)
  return info.main and "main" or info.orphan and "orphan" or "spawned"
end

local crashing = "sleep 0.2; kill -SEGV $$"
local lasting = "trap 'wait; sleep 0.2; exit 0' TERM; sleep 60 & wait"

local function start_worker(text)
  return reaper.spawn { "sh", "-c", text, name = "worker", stderr = "null" }
end

local function restart_worker(status)
  reaper.sleep(0.1)
  local worker = start_worker(lasting)
  print(("       -> worker crashed (%s): restarted as process %d"):format(status, worker.pid))
end

local function let_some_die()
  reaper.run { "true", name = "fine" }
  reaper.run { "sh", "-c", "exit 3", name = "failing" }
  reaper.run { "sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done", name = "busy" }
  reaper.run { "dd", "if=/dev/zero", "bs=48M", "count=1", "status=none", stdout = "null", name = "big" }

  local victim = reaper.spawn { "sleep", "60", name = "victim" }
  reaper.sleep(0.3)
  victim:kill("KILL")
  victim:wait()

  -- The shell ends at once; process 1 adopts its child, and sees it end.
  reaper.run { "sh", "-c", "sleep 0.4 & exit 0", name = "parent" }
  reaper.sleep(0.6)
end

function on_start(pid)
  print(("on_start: COMMAND runs as process %d, reaper-lua as process 1"):format(pid))
  print()
  row("pid", "name", "kind", "status", "lifetime", "cpu", "maxrss")
  reaper.sleep(0.1)
  let_some_die()
  start_worker(crashing)
  reaper.sleep(0.8)
  reaper.run { "setsid", "-f", "sleep", "60", name = "daemonize" }
  reaper.sleep(0.2)
  print()
  print("Now \"kill -TERM 1\", as \"docker stop\" does it. The worker and the daemon's sleep are still alive.")
  print()
  os.execute("kill -TERM 1") -- a child of the script's own process: no row for it
end

function on_reap(pid, status, rusage, info)
  row(pid, info.name or info.comm or "?", kind_of(info), tostring(status),
    ("%.2f s"):format(info.lifetime or 0), ("%.2f s"):format(rusage.utime + rusage.stime),
    ("%.1f MB"):format(rusage.maxrss / 1e6))
  if info.name == "worker" and status.kind == "signal" then
    restart_worker(status)
  end
end

function on_signal(name)
  print("on_signal: " .. name .. " goes on to COMMAND")
end

function on_stop(reason)
  print(("on_stop: the reason is \"%s\"; what is left gets TERM"):format(reason))
end

function on_exit(code)
  local stats = reaper.stats()
  print(("on_exit: nothing is left, the exit code is %d; %d processes were reaped, %d of them orphans"):format(code,
    stats.reaped, stats.orphans))
end
