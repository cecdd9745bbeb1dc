-- The scripts in examples/policies do what they say, with shell scripts for the programs that they start. Each is run
-- by reaper-lua itself in some of the cases; what has no mode runs in virtual time (spec/support/virtual.lua).

local uv = require "luv"
local container = require "spec.support.container"
local virtual = require "spec.support.virtual"
local script = require "spec.support.script".over(virtual)

local FOLDER = "examples/policies/"

local function read(path)
  return assert(container.read_file(path), path)
end

-- Says when a policy that replaces another one has started, and what services do.
local TELL = [[

reaper.on("on_service", function(name, state) io.stderr:write("service: ", name, " ", state, "\n") end)
reaper.on("on_start", function(_, again)
  reaper.after(0, function() io.stderr:write(again and "policy: " .. again .. "\n" or "") end)
end)]]

-- Runs the example, or the text in its place, in a folder with these programs. `more` is merged into
-- container.start's table.
local function start(name, programs, more, text)
  local options = { cwd = "{folder}", files = {} }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  for program, commands in pairs(programs) do
    options.files[program] = "#!/bin/sh\n" .. commands .. "\n"
  end
  return script.start((text or read(FOLDER .. name .. ".lua")) .. TELL, options)
end

-- The example with something else in place of a text in it.
local function edited(name, from, to)
  local text = read(FOLDER .. name .. ".lua")
  local first, last = text:find(from, 1, true)
  assert(first, from .. " is not in the example")
  return text:sub(1, first - 1) .. to .. text:sub(last + 1)
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

-- A signal to the process with that pid in the container.
local function send(c, signal, nspid)
  for _, process in ipairs(c:processes()) do
    if process.nspid == tonumber(nspid) then
      return assert(c:kill(signal, process.pid))
    end
  end
  error("there is no process " .. nspid)
end

local function ends_with_0(c)
  c:kill "TERM"
  assert.equal(0, c:wait())
end

-- Kills the policy, and waits until the next one has taken over.
local function replace_policy(c)
  script.kill_script(c)
  c:err_expect "policy: crash\n"
end

describe("each script in examples/policies", function()
  for file in uv.fs_scandir_next, assert(uv.fs_scandir(FOLDER)) do
    it(file .. " says on top how to run it, and is run by a spec", function()
      local comment = read(FOLDER .. file):match("^%-%- .-\nlocal ")
      assert.truthy(comment:find("reaper-lua " .. file, 1, true), comment)
      assert.truthy(read("spec/policies_spec.lua"):find('start("' .. file:gsub("%.lua$", "") .. '"', 1, true))
    end)
  end
end)

describe("examples/policies/by_code.lua", function()
  after_each(container.close_all)

  local ALERT = "sleep 0.5; echo \"alert: $1: $2\""

  local function work(mode, command)
    return start("by_code", { work = "echo work; " .. command, alert = ALERT }, { mode = mode })
  end

  container.each_mode(function(mode)
    it("ends with 0 when the work is done, and alerts nobody", function()
      local c = work(mode, "exit 0")
      assert.equal(0, c:wait())
      assert.equal("work\n", c:out())
    end)

    it("ends with the code of a wrong configuration when the alert has been sent", function()
      local c = work(mode, "exit 78")
      assert.equal(78, c:wait())
      assert.matches("^work\nalert: work: exit 78: [^\n]+\n$", c:out())
    end)
  end)

  it("waits 30 s for what is away", function()
    local c = work(nil, "exit 75")
    c:err_expect "work: backoff: exit 75; again in 30 s\n"
    ends_with_0(c)
    assert.equal("work\n", c:out())
  end)

  it("waits a second after KILL, and then longer", function()
    local c = work(nil, "kill -KILL $$")
    c:err_expect "work: backoff: signal SIGKILL; again in 1 s\n.*again in 2 s\n"
    ends_with_0(c)
  end)

  it("gives up after five restarts for other codes", function()
    local c = work(nil, "exit 3")
    assert.equal(3, c:wait(20))
    assert.equal(6, count(c:out(), "work\n"))
    assert.matches("alert: work: exit 3: it was started again 5 times within 60 s\n", c:out())
  end)

  it("ends with the code of the work also without an alert", function()
    local c = start("by_code", { work = "exit 78" })
    assert.equal(78, c:wait())
    assert.matches("alert: [^\n]*%./alert", c:err())
  end)
end)

describe("examples/policies/breaker.lua", function()
  after_each(container.close_all)

  local function delays(c)
    local list = {}
    for delay in c:err():gmatch "again in (%S+) s\n" do
      list[#list + 1] = tonumber(delay)
    end
    return list
  end

  for mode, rest in pairs { init = 0.5, virtual = 5 } do
    it(("rests %g s after three failures, and then tries once at a time"):format(rest), function()
      local c = start("breaker", { work = "exit 1" },
        { env = { REST = tostring(rest), STABLE = "1000" }, mode = mode == "init" and mode or nil })
      c:err_expect(("again in [%d.]+ s\n.*"):rep(5), 4 * rest + 10)
      local list = delays(c)
      assert.is_true(list[1] <= 0.1 and list[2] <= 0.1)
      assert.same({ rest, rest, rest }, table.move(list, 3, 5, 1, {}))
      ends_with_0(c)
    end)
  end

  it("counts anew after a run that was long enough", function()
    local c = start("breaker", { work = 'echo x >> runs; test $(wc -l < runs) -ne 4 || sleep 2; exit 1' },
      { env = { REST = "0.7", STABLE = "1.5" } })
    c:err_expect(("again in [%d.]+ s\n.*"):rep(7), 30)
    local rests = {}
    for i, delay in ipairs(table.move(delays(c), 1, 7, 1, {})) do
      rests[i] = delay == 0.7
    end
    assert.same({ false, false, true, false, false, false, true }, rests)
    ends_with_0(c)
  end)
end)

-- A time zone (tzfile(5)) in which it is that time now. With `change` the clocks are put on by so many seconds after
-- so many seconds.
local function zone(year, month, day, hour, change, after)
  local now = os.time()
  local offset = os.time { year = year, month = month, day = day, hour = hour, isdst = false }
    - os.time(os.date("!*t", now))
  local function block(width)
    return ("TZif2" .. ("\0"):rep(15) .. string.pack(">I4I4I4I4I4I4", 0, 0, 0, change and 3 or 0, 2, 8)
      .. (change and string.pack((">i%d i%d i%d BBB"):format(width, width, width), now - 1000000, now + after,
        now + after + 1000000, 0, 1, 1) or "") -- musl takes none that is the first or the last
      .. string.pack(">i4BB", offset, change == -3600 and 1 or 0, 0)
      .. string.pack(">i4BB", offset + (change or 0), change == 3600 and 1 or 0, 4) .. "ONE\0TWO\0")
  end
  return block(4) .. block(8) .. "\n\n"
end

describe("examples/policies/office_hours.lua", function()
  after_each(container.close_all)

  -- The seconds until the restart of what ends at that time.
  local function delay_at(...)
    local before = os.time()
    local c = start("office_hours", { work = "exit 1" },
      { files = { zone = zone(...) }, env = { TZ = ":{folder}/zone" }, mode = "init" }) -- the C library's zones
    local delay = tonumber((c:err_expect "work: backoff: exit 1; again in ([%d.e+]+) s\n"))
    c:close()
    return delay, os.time() - before + 1
  end

  local function waits_hours(hours, ...)
    local delay, passed = delay_at(...)
    assert.is_true(delay <= hours * 3600 and delay >= hours * 3600 - passed, delay / 3600 .. " h")
  end

  it("restarts after a second in office hours", function()
    assert.equal(1, (delay_at(2026, 6, 2, 10))) -- a Tuesday
    assert.equal(1, (delay_at(2026, 6, 5, 16))) -- a Friday
  end)

  it("waits for the morning", function()
    waits_hours(6, 2026, 6, 1, 3) -- a Monday
    waits_hours(16, 2026, 6, 2, 17)
  end)

  it("waits for Monday on a weekend, also over the end of a month or year", function()
    waits_hours(63, 2026, 6, 5, 18) -- a Friday
    waits_hours(45, 2026, 6, 6, 12)
    waits_hours(45, 2026, 5, 30, 12)
    waits_hours(21, 2028, 1, 2, 12)
    waits_hours(63, 2027, 12, 31, 18)
  end)

  it("waits for nine o'clock also when the clocks are changed before", function()
    waits_hours(62, 2026, 3, 27, 18, 3600, 32 * 3600)
    waits_hours(64, 2026, 10, 23, 18, -3600, 32 * 3600)
  end)
end)

describe("examples/policies/canary.lua", function()
  after_each(container.close_all)

  local READY = "{ echo $1 ready; " .. container.helper .. " notify READY=1; }; "
  local SERVE = "echo $1 $$; trap 'echo $1 ends; exit 0' TERM; " -- each line is told as soon as it is there
  local STAY = "while :; do sleep 0.05; done"

  local function pid_of(c, name)
    return tonumber((c:expect(name .. " (%d+)\n")))
  end

  local function runs(c, nspid)
    for _, process in ipairs(c:processes()) do
      if process.nspid == nspid then
        return process.state ~= "Z"
      end
    end
    return false
  end

  container.each_mode(function(mode)
    it("starts the new one beside the old one, which ends when the new one is ready", function()
      local serve = SERVE .. "test $1 = blue || until test -e go; do sleep 0.05; done; " .. READY .. STAY
      local c = start("canary", { serve = serve }, { mode = mode })
      local blue = pid_of(c, "blue")
      c:expect "blue ready\n"
      c:kill "HUP"
      local green = pid_of(c, "green")
      c:kill "HUP"
      c:err_expect "a change is under way already\n"
      assert.is_true(runs(c, blue) and runs(c, green))
      assert.is_nil(c:out():find "ends")
      script.touch(c, "go")
      c:expect "green ready\n.*blue ends\n"
      c:until_true(function() return not runs(c, blue) end)
      assert.is_true(runs(c, green))
      c:err_expect "service: blue finished\n"
      c:kill "HUP" -- and back again
      c:expect "blue ready\n.*blue ready\n.*green ends\n"
      ends_with_0(c)
      assert.equal(3, count(c:out(), "%a+ %d+\n"))
    end)
  end)

  it("leaves the old one alone when the new one fails", function()
    local c = start("canary", { serve = SERVE .. "test $1 = blue || exit 1; " .. READY .. STAY })
    local blue = pid_of(c, "blue")
    c:expect "blue ready\n"
    c:kill "HUP"
    c:err_expect "green: failed: exit 1"
    assert.equal(4, count(c:out(), "green %d+\n"))
    assert.is_true(runs(c, blue))
    ends_with_0(c)
    assert.equal(1, count(c:out(), "blue %d+\n"))
  end)

  it("leaves the old one alone when the new one does not get ready", function()
    local c = start("canary", { serve = SERVE .. "test $1 = green || " .. READY .. STAY },
      nil, edited("canary", "timeout = 10", "timeout = 0.5"))
    local blue = pid_of(c, "blue")
    c:expect "blue ready\n"
    c:kill "HUP"
    c:err_expect("green: failed", 20)
    assert.is_true(runs(c, blue))
    assert.equal(1, count(c:out(), "blue %d+\n"))
    ends_with_0(c)
  end)

  -- The new one waits for a file.
  local SLOW_GREEN = SERVE .. "test $1 = blue || until test -e go; do sleep 0.05; done; " .. READY .. STAY

  it("does not give the new one up when the old one begins anew meanwhile", function()
    local c = start("canary", { serve = SLOW_GREEN })
    local blue = pid_of(c, "blue")
    c:expect "blue ready\n"
    c:kill "HUP"
    local green = pid_of(c, "green")
    send(c, "KILL", blue)
    c:expect "blue ready\n.*blue ready\n"
    script.touch(c, "go")
    c:expect "green ready\n.*blue ends\n"
    assert.is_true(runs(c, green))
    ends_with_0(c)
  end)

  it("goes on with the change when the policy is lost", function()
    local c = start("canary", { serve = SLOW_GREEN })
    c:expect "blue ready\n"
    c:kill "HUP"
    local green = pid_of(c, "green")
    replace_policy(c)
    script.touch(c, "go")
    c:expect "green ready\n.*blue ends\n"
    assert.is_true(runs(c, green))
    ends_with_0(c)
    assert.equal(2, count(c:out(), "%a+ %d+\n"))
  end)

  it("ends with 1 when the only one fails", function()
    local c = start("canary", { serve = "exit 3" })
    assert.equal(1, c:wait())
  end)
end)

describe("examples/policies/cron.lua", function()
  after_each(container.close_all)

  local function runs(c)
    return count(c:out(), "check\n")
  end

  -- The seconds for which the job was due, in a script that prints them.
  local function due_seconds(howmany, before)
    local c = start("cron", { check = "echo check" }, nil, (before or "")
      .. edited("cron", "reaper.after(0,", 'print("due " .. second) reaper.after(0,'))
    c:until_true(function()
      return runs(c) >= howmany
    end, 30, "runs")
    ends_with_0(c)
    local list = {}
    for second in c:out():gmatch "due (%d+)\n" do
      list[#list + 1] = tonumber(second)
    end
    return list
  end

  -- The clock on the wall jumps after 2.5 s.
  local function jump(seconds)
    return ([[
      local time, shift = os.time, 0
      os.time = function(date) return time(date) + (date and 0 or shift) end
      reaper.after(2.5, function() shift = %d end) ]]):format(seconds)
  end

  local function each_second_but(gaps, list)
    for i = 2, #list do
      gaps = gaps - (list[i] - list[i - 1] == 2 and 0 or 1)
    end
    assert.same({ 0, 0 }, { gaps, list[1] % 2 }, table.concat(list, " "))
  end

  it("runs what is due, once", function()
    each_second_but(0, due_seconds(4))
  end)

  it("runs it once also when the clock is put on or back a little", function()
    each_second_but(0, due_seconds(4, jump(-3)))
    each_second_but(0, due_seconds(6, jump(7)))
  end)

  it("goes with a clock that is put on or back by more", function()
    each_second_but(1, due_seconds(4, jump(-3600)))
    each_second_but(1, due_seconds(4, jump(3600)))
  end)

  it("leaves out what still runs", function()
    local c = start("cron", { check = "echo check; exec sleep 100" })
    c:err_expect "check still runs: left out\n"
    assert.equal(1, runs(c))
    ends_with_0(c)
  end)

  it("begins nothing more in the stop", function()
    local check = "trap 'echo stopping; sleep 3.2; exit 0' TERM; echo check; sleep 100 & wait"
    local c = start("cron", { check = check, report = "echo report" }, nil,
      edited("cron", "0 */15 8-18 * * *", "* * * * * *"))
    c:expect "check\n.*report\n"
    ends_with_0(c)
    assert.is_true(count(c:out():match "stopping\n(.*)", "report\n") <= 1, c:out()) -- one that was begun just then
  end)

  it("tells what fails", function()
    for _, mode in ipairs(container.modes) do
      local c = start("cron", { check = "exit 3" }, { mode = mode })
      c:err_expect "check: exit 3\n"
      ends_with_0(c)
    end
  end)

  it("tells what cannot be started", function()
    local c = start("cron", {})
    c:err_expect "check: [^\n]*%./check[^\n]*\n"
    ends_with_0(c)
  end)

  it("leaves a job alone that an earlier policy has started", function()
    local c = start("cron", { check = "echo check; exec sleep 100" })
    c:expect "check\n"
    replace_policy(c)
    c:err_expect "check still runs: left out\n"
    assert.equal(1, runs(c))
    ends_with_0(c)
  end)

  it("knows numbers, ranges, lists and steps", function()
    local text = read(FOLDER .. "cron.lua"):gsub("function on_start.*", [[
      local date = os.date("*t", os.time { year = 2026, month = 6, day = 5, hour = 15, min = 30, sec = 0 }) -- a Friday
      for when in ("0 30 15 5 6 5|* * * * * *|0 */15 8-18 * * 1-5|0 0,30 1,15-16 * * *|0 30 15 * * 0|0 20-29 * * * *|"
        .. "0 */20 * * * *|* * * * *"):gmatch "[^|]+" do
        print(is_due(when, date))
      end
      reaper.exit()]])
    local out = script.run(text)
    assert.equal(("true\n"):rep(4) .. ("false\n"):rep(4), out)
  end)
end)

describe("examples/policies/recycle.lua", function()
  after_each(container.close_all)

  local function numbers(c)
    local list = {}
    for jobs in c:out():gmatch "work (%d+)\n" do
      list[#list + 1] = tonumber(jobs)
    end
    return list
  end

  local function first_numbers(work, howmany)
    local c = start("recycle", { work = "echo work $1; " .. work }, { env = { LIMIT_MB = "40" } })
    c:until_true(function()
      return #numbers(c) >= howmany
    end, 20, "lives")
    ends_with_0(c)
    return table.move(numbers(c), 1, howmany, 1, {})
  end

  it("gives less jobs to a worker that has taken too much memory", function()
    assert.same({ 100, 50, 25 }, first_numbers("exec dd if=/dev/zero of=/dev/null bs=64M count=1 2> err", 3))
  end)

  it("gives more jobs to one that has not", function()
    assert.same({ 100, 111, 123 }, first_numbers("exit 0", 3))
  end)

  it("gives less jobs to one that fails", function()
    assert.same({ 100, 50 }, first_numbers("exit 1", 2))
  end)

  container.each_mode(function(mode)
    it("goes on with the same worker after a lost policy, and starts none after TERM", function()
      local c = start("recycle", { work = "echo work $1; test $1 -eq 111 || exit 0; exec sleep 100" }, { mode = mode })
      c:expect "work 111\n"
      local worker = c:until_true(function()
        return c:find "sleep"
      end)
      replace_policy(c)
      assert.equal(worker.nspid, c:find("sleep").nspid)
      c:kill("KILL", worker.pid)
      c:err_expect "worker: signal SIGKILL, [^\n]*; 55 jobs next\n"
      c:expect "work 55\n"
      assert.same({ 100, 111, 55 }, table.move(numbers(c), 1, 3, 1, {}))
    end)

    it("starts no worker in the stop", function()
      local lasting = "(trap 'sleep 1; exit 0' TERM; echo up; sleep 100 & wait)" -- what the worker leaves behind
      local c = start("recycle", { work = "echo work $1; trap 'exit 0' TERM; " .. lasting .. " & wait" },
        { mode = mode })
      c:expect "up\n"
      ends_with_0(c)
      assert.same({ 100 }, numbers(c))
      assert.matches("worker: exit 0, ", c:err(), 1, true)
    end)
  end)

  it("ends when the worker cannot be started", function()
    local c = start("recycle", {})
    assert.equal(1, c:wait())
    assert.matches("./work", c:err(), 1, true)
  end)
end)

describe("examples/policies/leader.lua", function()
  after_each(container.close_all)

  -- On TERM it takes a moment.
  local MEMBER = [[
trap 'echo leader $$' USR1
trap 'sleep 0.3; exit 0' TERM
echo $$ > member$1
echo up
while :; do sleep 0.05; done]]

  -- The pids of the leaders, in their order.
  local function leaders(c)
    local list = {}
    for pid in c:out():gmatch "leader (%d+)\n" do
      list[#list + 1] = pid
    end
    return list
  end

  -- Starts the three, and gives the pids in the order in which they came up.
  local function begin(mode)
    local c = start("leader", { member = MEMBER }, { mode = mode })
    local order = {}
    for _, name in ipairs { c:err_expect(("service: (%S+) running\n.*"):rep(3)) } do
      order[#order + 1] = c:read(name):match "%d+"
    end
    c:expect "leader %d+\n"
    return c, order
  end

  container.each_mode(function(mode)
    it("promotes the first, and then who has run longest", function()
      local c, order = begin(mode)
      assert.same({ order[1] }, leaders(c))
      send(c, "KILL", order[1])
      c:expect("leader " .. order[2] .. "\n")
      c:err_expect(("running\n.*"):rep(4))
      send(c, "KILL", order[2])
      c:expect("leader " .. order[3] .. "\n")
      assert.same(order, leaders(c))
      ends_with_0(c)
      assert.same(order, leaders(c)) -- nobody is promoted in the stop
    end)

    it("keeps the leader when the policy is lost", function()
      local c, order = begin(mode)
      replace_policy(c)
      c:expect(("leader " .. order[1] .. "\n.*"):rep(2)) -- told once more
      send(c, "KILL", order[1])
      c:expect("leader " .. order[2] .. "\n")
      assert.same({ order[1], order[1], order[2] }, leaders(c))
      ends_with_0(c)
    end)

    it("promotes another one when the leader has ended without a policy", function()
      local c, order = begin(mode)
      local policy = c:find "reaper-script"
      c:kill("STOP", policy.pid)
      send(c, "KILL", order[1])
      c:kill("KILL", policy.pid)
      c:expect("leader " .. order[2] .. "\n")
      assert.same({ order[1], order[2] }, leaders(c))
      ends_with_0(c)
    end)
  end)
end)
