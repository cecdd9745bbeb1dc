-- What on_reap is told of a death: status, rusage and info.

local container = require "spec.support.container"
local script = require "spec.support.script"

-- Spawns one child from `spec` (Lua text) and prints what `print_line` makes of its death.
local function death(spec, print_line, options)
  local out, err, code = script.run(([[
    function on_start() assert(reaper.spawn(%s)) end
    function on_reap(pid, status, rusage, info) %s reaper.exit() end
  ]]):format(spec, print_line), options)
  assert.are.same({ "", 0 }, { err, code })
  return out
end

local function shell(text)
  return ("{ 'sh', '-c', %q }"):format(text)
end

describe("status", function()
  after_each(container.close_all)

  local SHOW = [[
    print(status.kind, status.code, status.signal, status.core, status.ok, status.exit_code, status.raw, status)
    local known = { kind = 1, code = 1, signal = 1, core = 1, ok = 1, exit_code = 1, raw = 1 }
    for key in pairs(status) do assert(known[key], key) end
  ]]

  local function row(...)
    return table.concat({ ... }, "\t") .. "\n"
  end

  local rows = {
    { "exit 0", "exit 0", row("exit", "0", "nil", "false", "true", "0", "0", "exit 0") },
    { "exit 3", "exit 3", row("exit", "3", "nil", "false", "false", "3", "768", "exit 3") },
    { "exit 255", "exit 255", row("exit", "255", "nil", "false", "false", "255", "65280", "exit 255") },
    { "KILL", "kill -9 $$", row("signal", "9", "SIGKILL", "false", "false", "137", "9", "signal SIGKILL") },
    { "SEGV without a core dump", "ulimit -c 0; kill -11 $$",
      row("signal", "11", "SIGSEGV", "false", "false", "139", "11", "signal SIGSEGV") },
    { "a real-time signal", "kill -36 $$",
      row("signal", "36", "SIGRTMIN+2", "false", "false", "164", "36", "signal SIGRTMIN+2") },
  }
  for _, expected in ipairs(rows) do
    it("of " .. expected[1], function()
      assert.are.equal(expected[3], death(shell(expected[2]), SHOW))
    end)
  end

  -- Where the machine hands core dumps to a program or forbids them, this cannot be seen.
  local function writes_core_dumps()
    local pattern = assert(io.open("/proc/sys/kernel/core_pattern")):read("l")
    return not pattern:find("^|") and os.execute("test $(ulimit -Hc) = unlimited")
  end

  if writes_core_dumps() then
    it("of a death with a core dump", function()
      assert.are.equal(row("signal", "6", "SIGABRT", "true", "false", "134", "134", "signal SIGABRT (core dumped)"),
        death("{ 'sh', '-c', 'kill -6 $$', cwd = '{folder}', rlimit = { core = math.huge } }", SHOW))
    end)
  else
    pending("of a death with a core dump: this machine writes none")
  end
end)

describe("rusage", function()
  after_each(container.close_all)

  -- What the child reads of itself in /proc as its last act.
  local CHILD = [[
    local text = ("x"):rep(50 * 1024 * 1024)
    local file = io.open("{folder}/data", "w")
    file:write(text:sub(1, 1024 * 1024))
    file:close()
    local begin = os.clock()
    repeat until os.clock() - begin > 0.2
    local own = io.open("{folder}/own", "w")
    for _, name in ipairs { "stat", "status", "io" } do
      own:write(io.open("/proc/self/" .. name):read("a"))
    end
    own:close()
  ]]

  local function run(child)
    local c = script.start(([==[
      function on_start() reaper.spawn{ "lua5.4", "-e", [=[%s]=] } end
      function on_reap(_, _, rusage)
        for key, value in pairs(rusage) do print(key, math.type(value), value) end
        print("done")
      end
    ]==]):format(child))
    c:expect("done\n")
    local rusage, kinds = {}, {}
    for key, kind, value in c:out():gmatch("(%w+)\t(%a+)\t(%S+)\n") do
      rusage[key], kinds[key] = tonumber(value), kind
    end
    return rusage, kinds, c:read("own")
  end

  local function near(value, least, most)
    assert.is_true(value >= least and value <= most, ("%s is not in %s … %s"):format(value, least, most))
  end

  it("has all its fields, in their units", function()
    local _, kinds = run("")
    local expected = { utime = "float", stime = "float" }
    for key in ("maxrss minflt majflt inblock oublock nvcsw nivcsw"):gmatch("%a+") do
      expected[key] = "integer"
    end
    assert.are.same(expected, kinds)
  end)

  it("of a child that does nothing is small, but not nothing", function()
    local rusage = run("")
    near(rusage.utime + rusage.stime, 0, 0.1)
    near(rusage.maxrss, 512 * 1024, (container.under and 300 or 30) * 1024 * 1024) -- valgrind's memory is in it
  end)

  it("agrees with what a child that computes, takes memory and writes has read of itself", function()
    local rusage, _, own = run(CHILD)
    local minflt, majflt = own:match("^%d+ %b() %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) %S+ (%d+)")
    local function field(name)
      return tonumber(own:match("\n" .. name .. ":%s*(%d+)"))
    end
    near(rusage.utime + rusage.stime, 0.2, 2)
    assert.is_true(rusage.maxrss >= 50 * 1024 * 1024)
    near(rusage.maxrss, field("VmHWM") * 1024 * 0.9, field("VmHWM") * 1024 * 1.1)
    near(rusage.minflt, tonumber(minflt), tonumber(minflt) + 1000)
    near(rusage.majflt, tonumber(majflt), tonumber(majflt) + 100)
    -- How often it was interrupted after it has read them is the machine's affair: a mistaken field is below them.
    near(rusage.nvcsw, field("voluntary_ctxt_switches"), field("voluntary_ctxt_switches") + 1000)
    near(rusage.nivcsw, field("nonvoluntary_ctxt_switches"), field("nonvoluntary_ctxt_switches") + 1000)
    near(rusage.oublock, field("write_bytes") // 512, field("write_bytes") // 512 + 64)
    near(rusage.inblock, field("read_bytes") // 512, field("read_bytes") // 512 + 2048)
  end)
end)

describe("info", function()
  after_each(container.close_all)

  local SHOW = "print(info.comm, info.main, info.orphan, info.name, info.oom)"

  container.each_mode(function(mode)
    it("tells the main child, spawned children and orphans apart, with the program's name", function()
      local out = script.run([[
        function on_start() reaper.spawn{ "sh", "-c", "exit 0", name = "spawned one" } reaper.spawn{ "true" } end
        function on_reap(_, _, _, info) ]] .. SHOW .. [[ end
      ]], { mode = mode, command = { container.helper, "orphans", "2", "--comm", "odd) (name" } })
      local lines = script.lines(out)
      table.sort(lines)
      assert.are.same({
        "made 2",
        "odd) (name\tfalse\ttrue\tnil\tfalse",
        "odd) (name\tfalse\ttrue\tnil\tfalse",
        "sh\tfalse\tfalse\tspawned one\tfalse",
        "spec-helper\ttrue\tfalse\tnil\tfalse",
        "true\tfalse\tfalse\tnil\tfalse",
      }, lines)
    end)
  end)

  it("has the lifetime in seconds", function()
    local lifetime = tonumber(death("{ 'sleep', '0.5' }", "print(info.lifetime)"))
    assert.is_true(lifetime >= 0.48 and lifetime < 0.5 + 2 * container.slow, lifetime)
  end)

  it("is not made without a fourth parameter", function()
    local out = script.run([[
      function on_start() reaper.spawn{ "true" } end
      local function fourth(...) print((select(4, ...))) reaper.exit() end
      function on_reap(pid, status, rusage) fourth(pid, status, rusage) end
    ]])
    assert.are.equal("nil\n", out)
  end)

  it("is made as soon as one listener wants it", function()
    local out = script.run([[
      function on_reap(_, _, rusage) print(rusage ~= nil) end
      function on_start()
        reaper.on("on_reap", function(_, _, _, info) print(info.comm) reaper.exit() end)
        reaper.spawn{ "true" }
      end
    ]])
    assert.are.equal("true\ntrue\n", out)
  end)

  -- A counter of the cgroup, which only this container sees.
  local function faked(steps)
    local prepare = ('set -e; mount -t tmpfs none /sys/fs/cgroup; %s; exec "$@"'):format(steps)
    return { wrap = { "/bin/sh", "-c", prepare, "sh" } }
  end

  local versions = {
    ["version 2"] = {
      file = "/sys/fs/cgroup/memory.events",
      steps = "printf '0::/\\n' > {folder}/cgroup",
    },
    ["version 2 with the group's own folder"] = {
      file = "/sys/fs/cgroup/system/me.scope/memory.events",
      steps = "mkdir -p /sys/fs/cgroup/system/me.scope; printf '0::/system/me.scope\\n' > {folder}/cgroup",
    },
    ["version 1"] = {
      file = "/sys/fs/cgroup/memory/memory.oom_control",
      steps = "mkdir /sys/fs/cgroup/memory; printf '7:cpu:/x\\n4:memory:/docker/x\\n' > {folder}/cgroup",
    },
  }
  for version, row in pairs(versions) do
    local steps = ("%s; printf 'low 0\\noom_kill 2\\n' > %s; mount --bind {folder}/cgroup /proc/$$/cgroup")
      :format(row.steps, row.file)
    local moved = ("printf 'low 0\\noom_kill 3\\n' > %s;"):format(row.file)

    local function oom(command)
      return death(shell(command), "print(info.oom)", faked(steps))
    end

    it("says that a KILL was the out-of-memory killer's when the counter moved: cgroup " .. version, function()
      assert.are.equal("true\n", oom(moved .. " kill -9 $$"))
    end)

    it("says no when the counter stood still, or another signal ended it: cgroup " .. version, function()
      assert.are.equal("false\n", oom("kill -9 $$"))
      assert.are.equal("false\n", oom(moved .. " kill -15 $$"))
      assert.are.equal("false\n", oom(moved .. " exit 137"))
    end)
  end

  it("counts one death for each step of the counter", function()
    local row = versions["version 2"]
    local out = script.run(([[
      function on_start()
        local script = "echo oom_kill 2 > %s; kill -9 $$"
        reaper.run{ "sh", "-c", script }
        reaper.run{ "sh", "-c", "kill -9 $$" }
        reaper.run{ "sh", "-c", "kill -9 $$" }
        reaper.exit()
      end
      function on_reap(_, _, _, info) print(info.oom) end
    ]]):format(row.file), faked(row.steps .. "; echo oom_kill 0 > " .. row.file ..
      "; mount --bind {folder}/cgroup /proc/$$/cgroup"))
    assert.are.equal("true\ntrue\nfalse\n", out)
  end)
end)
