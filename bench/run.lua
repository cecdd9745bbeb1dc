-- make bench: every init does the same work in turn, round by round; medians, ratios to the bare loop, targets.
--
--   lua5.4 bench/run.lua FOLDER REAPER [SCENARIO…]
--
-- FOLDER holds start, load and limit; REAPER is the binary. BENCH_PEERS="name=path …" adds peers that are called as
-- tini is: path -- COMMAND. BENCH_ROUNDS=n (default 3).

local folder, reaper = arg[1], arg[2]
local here = os.getenv "PWD"
local only = {}
for i = 3, #arg do
  only[arg[i]] = true
end
local ROUNDS = tonumber(os.getenv "BENCH_ROUNDS" or 3)

-- ---- Who takes part. ----

local ON_REAP = "function on_reap(pid, status, rusage) end"
local WITH_INFO = "function on_reap(pid, status, rusage, info) end"
local TEN_LINES = [[
local deaths = 0
function on_start(pid)
  reaper.log("info", "started", { pid = pid })
end
function on_reap(pid, status, rusage)
  deaths = deaths + 1
  if not status.ok then
    reaper.log("warning", ("%d ended: %s"):format(pid, status))
  end
end
]]

local function script(text)
  return { reaper, "-q", "-x", text, "--" }
end

local limit = { name = "bare loop", command = { folder .. "/limit" } }
local plain = { name = "reaper-lua", command = { reaper, "--" } }
local hooked = { name = "+ on_reap", command = script(ON_REAP) }
local informed = { name = "+ info", command = script(WITH_INFO) }
local go = os.tmpname()
os.remove(go) -- it is there when the script is to go on
local counting = {
  name = "reaper-lua", command = { "env", "BENCH_COUNT=50000", "BENCH_GO=" .. go, reaper, "bench/rate.lua", "--" },
}
local ten_lines = { name = "+ ten lines", command = script(TEN_LINES) }

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

local peers = {}
for _, peer in ipairs {
  { name = "tini", path = "/usr/bin/tini" }, { name = "tini-static", path = "/usr/bin/tini-static" },
  { name = "dumb-init", path = "/usr/bin/dumb-init", option = "-c" }, -- else it stops COMMAND at TSTP
  { name = "catatonit", path = "/usr/bin/catatonit" },
} do
  if exists(peer.path) then
    peers[#peers + 1] = { name = peer.name, command = { peer.path, peer.option or "--", peer.option and "--" } }
  end
end
for name, path in (os.getenv "BENCH_PEERS" or ""):gmatch "([^%s=]+)=(%S+)" do
  peers[#peers + 1] = { name = name, command = { path, "--" } }
end

-- s6-svscan has no COMMAND: it finds its service in a folder, and is ended when that is through.
local s6 = exists "/usr/bin/s6-svscan" and { name = "s6-svscan", is_scan = true } or nil

local function with(...)
  local list = { limit, ... }
  table.move(peers, 1, #peers, #list + 1, list)
  return list
end

local function and_s6(list)
  list[#list + 1] = s6
  return list
end

-- ---- One run. ----

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function quoted(words)
  local list = {}
  for i, word in ipairs(words) do
    list[i] = quote(word)
  end
  return table.concat(list, " ")
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  return pipe:close() and text, text
end

local function command_of(init, load)
  if not init.is_scan then
    return quoted(init.command) .. " " .. load
  end
  local scan = output "mktemp -d":gsub("\n", "")
  os.execute(("mkdir -p %s/load"):format(scan))
  write(scan .. "/load/run", ("#!/bin/sh\ncd '%s' && exec %s\n"):format(here, load))
  os.execute(("chmod +x %s/load/run"):format(scan))
  return "-k /usr/bin/s6-svscan " .. scan, scan
end

local failures = 0

-- The figures of one run, by name.
local function run(init, load, seconds)
  local command, scan = command_of(init, quoted { folder .. "/load" } .. " " .. load)
  local text, said = output(("exec 2>&1; %s %g %s"):format(quote(folder .. "/start"), seconds, command))
  if scan then
    os.execute("rm -rf " .. quote(scan))
  end
  local figures = {}
  for name, number in (text or ""):gmatch "([%a_%d]+) (%-?[%d.]+)\n" do
    figures[name] = tonumber(number)
  end
  if not text then
    failures = failures + 1
    io.stderr:write(("%s, %s: no result: %s\n"):format(init.name, load, said))
  end
  return figures
end

-- ---- Scenarios. ----

local scenarios = {
  { name = "storm", load = "storm 34000", inits = and_s6(with(plain, hooked, informed)), seconds = 60 },
  { name = "latency", load = "latency 1000", inits = and_s6(with(plain, hooked)), seconds = 60,
    rounds = 2 * ROUNDS },
  { name = "crowd", load = "latency 300 10000", inits = and_s6(with(plain, hooked)), seconds = 60 },
  { name = "burst", load = "burst 10000", inits = and_s6(with(plain, hooked)), seconds = 60,
    rounds = 2 * ROUNDS },
  { name = "rate", load = "rate 50000", seconds = 60, inits = { counting }, rounds = 2 * ROUNDS },
  { name = "signals", load = "signals 1000", inits = with(plain), seconds = 30 },
  { name = "start", load = "start", inits = with(plain, ten_lines), seconds = 5, rounds = 20 * ROUNDS },
  { name = "idle", load = "idle 20", inits = { plain, ten_lines }, seconds = 60, rounds = 1 },
  { name = "memory", load = "memory 100000", inits = and_s6(with(plain, ten_lines)), seconds = 60, rounds = 1 },
}

local results = {} -- scenario → init's name → list of figures, one for each round

local function run_all(scenario)
  local found = {}
  results[scenario.name] = found
  for round = 1, scenario.rounds or ROUNDS do
    for _, init in ipairs(scenario.inits) do
      found[init.name] = found[init.name] or {}
      found[init.name][round] = run(init, scenario.load, scenario.seconds)
    end
  end
end

-- ---- Figures. ----

local function median(values)
  table.sort(values)
  local middle = (#values + 1) // 2
  return #values % 2 == 1 and values[middle] or #values > 0 and (values[middle] + values[middle + 1]) / 2 or nil
end

-- `of` is the name of a figure, or a function of all figures of a run.
local function value(figures, of)
  if type(of) == "function" then
    return of(figures)
  end
  return figures[of]
end

local function figure(scenario, init, of)
  local values = {}
  for _, figures in ipairs((results[scenario] or {})[init] or {}) do
    values[#values + 1] = value(figures, of)
  end
  return median(values)
end

-- The median of the ratios, each of one round.
local function ratio(scenario, init, of, base_scenario, base)
  local own, others, values = results[scenario][init], results[base_scenario or scenario][base or limit.name], {}
  for round = 1, math.min(#own, #others) do
    local left, right = value(own[round], of), value(others[round], type(of) == "string" and of or "engine_cpu_us")
    values[#values + 1] = left and right and right > 0 and left / right or nil
  end
  return median(values)
end

local function total(figures)
  return figures.engine_cpu_us and figures.engine_cpu_us + figures.script_cpu_us
end

local function best_peer(scenario, of)
  local best = math.huge
  for _, peer in ipairs(peers) do
    best = math.min(best, figure(scenario, peer.name, of) or math.huge)
  end
  best = math.min(best, s6 and figure(scenario, s6.name, of) or math.huge)
  return best < math.huge and best or nil
end

local function file_size(path)
  local file = assert(io.open(path, "rb"))
  local size = file:seek "end"
  file:close()
  return size
end

-- What is shown of each scenario: title, name of the figure, how many decimals, and whether ratios make sense.
local rows = {
  { "storm", "CPU of process 1 for each reap, µs", "engine_cpu_us", 2, true },
  { "storm", "CPU of the script process for each reap, µs", "script_cpu_us", 2 },
  { "latency", "zombie to reaped, p50, µs", "latency_p50_us", 1, true },
  { "crowd", "the same with 10,000 live children, p50, µs", "latency_p50_us", 1, true },
  { "crowd", "CPU of process 1 for each of these, µs", "engine_cpu_us", 1, true },
  { "burst", "10,000 at once: until none is left, ms", "burst_ms", 0, true },
  { "rate", "calls of on_reap in a second", "calls_per_s", 0 },
  { "signals", "signal in to signal out, p50, µs", "signal_p50_us", 1, true },
  { "signals", "of 58 signals are lost", "signals_lost", 0 },
  { "signals", "of 1,000 real-time signals", "burst_through", 0 },
  { "start", "exec of the init to COMMAND's main, p50, µs", "start_us", 0, true },
  { "start", "COMMAND's end to the init's, p50, µs", "end_us", 0, true },
  { "idle", "wake-ups of process 1 in 20 s", "engine_wakeups", 0 },
  { "idle", "wake-ups of the script process in 20 s", "script_wakeups", 0 },
  { "memory", "dirty memory of process 1, kB", "engine_kb", 0 },
  { "memory", "the same after 100,000 deaths, kB", "engine_later_kb", 0 },
  { "memory", "dirty memory of the script process, kB", "script_kb", 0 },
  { "memory", "the same after 100,000 deaths, kB", "script_later_kb", 0 },
}

-- Each: scenario, what, function that gives the figure, the target, and whether it is a least.
local function targets()
  local function compared(scenario, init, of, most, what)
    return { scenario, what, function() return ratio(scenario, init, of) end, most }
  end
  local function of_script(scenario, key)
    return figure(scenario, "+ ten lines", key)
  end
  local function grown(key)
    return function() return of_script("memory", key .. "_later_kb") - of_script("memory", key .. "_kb") end
  end
  local function plainly(scenario, key)
    return function() return figure(scenario, "reaper-lua", key) end
  end
  return {
    compared("storm", "reaper-lua", "engine_cpu_us", 1.08, "CPU for each reap, ratio"),
    compared("storm", "+ on_reap", "engine_cpu_us", 1.12, "the same with on_reap"),
    compared("storm", "+ on_reap", total, 1.40, "the same, both processes"),
    compared("latency", "reaper-lua", "latency_p50_us", 1.10, "latency, ratio"),
    compared("latency", "+ on_reap", "latency_p50_us", 1.20, "the same with on_reap"),
    { "crowd", "latency with 10,000 live, ratio to its own with none",
      function() return ratio("crowd", "reaper-lua", "latency_p50_us", "latency", "reaper-lua") end, 2 },
    { "crowd", "CPU there, ratio to the best peer",
      function() return figure("crowd", "reaper-lua", "engine_cpu_us") / best_peer("crowd", "engine_cpu_us") end, 0.1 },
    { "burst", "burst, ratio to the best peer",
      function() return figure("burst", "reaper-lua", "burst_ms") / best_peer("burst", "burst_ms") end, 1 },
    { "rate", "calls of on_reap in a second", plainly("rate", "calls_per_s"), 800000, true },
    { "storm", "the look into /proc, µs", function()
      return figure("storm", "+ info", "engine_cpu_us") - figure("storm", "+ on_reap", "engine_cpu_us")
    end, 12 },
    compared("signals", "reaper-lua", "signal_p50_us", 1.10, "signal, ratio"),
    { "signals", "signals that are lost", plainly("signals", "signals_lost"), 0 },
    { "signals", "of 1,000 real-time signals come through", plainly("signals", "burst_through"), 1000, true },
    compared("start", "reaper-lua", "start_us", 1.3, "start, ratio"),
    { "start", "start with a script: ms more than without", function()
      return (of_script("start", "start_us") - figure("start", "reaper-lua", "start_us")) / 1000
    end, 1 },
    compared("start", "reaper-lua", "end_us", 1.2, "end, ratio"),
    { "idle", "wake-ups of both in 20 s", function()
      return of_script("idle", "engine_wakeups") + of_script("idle", "script_wakeups")
    end, 0 },
    { "memory", "both processes with a ten-line script, kB", function()
      return of_script("memory", "engine_kb") + of_script("memory", "script_kb")
    end, 340 },
    { "memory", "both after 100,000 deaths: kB more", function() return grown "engine"() + grown "script"() end, 64 },
    { "size", "the binary, bytes (480 KiB)", function() return file_size(reaper) end, 480 * 1024 },
  }
end

-- ---- Showing. ----

local function show_row(row)
  local scenario, title, key, decimals, compare = table.unpack(row)
  if not results[scenario] then
    return
  end
  print(("%s: %s"):format(scenario, title))
  local line = "    %-12s %12." .. decimals .. "f%s"
  for _, found in ipairs(scenarios) do
    for _, init in ipairs(found.name == scenario and found.inits or {}) do
      local number = figure(scenario, init.name, key)
      local compared = compare and ratio(scenario, init.name, key)
      if number then
        print(line:format(init.name, number, compared and ("  x %.2f"):format(compared) or ""))
      end
    end
  end
end

local function show_targets()
  print "\ntarget                                                  measured      wanted"
  local missed = 0
  for _, target in ipairs(targets()) do
    local scenario, what, measure, wanted, is_least = table.unpack(target)
    if scenario == "size" or results[scenario] then
      local ok, number = pcall(measure)
      number = ok and number or nil
      local met = number and (is_least and number >= wanted or not is_least and number <= wanted)
      missed = missed + (met and 0 or 1)
      print(("%-52s %11s %s %9.6g  %s"):format(scenario .. ": " .. what, number and ("%.4g"):format(number) or "none",
        is_least and ">=" or "<=", wanted, met and "met" or "MISSED"))
    end
  end
  print(("\n%d targets missed, %d runs without a result"):format(missed, failures))
end

-- The names of the figures that any round has.
local function names_of(rounds)
  local seen, names = {}, {}
  for _, figures in ipairs(rounds) do
    for name in pairs(figures) do
      names[#names + 1] = not seen[name] and name or nil
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

local function show_json()
  for _, scenario in ipairs(scenarios) do
    for _, init in ipairs(results[scenario.name] and scenario.inits or {}) do
      local line = ('{"scenario":"%s","init":"%s"'):format(scenario.name, init.name)
      for _, name in ipairs(names_of(results[scenario.name][init.name])) do
        line = line .. (',"%s":%.3f'):format(name, figure(scenario.name, init.name, name))
      end
      print(line .. "}")
    end
  end
end

local known = {}
for _, scenario in ipairs(scenarios) do
  known[scenario.name] = true
end
for name in pairs(only) do
  if not known[name] then
    io.stderr:write(("bench: there is no scenario '%s'\n"):format(name))
    os.exit(2)
  end
end
for _, scenario in ipairs(scenarios) do
  if next(only) == nil or only[scenario.name] then
    io.stderr:write(scenario.name, "\n")
    run_all(scenario)
  end
end
for _, row in ipairs(rows) do
  show_row(row)
end
show_targets()
print ""
show_json()
os.exit(failures == 0)
