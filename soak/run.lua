-- Lets reaper-lua look after services for a while, does at random what can happen to it, and checks throughout that
-- what doc/ARCHITECTURE.md promises holds.  run.lua SECONDS [SEED]
--
-- Time is cut into rounds. In each, random actions come as fast as they may; at its end all comes to rest, and then the
-- books have to be right. What must be right depends on the round:
--   stuck    the script process is stopped, blocked, and computes for too long; it is neither killed nor replaced:
-- every death
--            is told exactly once, and every real-time signal, too
--   reload   it is replaced, never blocked or killed: every death is told exactly once
--   crash    all of it, and it is killed: what a script process had read when it was killed is lost, one packet at most

package.path = "./?.lua;" .. package.path

local uv = require "luv"
local container = require "spec.support.container"
local script = require "spec.support.script"
local books = require "soak.books"
local inside = require "soak.inside"

local seconds = math.tointeger(tonumber(arg[1])) or 60
local seed = math.tointeger(tonumber(arg[2])) or os.time() % 100000
local slow = container.slow

local TICK = 0.02
local LOOK_EVERY = 0.2 -- seconds between two looks at all processes
local MOST_PROCESSES = 1500
local MOST_STORMS = 6 -- at the same time
local SIGCHLD = 17
local A_KILL = 1 -- events that are lost with a script process that is killed: the one that it dealt with
local ZOMBIE_AGE = 1 * slow
local COMPUTE_EVERY = 6 -- seconds at least, since each costs 2 s of CPU time
local DOWN_AT_MOST = 10 * slow -- seconds with a script: back-off 1 s, after web's, a hook that computes for 2 s, room
local REST_AT_MOST = 20 * slow -- seconds until all is at rest
local END_AT_MOST = 10 * slow -- the services' grace of 5 s, and the engine's
local ENGINE_GROWTH = 256 -- kB: a page or two for each table that grows with children, and the allocator's slack
local SCRIPT_GROWTH = 4096 -- kB: the pool of small blocks is 1 MB, and malloc keeps what the text of a full pipe took
local HEAP_GROWTH = 128 -- kB: of the Lua state after a collection; what is held for each death would be more in a round
local ALWAYS = { "web", "api", "chatty" }
local GROUP = { web = true, api = true, chatty = true, once = true, extra = true }
local FIRST_REALTIME = 34

-- Numbers of the actions in services.lua.
local PIPES, ABSENT, FULL, BLOCK, COMPUTE, RAISE, RELOAD, CONFIGURE, REPORT, SHUTDOWN = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

local FILES = {
  web = "#!/bin/sh\necho listening\nwhile :; do sleep 0.7; done\n",
  api = "#!/bin/sh\n" .. container.helper .. " notify READY=1\nwhile :; do sleep 0.7; done\n",
  chatty = "#!/bin/sh\nwhile :; do seq 1 500; sleep 0.2; done\n",
  once = "#!/bin/sh\nwhile :; do sleep 0.7; done\n",
  extra = "#!/bin/sh\nwhile :; do sleep 0.7; done\n",
}

-- ---- The state of a run. ----

local c, ledger, processes -- the container, what it told, what lives in it
local round -- of now
local began = uv.hrtime()
local sum = { storms = 0, orphans = 0, kills = 0, script_kills = 0, stops = 0, signals = 0, rounds = 0, lost = 0 }
local down_for = {} -- service → seconds for which it was not there although there was a script process
local later = {} -- what is to be done at a time: { at, f }
local storms = 0 -- made so far
local series = { count = 0, at = 0, reloads = 0 } -- of script processes that were killed one after the other
local edition = 1
local once_since -- "once" was seen although it had ended
local base -- what was used after the warm-up
local is_over = false

local function now()
  return (uv.hrtime() - began) / 1e9
end

local function repeat_with()
  local reaper = os.getenv "REAPER"
  return ("make soak SECONDS=%d SEED=%d%s"):format(seconds, seed, reaper and " REAPER=" .. reaper or "")
end

local function save(name)
  os.execute("mkdir -p build/soak")
  local file = assert(io.open("build/soak/" .. name, "w"))
  file:write(c:read(name) or "")
  file:close()
end

local function tail(text, count)
  local lines = script.lines(text)
  return table.concat(lines, "\n", math.max(1, #lines - count + 1))
end

local function violated(what)
  print(("soak: after %.1f s, in a %s round: %s"):format(now(), round and round.kind or "first", what))
  print("--- stderr\n" .. tail(c:err(), 15))
  save "told"
  save "stderr"
  print("--- build/soak/told and build/soak/stderr have all of it; to repeat it: " .. repeat_with())
  container.close_all()
  os.exit(1)
end

local function script_text(number)
  local text = container.read_file "soak/services.lua":gsub("EDITION = 1", "EDITION = " .. number)
  return (text:gsub("{helper}", container.helper))
end

-- ---- What is watched all the time. ----

local function find_all(list, comm)
  local found = {}
  for _, process in ipairs(list) do
    if process.comm == comm and process.ppid == 1 and process.state ~= "Z" then
      found[#found + 1] = process
    end
  end
  return found
end

local function check_zombies(list)
  local old = processes:old_zombies(list, ZOMBIE_AGE)
  if old then
    violated(("process %d (%s) has been a zombie for more than %g s"):format(old.pid, old.comm, ZOMBIE_AGE))
  end
end

-- The time without a service counts only while there is a script process that could start it.
local function check_services(list, elapsed)
  local script_process = find_all(list, "reaper-script")[1]
  local works = script_process and script_process.state ~= "T" and ledger.is_up
  for _, name in ipairs(ALWAYS) do
    if find_all(list, name)[1] then
      down_for[name] = 0
    elseif works then
      down_for[name] = (down_for[name] or 0) + math.min(elapsed, 2 * LOOK_EVERY)
    end
    if (down_for[name] or 0) > DOWN_AT_MOST then
      violated(("service %s has been down for %g s, and there was a script process"):format(name, down_for[name]))
    end
  end
end

-- Between fork and exec a child of "once" is called so, too.
local function check_once(list)
  if not (ledger.ended.once and find_all(list, "once")[1]) then
    once_since = nil
    return
  end
  once_since = once_since or now()
  if now() - once_since > ZOMBIE_AGE then
    violated "the service that is never restarted was restarted"
  end
end

local looked_at, live = 0, 0

local function watch()
  ledger:read()
  if c:ended() and not is_over then
    violated("reaper-lua ended with " .. c.code)
  end
  local elapsed = now() - looked_at
  if elapsed < LOOK_EVERY then
    return
  end
  looked_at = now()
  local list = processes:list()
  live = #list
  check_zombies(list)
  if not is_over then
    check_services(list, elapsed)
    check_once(list)
  end
end

local function do_later(delay, f)
  later[#later + 1] = { at = now() + delay, f = f }
end

local function tick()
  for i = #later, 1, -1 do
    if later[i].at <= now() then
      table.remove(later, i).f()
    end
  end
  watch()
  uv.sleep(math.floor(TICK * 1000))
  uv.run "nowait"
end

-- ---- What happens. ----

local function send(signal)
  local number = container.signal_number(signal)
  if c:kill(number) then
    sum.signals = sum.signals + 1
    round.sent[number] = (round.sent[number] or 0) + 1
  end
end

local function act(number)
  send(FIRST_REALTIME + number - 1)
end

local function storms_under_way()
  local made = select(2, (c:read "made" or ""):gsub("\n", ""))
  return storms - made
end

local function storm(count, options)
  storms = storms + 1
  sum.storms, sum.orphans = sum.storms + 1, sum.orphans + count
  processes:order(("({ %s orphans %d %s --comm storm%d && echo %d >>%s; } &)"):format(container.helper, count, options,
    storms, storms, c:file "made"))
  return storms
end

-- Where many live the order of the deaths is not promised.
local function storm_in_order()
  local count = math.random(1, 256)
  ledger:expect_storm(storm(count, "--sequence"), count, round.is_crowded and "loosely" or "strictly")
end

local function storm_of_living()
  local count = math.random(1, 300)
  ledger:expect_storm(storm(count, ("--alive %.2f --parallel 200 --code 9"):format(math.random() / 2)), count)
end

local function any_storm()
  if live > MOST_PROCESSES or storms_under_way() >= MOST_STORMS then
    return
  elseif round.is_crowded and math.random() < 0.5 then
    return storm_of_living()
  end
  storm_in_order()
end

local function one_of(list)
  return list[1] and list[math.random(#list)]
end

local function kill(pid, signal)
  processes:order(("kill -%s %d"):format(signal, pid))
end

local function pause_process(pid, delay)
  kill(pid, "STOP")
  do_later(delay, function()
    kill(pid, "CONT")
  end)
end

local function any_service()
  local found = {}
  for _, process in ipairs(processes:list()) do
    if GROUP[process.comm] and process.ppid == 1 then
      found[#found + 1] = process
    end
  end
  return one_of(found)
end

local function kill_a_service()
  local service = any_service()
  if not service then
    return
  end
  sum.kills = sum.kills + 1
  if math.random() < 0.2 then
    return pause_process(service.pid, math.random())
  end
  kill(service.pid, one_of { "KILL", "KILL", "TERM", "SEGV" })
end

local function policy()
  return one_of(find_all(processes:list(), "reaper-script"))
end

-- The one after a script process that was lost early comes after twice as long as the one before, up to 10 s: after
-- four the series has a rest. A reload ends it.
local function kill_script()
  if now() - series.at > 11 or series.reloads ~= ledger.reloads then
    series = { count = 0, at = 0, reloads = ledger.reloads }
  end
  local victim = series.count < 4 and ledger.is_up and policy()
  if not victim then
    return
  end
  series.count, series.at = series.count + 1, now()
  ledger.is_up = false
  sum.script_kills, round.kills = sum.script_kills + 1, round.kills + 1
  kill(victim.pid, one_of { "KILL", "KILL", "SEGV" })
end

local function stop_script()
  local victim = policy()
  if victim then
    sum.stops = sum.stops + 1
    pause_process(victim.pid, math.random() / 2)
  end
end

local function any_signal()
  send(one_of { "USR1", "USR2", "WINCH", "CHLD", "ALRM", "IO", "RTMIN+20", "RTMIN+25", "RTMAX-3" })
end

local computed_at = 0

local function compute()
  if now() - computed_at > COMPUTE_EVERY then
    computed_at = now()
    act(COMPUTE)
  end
end

local reloaded_at = 0

-- One at a time, and not many.
local function may_reload()
  if now() - reloaded_at < 0.4 then
    return false
  end
  reloaded_at = now()
  round.reloads = round.reloads + 1
  return true
end

local function reload()
  if may_reload() then
    if math.random() < 0.5 then
      send "HUP"
    else
      act(RELOAD)
    end
  end
end

local function configure(number)
  edition = number
  script.replace(c, script_text(edition))
end

local function reload_changed()
  if may_reload() then
    configure(math.random(2))
    send "HUP"
  end
end

local function reload_broken()
  if may_reload() then
    script.replace(c, one_of { "error 'broken on purpose'", "this is no Lua", "while true do end" })
    send "HUP"
    do_later(0.3, function()
      configure(edition)
    end)
  end
end

local function action(number)
  return function()
    act(number)
  end
end

-- How many of a hundred actions, and what.
local COMMON = {
  { 30, any_storm }, { 12, kill_a_service }, { 12, any_signal }, { 10, action(PIPES) }, { 5, action(ABSENT) },
  { 4, action(FULL) }, { 5, action(RAISE) }, { 4, action(CONFIGURE) },
}
local KINDS = {
  stuck = { { 4, stop_script }, { 5, action(BLOCK) }, { 2, compute } },
  reload = { { 5, reload }, { 4, reload_changed }, { 1, reload_broken } },
  crash = { { 12, kill_script }, { 3, stop_script }, { 4, action(BLOCK) }, { 2, compute }, { 3, reload },
    { 2, reload_changed } },
}
local ORDER = { "stuck", "reload", "crash" }

local function choose(kind)
  local list, total = {}, 0
  for _, entries in ipairs { COMMON, KINDS[kind] } do
    for _, entry in ipairs(entries) do
      total = total + entry[1]
      list[#list + 1] = { total, entry[2] }
    end
  end
  local point = math.random() * total
  for _, entry in ipairs(list) do
    if point < entry[1] then
      return entry[2]
    end
  end
end

-- ---- At rest. ----

local EXPECTED = {
  web = "running", api = "running", chatty = "running", once = "running", flaky = "failed", batch = "finished",
  spare = "finished",
}

-- Why the processes are not those that should be there, or nil.
local function wrong_processes(list)
  local count, by_pid = {}, {}
  for _, process in ipairs(list) do
    by_pid[process.pid] = process
  end
  for _, process in ipairs(list) do
    local parent = by_pid[process.ppid]
    local is_script = process.comm == "reaper-script"
    if process.ppid == 1 and (GROUP[process.comm] or is_script) then
      count[process.comm] = (count[process.comm] or 0) + 1
    elseif process.ppid > 1 and not (parent and GROUP[parent.comm]) or process.ppid == 1 then
      return ("there is a process %d (%s, %s)"):format(process.pid, process.comm, process.state)
    end
  end
  for _, name in ipairs { "reaper-script", "web", "api", "chatty", "once" } do
    local expected = name == "once" and ledger.states.once.state ~= "running" and 0 or 1
    if (count[name] or 0) ~= expected then
      return ("%s lives %d times"):format(name, count[name] or 0)
    end
  end
  return count.extra and "there is a service that the script does not have" or nil
end

local function wrong_states()
  for name, expected in pairs(EXPECTED) do
    local state = ledger.states[name]
    if name == "once" and ledger.ended.once then
      expected = "failed"
    end
    local is_lost = name == "once" and state and state.state == "failed" -- a script that was killed had read its end
      and round.may_lose > 0
    if not state or state.state ~= expected and not is_lost then
      return ("service %s is %s and should be %s"):format(name, state and state.state or "not told of", expected)
    end
  end
end

-- All that was reaped was told, dropped, or lost with a script process.
local function wrong_books()
  local stats = ledger.stats
  local lost = stats.lost - sum.lost
  if not stats.is_quiet then
    return "the engine reaps on"
  elseif lost < 0 then
    return ("%d deaths more were told than reaped"):format(-lost)
  elseif lost > round.may_lose then
    return ("%d deaths were not told, of which %d may be lost"):format(lost, round.may_lose)
  elseif stats.dropped < ledger.dropped then
    return ("%d deaths were dropped, and %d told to be"):format(stats.dropped, ledger.dropped)
  end
  local missing, one = ledger:missing()
  if missing > lost then
    return ("%d deaths are missing, %s for one"):format(missing, one)
  end
end

-- Real-time signals queue, and each is asked about once where the script process is not replaced. Another one that is
-- sent while its like is pending merges with it, and a SIGCHLD also with one of the kernel's, which is not asked about.
local function wrong_signals()
  if round.kind ~= "stuck" then
    return
  end
  for number, sent in pairs(round.sent) do
    local told = (ledger.signals[number] or 0) - (round.told[number] or 0)
    if number >= FIRST_REALTIME and told ~= sent and number ~= FIRST_REALTIME + REPORT - 1 then
      return ("signal %d was sent %d times and told %d times"):format(number, sent, told)
    elseif told > sent or told == 0 and number ~= SIGCHLD then
      return ("signal %d was sent %d times and told %d times"):format(number, sent, told)
    end
  end
end

local function measure()
  local first = find_all(processes:list(), "reaper-script")[1] or { pid = 0 }
  local engine_fds, script_fds = processes:descriptors(1), processes:descriptors(first.pid)
  return {
    engine_fds = #engine_fds, engine_memory = processes:dirty(1),
    script_fds = #script_fds, script_memory = processes:dirty(first.pid), script_heap = ledger.heap,
    list = "engine " .. table.concat(engine_fds, " ") .. ", policy " .. table.concat(script_fds, " "),
  }
end

local LIMITS = {
  engine_fds = 0, script_fds = 0, engine_memory = ENGINE_GROWTH, script_memory = SCRIPT_GROWTH,
  script_heap = HEAP_GROWTH,
}
if container.sanitized then -- it keeps what was freed
  LIMITS.engine_memory, LIMITS.script_memory = math.huge, math.huge
end

local function wrong_growth()
  local used = base and measure()
  for what, limit in pairs(base and LIMITS or {}) do
    if used[what] > base[what] + limit * slow then
      return ("%s grew from %d to %d\nafter the warm-up: %s\nnow: %s"):format((what:gsub("_", " ")), base[what],
        used[what], base.list, used.list)
    end
  end
end

-- Script processes end only when the driver kills them.
local function wrong_ends()
  local _, ended = c:err():gsub("reaper%-lua: the script process ended", "")
  if ended > sum.script_kills then
    return ("%d script processes were killed, and %d ended"):format(sum.script_kills, ended)
  end
end

local function why_not_at_rest()
  if storms_under_way() > 0 then
    return "a storm is under way"
  elseif not ledger.stats or not ledger.states.once then
    return "the script does not report"
  end
  return wrong_processes(processes:list()) or wrong_states() or wrong_books() or wrong_signals()
    or wrong_ends() or wrong_growth()
end

local function come_to_rest()
  local deadline, ask_at = now() + REST_AT_MOST, 0
  if edition ~= 1 then
    configure(1)
    send "HUP"
    round.reloads = round.reloads + 1
  end
  round.may_lose = round.kind == "crash" and A_KILL * round.kills or 0
  ledger.stats, ledger.states = nil, {}
  repeat
    if now() > ask_at then
      if ledger.states.extra and round.kind == "crash" then -- the candidate of the last reload was killed
        send "HUP"
        ledger.states = {}
      end
      act(REPORT)
      ask_at = now() + 0.5
    end
    tick()
    local why = why_not_at_rest()
    if why and now() > deadline then
      violated(("at rest for %g s, and %s"):format(REST_AT_MOST, why))
    end
  until not why
  sum.lost = ledger.stats.lost
  ledger:settle()
end

-- ---- Rounds. ----

local function begin_round(kind)
  round = { kind = kind, is_crowded = math.random() < 0.5, kills = 0, reloads = 0, may_lose = 0, sent = {}, told = {} }
  for number, count in pairs(ledger.signals) do
    round.told[number] = count
  end
end

local function run_round(kind, length)
  begin_round(kind)
  local stop_at = now() + length
  while now() < stop_at do
    choose(kind)()
    local next_at = now() + math.random() ^ 2 * 0.2
    repeat
      tick()
    until now() >= next_at
  end
  come_to_rest()
  sum.rounds = sum.rounds + 1
end

-- The service that is never restarted ends here at the latest, so that from now on all use the same.
local function warm_up(length)
  for _, kind in ipairs(ORDER) do
    run_round(kind, length)
  end
  begin_round "stuck"
  local once = find_all(processes:list(), "once")[1]
  if once then
    kill(once.pid, "KILL")
    repeat
      tick()
    until ledger.ended.once
    come_to_rest()
  end
  base = measure()
end

-- ---- The end. ----

local function finish()
  begin_round "end"
  for _ = 1, 3 do
    storm(250, "--alive 0.5 --parallel 200 --code 9")
  end
  local how = one_of { "TERM", "INT", "QUIT", "shutdown" }
  local expected = how == "shutdown" and 7 or 0
  ledger.violated = function() end -- the storms are cut off
  is_over = true
  if how == "shutdown" then
    act(SHUTDOWN)
  else
    send(how)
  end
  local sent_at = now()
  while not c:ended() do
    if now() - sent_at > END_AT_MOST then
      violated(("%g s after %s it still runs"):format(END_AT_MOST, how))
    end
    tick()
  end
  if c.code ~= expected then
    violated(("after %s it ended with %d and not with %d"):format(how, c.code, expected))
  elseif c:processes()[1] then
    violated "something is left in the namespace"
  end
  return how, now() - sent_at
end

local function main()
  print(("soak: %d s, seed %d (%s)"):format(seconds, seed, repeat_with()))
  io.stdout:flush()
  math.randomseed(seed)
  c = container.start { script = script_text(1), files = FILES, limit = seconds + 300 }
  ledger = books.open(c:file "told", violated)
  c:until_true(function()
    return c:read "told" or c:ended()
  end, 10, "the script")
  processes = inside.enter(c.pid)
  local length = math.max(1, math.min(6, seconds / 10))
  warm_up(length)
  while now() < seconds - length do
    run_round(one_of { "stuck", "reload", "crash", "crash" }, length)
  end
  local how, took = finish()
  processes:leave()
  print(("soak: %d s, seed %d: %d deaths, %d storms with %d orphans, %d services killed, %d scripts killed and %d " ..
    "stopped, %d reloads, %d signals, %d raised, %d lost with scripts; %d rounds; %s took %.1f s: all invariants held")
    :format(seconds, seed, ledger.deaths, sum.storms, sum.orphans, sum.kills, sum.script_kills, sum.stops,
      ledger.reloads, sum.signals, ledger.raised, sum.lost, sum.rounds, how, took))
  container.close_all()
end

local ok, message = xpcall(main, debug.traceback)
if not ok then
  container.close_all()
  error(message, 0)
end
