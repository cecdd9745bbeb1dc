-- reaperctl metrics: what Prometheus reads, and that it is what status and reaper.stats() say.

local container = require "spec.support.container"
local control = require "spec.support.control"
local exposition = require "spec.support.exposition"

local function metrics(c, ...)
  local code, out, err = control.inside(c, {}, "metrics", ...)
  assert.are.same({ 0, "" }, { code, err })
  local families, series = exposition.read(out)
  return series, families, out
end

-- Waits until a series has that value.
local function expect_series(c, key, value)
  return c:until_true(function()
    local series = metrics(c)
    return series[key] == value and series
  end, nil, ("%s to be %s"):format(key, value))
end

local SERVICES = [[
require "reaper.supervisor".run {
  { name = "web", command = { "sleep", "1000" } },
  { name = "bad", command = { "sh", "-c", "kill -KILL $$" }, restart = "never", when_failed = "ignore" },
  { name = "twice", command = { "sh", "-c", "test -e {folder}/once && exec sleep 1000; >{folder}/once; exit 7" },
    restart = "always" },
}
]]

local BARE = {
  "reaper_build_info", "reaper_events_dropped_total", "reaper_processes", "reaper_reaped_total",
  "reaper_start_time_seconds", "reaper_state", "reaper_zombies",
}

local SCRIPT = { "reaper_script_busy_seconds", "reaper_script_restarts_total", "reaper_script_up" }

local SERVICE = {
  "reaper_service_cpu_seconds_total", "reaper_service_last_exit_code", "reaper_service_resident_memory_bytes",
  "reaper_service_restarts_total", "reaper_service_start_time_seconds", "reaper_service_state",
}

-- It depends on the machine.
local OPTIONAL = { reaper_pids_limit = true }

local function names_of(families)
  local names = {}
  for name in pairs(families) do
    names[#names + 1] = not OPTIONAL[name] and name or nil
  end
  table.sort(names)
  return names
end

local function joined(...)
  local all = {}
  for _, list in ipairs { ... } do
    table.move(list, 1, #list, #all + 1, all)
  end
  table.sort(all)
  return all
end

describe("reaperctl metrics", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("has the families of the design, each with HELP and TYPE, and no pids", function()
      local c = container.start { mode = mode, script = SERVICES }
      local series = expect_series(c, 'reaper_service_restarts_total{service="twice"}', 1)
      local _, families, text = metrics(c)
      assert.are.same(joined(BARE, SCRIPT, SERVICE), names_of(families))
      assert.are.equal(1, series['reaper_service_state{service="web",state="running"}'])
      assert.are.equal(0, series['reaper_service_state{service="web",state="failed"}'])
      assert.are.equal(1, series['reaper_service_state{service="bad",state="failed"}'])
      assert.are.equal(137, series['reaper_service_last_exit_code{service="bad"}'])
      assert.are.equal(7, series['reaper_service_last_exit_code{service="twice"}'])
      assert.are.equal(1, series['reaper_state{state="running"}'])
      assert.are.equal(1, series["reaper_script_up{}"])
      assert.is_falsy(text:find "pid[%s=\"]")
      local now = os.time()
      for _, key in ipairs { "reaper_start_time_seconds{}", 'reaper_service_start_time_seconds{service="web"}' } do
        assert.is_true(math.abs(now - series[key]) < 60, key)
      end
    end)
  end)

  it("leaves out what is not there: the script, services", function()
    local c = container.start { raw = { "--pause" } }
    local _, families = metrics(c)
    assert.are.same(BARE, names_of(families))
    c = container.start { raw = { "--", "sleep", "1000" } }
    local series = expect_series(c, 'reaper_service_state{service="main",state="running"}', 1)
    assert.is_nil(series["reaper_script_up{}"])
    assert.is_nil(series['reaper_service_last_exit_code{service="main"}'])
  end)

  it("gives exactly one state each, of those that the program knows", function()
    local c = container.start { script = SERVICES }
    expect_series(c, 'reaper_service_restarts_total{service="twice"}', 1)
    local _, families = metrics(c)
    local sums, known = {}, {}
    for _, sample in ipairs(families.reaper_service_state.samples) do
      sums[sample.labels.service] = (sums[sample.labels.service] or 0) + sample.value
      known[sample.labels.state] = true
    end
    assert.are.same({ web = 1, bad = 1, twice = 1 }, sums)
    local machine = container.read_file "lua/reaper/supervisor/machine.lua"
    for state in machine:match "\nreturn {(\n.*)}":gmatch "%f[^\n]  ([%l_]+) = " do
      assert.is_true(known[state], state)
      known[state] = nil
    end
    assert.are.same({}, known)
    local source = container.read_file "src/engine/report.c"
    for _, sample in ipairs(families.reaper_state.samples) do
      known[sample.labels.state] = true
    end
    for state in source:match "state_names%[ENGINE_STATES%] = {(.-)};":gmatch '"(.-)"' do
      assert.is_true(known[state], state)
      known[state] = nil
    end
    assert.are.same({}, known)
  end)

  it("says what reaper.stats() says", function()
    local c = container.start {
      script = [[
        function on_signal()
          local stats = reaper.stats()
          print(stats.reaped, stats.orphans, stats.dropped, stats.script_restarts)
          return false
        end
      ]],
      command = { "sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.05 & ) ; done; echo up; exec sleep 1000" },
    }
    c:expect "up"
    expect_series(c, 'reaper_reaped_total{kind="orphan"}', 5)
    c:kill "USR1"
    local reaped, orphans, dropped, restarts = c:expect "(%d+)\t(%d+)\t(%d+)\t(%d+)\n"
    local series = metrics(c)
    assert.are.equal(tonumber(orphans), series['reaper_reaped_total{kind="orphan"}'])
    assert.are.equal(tonumber(reaped) - tonumber(orphans), series['reaper_reaped_total{kind="child"}'])
    assert.are.equal(tonumber(dropped), series["reaper_events_dropped_total{}"])
    assert.are.equal(tonumber(restarts), series["reaper_script_restarts_total{}"])
  end)

  it("counts processes and zombies", function()
    local c = container.start { raw = { "--", container.helper, "sleepers", "3" } }
    c:until_true(function()
      return metrics(c)['reaper_processes{state="sleeping"}'] >= 5
    end)
    assert.are.equal(0, metrics(c)["reaper_zombies{}"])
    for _, process in ipairs(c:processes()) do
      if process.args:find "^%S+ sleepers" and process.comm == "spec-helper" then
        c:kill("STOP", process.pid)
      end
    end
    expect_series(c, 'reaper_processes{state="stopped"}', 1)
    for _, process in ipairs(c:processes()) do
      if process.comm == "spec-sleeper" then
        c:kill("KILL", process.pid)
      end
    end
    expect_series(c, "reaper_zombies{}", 3)
    expect_series(c, 'reaper_processes{state="zombie"}', 3)
  end)

  it("has no processes of the machine when it is asked from outside", function()
    local c = container.start { raw = { "--", "sleep", "1000" } }
    local out = control.see(c, "reaper_state", "metrics")
    assert.is_falsy(out:find "reaper_zombies" or out:find "reaper_processes")
  end)

  it("says for how long a hook computes", function()
    local c = container.start { script = 'function on_signal() print "blocks" os.execute "sleep 1000" end' }
    expect_series(c, "reaper_script_up{}", 1)
    expect_series(c, "reaper_script_busy_seconds{}", 0)
    c:kill "USR1"
    c:expect "blocks"
    c:until_true(function()
      return metrics(c)["reaper_script_busy_seconds{}"] > 0.2
    end)
  end)

  it("sums up what the processes of a service use, and shows nothing of it where they cannot be seen", function()
    local c = container.start {
      script = SERVICES:gsub('"sleep", "1000" } }', '"sh", "-c", "while :; do :; done & wait" } }'),
    }
    local cpu, memory
    c:until_true(function()
      local series = metrics(c)
      cpu = series['reaper_service_cpu_seconds_total{service="web"}']
      memory = series['reaper_service_resident_memory_bytes{service="web"}']
      return cpu and cpu > 0.05
    end)
    assert.is_true(memory > 100000 and memory < 1e9, memory)
    local code, out = control.run(c, "metrics")
    assert.are.equal(0, code)
    local families = exposition.read(out)
    assert.is_nil(families.reaper_service_cpu_seconds_total)
    assert.is_truthy(families.reaper_service_state)
  end)

  it("escapes whatever a page says", function()
    local c = container.start {
      script = [[
        local core = require "reaper.core"
        core.show_services(3)
        core.show_service(1, { name = 'a"b\\c\nd\xff', state = "running", detail = "", output = "" })
        core.show_service(2, { name = "x", state = "running", detail = "", output = "" })
        core.show_service(3, { name = "x", state = "no\nstate", detail = "", output = "" })
        function on_start()
          core.show_services(3)
          print "shown"
        end
      ]],
    }
    c:expect "shown"
    local _, families = metrics(c)
    local names = {}
    for _, sample in ipairs(families.reaper_service_restarts_total.samples) do
      names[#names + 1] = sample.labels.service
    end
    assert.are.same({ 'a"b\\c\nd\u{fffd}', "x" }, names)
  end)
end)

describe("the limit of processes", function()
  local folder
  local limit_of

  local function write(path, text)
    local file <close> = assert(io.open(folder .. "/" .. path, "w"))
    file:write(text)
  end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -p " .. folder .. "/proc/7 " .. folder .. "/sys/fs/cgroup/pids/g " .. folder
      .. "/sys/fs/cgroup/g"))
    limit_of = function(line, files)
      write("proc/7/cgroup", line)
      for path, text in pairs(files) do
        write("sys/fs/cgroup/" .. path, text)
      end
      return dofile "lua/reaper/control/cgroup.lua".pids_limit(7, folder)
    end
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("is that of the process's cgroup of version 2", function()
    assert.are.equal(50, limit_of("0::/g\n", { ["g/pids.max"] = "50\n", ["pids.max"] = "9\n" }))
  end)

  it("is that of the root that a container sees", function()
    assert.are.equal(9, limit_of("0::/elsewhere\n", { ["pids.max"] = "9\n" }))
  end)

  it("is that of version 1, also beside version 2", function()
    assert.are.equal(70, limit_of("8:cpu,pids:/g\n1:name=pids:/\n0::/\n", { ["pids/g/pids.max"] = "70\n" }))
  end)

  it("is none where there is no limit, and where nothing is to be read", function()
    assert.is_nil(limit_of("0::/g\n", { ["g/pids.max"] = "max\n" }))
    assert.is_nil(limit_of("0::/none\n", {}))
    assert.is_nil(limit_of("8:mypids:/g\n", { ["pids/g/pids.max"] = "70\n" }))
    assert.is_nil(limit_of("", {}))
    assert.is_nil(limit_of("nonsense\n", {}))
  end)
end)
