-- reaper.supervisor: every stop is the ordered stop, whoever begins it, and it comes to an end.
-- What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local program = require "spec.support.program"
local virtual = require "spec.support.virtual"
local script = require "spec.support.script".over(virtual)
local support = require "spec.support.services"

local TELL = support.TELL

local sleeper, shell = support.sleeper, support.shell
local _, start = support.below(TELL, virtual)

-- Those of the lines that are wanted.
local function of(lines, wanted)
  local known, list = {}, {}
  for _, line in ipairs(wanted) do
    known[line] = true
  end
  for _, line in ipairs(lines) do
    list[#list + 1] = known[line] and line or nil
  end
  return list
end

local LOOP = "; while :; do sleep 0.02; done"

-- A database that needs a moment for its end, and what needs it, which is stopped by another signal.
local PAIR = shell("db", "trap 'echo db got TERM; touch {folder}/asked; sleep 0.2; exit 0' TERM; echo db up" .. LOOP,
  'restart = "always", ready = { line = "up" }')
  .. shell("web", "trap 'echo web got QUIT; exit 0' QUIT; trap 'echo web got TERM' TERM; echo web up" .. LOOP,
    'after = { "db" }, restart = "always", ready = { line = "up" }, stop = { signal = "QUIT" }')

local IN_ORDER = { "web stopping", "web finished", "db stopping", "db finished" }

local function ends_in_order(c, code)
  assert.equal(code, c:wait())
  local lines = script.lines(c:out():match "web running\n(.*)$")
  assert.same(IN_ORDER, of(lines, IN_ORDER), c:out())
  assert.same({ "web got QUIT", "db got TERM" }, of(lines, { "web got QUIT", "web got TERM", "db got TERM" }))
  assert.matches("web finished\n.*db got TERM\n", c:out()) -- what a service writes can come later than its end
  for _, name in ipairs { "db", "web" } do
    assert.equal(1, select(2, c:out():gsub(name .. " up\n", "")), "starts of " .. name)
  end
  assert.is_nil(c:err():find("grace period", 1, true))
  assert.is_nil(c:err():find("killing", 1, true))
end

local function signal(name)
  return function(c)
    c:kill(name)
  end
end

-- A COMMAND that says which of the three it gets, and ends with 9.
local function trap(name)
  return ("trap 'echo command got %s; sleep 0.1; exit 9' %s; "):format(name, name)
end
local COMMAND = { "sh", "-c", trap "TERM" .. trap "INT" .. trap "QUIT" .. "echo command up" .. LOOP }

local WAYS = {
  { "TERM", more = "", drive = signal "TERM", code = 0 },
  { "INT", more = "", drive = signal "INT", code = 0 },
  { "QUIT", more = "", drive = signal "QUIT", code = 0 },
  { "TERM with --hook-timeout 0", more = "", drive = signal "TERM", code = 0, args = { "--hook-timeout", "0" } },
  { "TERM with --grace 0", more = "", drive = signal "TERM", code = 0, args = { "--grace", "0" } },
  { "reaper.exit", more = "function go() reaper.exit(3) end", code = 3 },
  { "os.exit", more = "function go() os.exit(4) end", code = 4 },
  { "supervisor.shutdown", more = "function go() supervisor.shutdown(5) end", code = 5 },
  { "reaper.exit in on_service",
    more = 'reaper.on("on_service", function(n, s) if n == "web" and s == "running" then reaper.exit(6) end end)',
    code = 6, at_once = true },
  { "on_signal that gives the signal itself", more = "function on_signal(name) return name end",
    drive = signal "TERM", code = 0 },
  { "on_signal that gives another one", more = 'function on_signal(name) return "INT" end', drive = signal "USR1",
    code = 0 },
  { "on_signal that calls reaper.exit", more = "function on_signal(name) reaper.exit(7) return false end",
    drive = signal "TERM", code = 7 },
  { "the end of COMMAND", more = "", code = 8, command = { "sh", "-c",
    "while ! test -e {folder}/go; do sleep 0.02; done; exit 8" }, drive = function(c)
    script.touch(c, "go")
  end },
  { "the end of COMMAND by a signal that is forwarded", more = "", drive = signal "HUP", code = 129, command = COMMAND,
    got = "nothing" },
  { "the end of COMMAND by a signal", more = "", code = 137, command = COMMAND, got = "nothing", is_real = true,
    drive = function(c)
      for _, process in ipairs(select(2, c:find "sh")) do
        if process.ppid == c.nspid and process.args:find("command got", 1, true) then
          c:kill("KILL", process.pid)
        end
      end
    end },
}

-- Each that has nothing to do with COMMAND also where there is one. What is not forwarded ends COMMAND by TERM.
for i = 1, #WAYS do
  local way = WAYS[i]
  if not way.command and not way.args and not way.at_once then
    local sent = ({ TERM = "TERM", INT = "INT", QUIT = "QUIT", ["on_signal that gives the signal itself"] = "TERM",
      ["on_signal that gives another one"] = "INT" })[way[1]]
    WAYS[#WAYS + 1] = { way[1] .. ", with COMMAND", more = way.more, drive = way.drive, command = COMMAND,
      got = sent or "TERM", code = sent and 9 or way.code }
  end
end
WAYS[#WAYS + 1] = { "TERM with --hook-timeout 0, with COMMAND", more = "", drive = signal "TERM", code = 9,
  args = { "--hook-timeout", "0" }, command = COMMAND, got = "TERM" }

-- go() is called once all is up.
local GO = [[
reaper.on("on_start", function()
  while true do
    local all = true
    for _, s in ipairs(supervisor.status()) do all = all and s.state == "running" end
    if all then break end
    reaper.sleep(0.02)
  end
  reaper.sleep(0.3)
  print "all run"
  if go then go() end
end)
]]

local function stops(way, mode)
  local c = start(PAIR, { mode = mode, args = way.args, command = way.command }, way.more .. "\n" .. GO)
  if way.drive then
    c:expect "all run\n"
    c:expect "db up\n"
    c:expect "web up\n"
    if way.command == COMMAND then
      c:expect "command up\n"
    end
    way.drive(c)
  end
  ends_in_order(c, way.code)
  if way.got == "nothing" then
    assert.not_matches("command got", c:out())
  elseif way.got then
    assert.matches("command got " .. way.got .. "\n.*web stopping", c:out())
    assert.equal(1, select(2, c:out():gsub("command got", "")))
  end
end

describe("services are stopped in order by", function()
  after_each(container.close_all)

  for _, way in ipairs(WAYS) do
    if not way.is_real then
      it(way[1], function()
        stops(way)
      end)
    end
  end

  container.each_mode(function(mode)
    for _, way in ipairs(WAYS) do
      if way[1] == "TERM" or way[1] == "reaper.exit" or way.command then
        it(way[1], function()
          stops(way, mode)
        end)
      end
    end
  end)

  it("TERM, also with --leave-orphans", function()
    stops({ more = "", drive = signal "TERM", code = 9, command = COMMAND, got = "TERM",
      args = { "--leave-orphans" } }, "init")
  end)
end)

describe("in the stop of services", function()
  after_each(container.close_all)

  it("a COMMAND that does not exist begins it, when its turn has come", function()
    ends_in_order(start(PAIR, { mode = "init", command = { "/nowhere/at-all" } }), 127)
  end)

  it("a COMMAND that goes on is killed after the grace, and then it is the services' turn", function()
    local c = start(PAIR, { args = { "--grace", "0.5" }, command = { "sh", "-c", "trap 'echo command got TERM' TERM"
      .. LOOP } }, GO)
    c:expect "all run\n"
    c:kill "TERM"
    assert.equal(137, c:wait())
    assert.matches("command got TERM\n.*web stopping\n.*db finished\n", c:out())
    assert.matches("the grace period of 0.5 s is over: killing COMMAND", c:err(), 1, true)
  end)

  it("a COMMAND that is stopped is woken", function()
    local c = start(PAIR, { mode = "init", command = COMMAND }, GO)
    c:expect "all run\n"
    local shells = select(2, c:find "sh")
    for _, process in ipairs(shells) do
      if process.ppid == c.nspid and process.args:find("command got TERM", 1, true) then -- no fork of its own
        c:kill("STOP", process.pid)
      end
    end
    c:kill "TERM"
    ends_in_order(c, 9)
  end)

  it("nothing is restarted while COMMAND ends", function()
    local c = start(shell("work", "echo work up; while ! test -e {folder}/go; do sleep 0.02; done; exit 1",
      "restart = 0.1"), { command = { "sh", "-c", "trap 'touch {folder}/go; sleep 0.7; exit 9' TERM; echo command up"
      .. LOOP } }, GO)
    c:expect "work up\n"
    c:expect "command up\n"
    c:kill "TERM"
    assert.equal(9, c:wait())
    assert.equal(1, select(2, c:out():gsub("work up\n", "")))
    assert.matches("work backoff\n.*work finished\n$", c:out())
  end)

  it("each has its own grace, whatever that of the container is", function()
    local c = start(shell("db", "trap 'sleep 1.5; echo db down; exit 0' TERM; echo up" .. LOOP, "stop = { grace = 3 }"),
      { args = { "--grace", "0.3" } })
    c:expect "up\n"
    c:kill "TERM"
    assert.equal(0, c:wait())
    assert.matches("db down\ndb finished\n$", c:out())
    assert.is_nil(c:err():find("killing", 1, true))
  end)

  it("a grace without an end has none", function()
    local c = start(shell("db", "trap 'sleep 20; echo db down; exit 0' TERM; echo up" .. LOOP,
      "stop = { grace = math.huge }"))
    c:expect "up\n"
    c:kill "TERM"
    assert.equal(0, c:wait(100))
    assert.matches("db down\ndb finished\n$", c:out())
  end)

  it("what does not end is killed after its grace, and the end says so", function()
    local c = start(shell("db", "trap '' TERM; echo up" .. LOOP, "stop = { grace = 1 }"), nil,
      'reaper.on("on_service", function(_, state, detail) if state == "finished" then print(detail) end end)')
    c:expect "up\n"
    c:kill "TERM"
    assert.equal(0, c:wait())
    assert.matches("stopped by SIGKILL after 1 s of grace\n", c:out(), 1, true)
  end)

  for _, mode in ipairs { false, "init", "subreaper" } do
    it("a second TERM kills" .. (mode and ", as " .. mode or ""), function()
      local c = start(shell("db", "trap 'echo db got TERM' TERM; echo up" .. LOOP, "stop = { grace = 1000 }")
        .. shell("web", "trap 'echo web got TERM' TERM; echo up" .. LOOP,
          'after = { "db" }, stop = { grace = 1000 }'), { mode = mode or nil },
        "function on_stop(reason) print('on_stop ' .. reason) end function on_exit(code) print('on_exit ' .. code) end")
      c:expect "up\n.*up\n"
      c:kill "TERM"
      c:expect "web got TERM\n"
      c:kill "TERM"
      assert.equal(0, c:wait())
      assert.is_nil(c:out():find "db got TERM")
      assert.matches("on_stop SIGTERM\n.*on_exit 0\n", c:out())
    end)
  end

  container.each_mode(function(mode)
    it("a second TERM kills, also a COMMAND that goes on", function()
      local c = start(shell("db", "trap 'echo db got TERM' TERM; echo db up" .. LOOP, "stop = { grace = 1000 }"),
        { mode = mode, args = { "--grace", "1000" },
          command = { "sh", "-c", "trap 'echo command got TERM' TERM; echo command up" .. LOOP } },
        "function on_stop(reason) print('on_stop ' .. reason) end function on_exit(code) print('on_exit ' .. code) end")
      c:expect "db up\n"
      c:expect "command up\n"
      c:kill "TERM"
      c:expect "command got TERM\n"
      c:kill "TERM"
      assert.equal(137, c:wait())
      assert.not_matches("db got TERM", c:out())
      assert.matches("on_stop SIGTERM\n.*on_exit 137\n", c:out())
    end)

    it("a second INT kills what COMMAND has left behind, and the services", function()
      local c = start(shell("db", "trap 'echo db got TERM' TERM; echo db up" .. LOOP, "stop = { grace = 1000 }"),
        { mode = mode, args = { "--grace", "1000" }, command = COMMAND })
      c:expect "db up\n"
      c:expect "command up\n"
      c:kill "INT"
      c:expect "db got TERM\n"
      c:kill "INT"
      assert.equal(9, c:wait())
    end)
  end)

  it("on_stop comes when the services are down, and on_exit after it", function()
    local c = start(PAIR, nil, GO .. "function on_stop(reason) print('on_stop ' .. reason) end "
      .. "function on_exit(code) print('on_exit ' .. code) return 12 end")
    c:expect "all run\n"
    c:kill "INT"
    assert.equal(12, c:wait())
    assert.matches("db finished\non_stop SIGINT\non_exit 0\n$", c:out())
  end)

  it("what is started beside them is stopped after them", function()
    local other = "trap 'echo other got TERM; exit 0' TERM; echo other up" .. LOOP
    local c = start(PAIR, nil, GO .. ('reaper.spawn { "sh", "-c", %q }'):format(other))
    c:expect "all run\n"
    c:expect "other up\n"
    c:kill "TERM"
    assert.equal(0, c:wait())
    assert.matches("db finished\n.*other got TERM\n", c:out())
  end)

  it("those of a service that the new script does not have are waited for, too", function()
    local slow = shell("old", "trap 'sleep 1; echo old down; exit 0' TERM; echo old up" .. LOOP, "stop = { grace = 3 }")
    local c = start(slow .. sleeper "other")
    c:expect "old up\n"
    script.replace(c, TELL .. "supervisor.run {" .. sleeper "other" .. "}")
    c:kill "HUP"
    c:expect "old stopping\n"
    c:kill "TERM"
    assert.equal(0, c:wait())
    assert.matches("old down\nold finished\n$", c:out())
  end)
end)

describe("the stop of services goes on", function()
  after_each(container.close_all)

  for _, mode in ipairs { false, "init" } do
    it("when the script process is lost in it" .. (mode and ", as " .. mode or ""), function()
      local c = start(PAIR, { mode = mode or nil }, GO)
      c:expect "all run\n"
      c:kill "TERM"
      c:expect "web got QUIT\n"
      script.kill_script(c)
      assert.equal(0, c:wait())
      assert.matches("web got QUIT\n.*db finished\n", c:out())
      assert.matches("web got QUIT\n.*db got TERM\n", c:out()) -- what a service writes can come later than its end
      assert.is_nil(c:err():find("in time", 1, true))
    end)
  end

  it("when it is lost before", function()
    local c = start(PAIR, nil, GO)
    c:expect "all run\n"
    script.kill_script(c)
    c:err_expect "the script process ended"
    c:kill "TERM"
    ends_in_order(c, 0)
  end)

  it("while a reload is under way", function()
    local loading = TELL .. 'reaper.sleep(0.5) print "loaded"\nsupervisor.run {' .. PAIR .. "}\n" .. GO
    local c = script.start(TELL .. "supervisor.run {" .. PAIR .. "}\n" .. GO)
    c:expect "all run\n"
    script.replace(c, loading)
    c:kill "HUP"
    script.pass(c, 0.2)
    c:kill "TERM"
    ends_in_order(c, 0)
    assert.is_nil(c:err():find("the script was reloaded", 1, true))
  end)

  it("while on_reload is waited for", function()
    local c = start(PAIR, nil, GO .. "function on_reload() print 'reloading' reaper.sleep(1) print 'still here' end")
    c:expect "all run\n"
    c:kill "HUP"
    c:expect "reloading\n"
    c:kill "TERM"
    ends_in_order(c, 0)
    assert.is_nil(c:err():find("the script was reloaded", 1, true))
  end)

  -- Each TERM of the engine is the end of what has not been asked yet.
  local function ends_without_order(c, seconds)
    local before = script.clock(c)
    c:kill "TERM"
    assert.equal(0, c:wait(seconds))
    assert.matches("the script does not stop its services in time: stopping all that is left at once", c:err(), 1, true)
    assert.is_true(script.clock(c) - before <= seconds)
    assert.is_string(c:read "asked") -- also where nobody reads any more what it writes
  end

  local function broken(text)
    local c = start(PAIR, nil, GO)
    c:expect "all run\n"
    script.replace(c, text)
    script.kill_script(c)
    c:err_expect "the script process ended"
    return c
  end

  it("without order when the script cannot be loaded any more", function()
    ends_without_order(broken "error 'oops'", 30)
  end)

  it("without order when the script has no end of its loading", function()
    ends_without_order(broken "reaper.sleep(1e6)", 30)
  end)

  it("without order when the script has lost its services", function()
    local c = broken "print 'nothing to do'"
    c:kill "TERM"
    assert.equal(0, c:wait(30))
    assert.is_string(c:read "asked")
  end)

  it("without order when the script process does nothing", function()
    local c = start(PAIR, nil, GO)
    c:expect "all run\n"
    c:kill("STOP", c:find "reaper-script".pid)
    ends_without_order(c, 30)
  end)

  it("without order when the script process does nothing any more in its midst", function()
    local c = start(shell("db", "trap 'touch {folder}/asked; exit 0' TERM; echo up" .. LOOP)
      .. shell("web", "trap '' TERM; echo up" .. LOOP, 'after = { "db" }, stop = { grace = 2 }'))
    c:expect "up\n.*up\n"
    c:kill "TERM"
    c:expect "web stopping\n"
    c:kill("STOP", c:find "reaper-script".pid)
    c:err_expect("does not stop its services in time", 30)
    assert.equal(0, c:wait(30))
    assert.is_string(c:read "asked")
  end)
end)

describe("--restart", function()
  after_each(container.close_all)

  local UP = { "sh", "-c", "echo up; exec sleep 100" }


  for _, row in ipairs {
    { "that on_signal gives itself", "function on_signal(name) return name end", "TERM" },
    { "that on_signal gives in place of another", "function on_signal() return 'TERM' end", "USR1" },
    { "that nobody asks about", "", "TERM" },
  } do
    it("does not start COMMAND again after a TERM " .. row[1], function()
      local c = script.start(row[2], { args = { "--restart", "always" }, command = UP })
      c:expect "up\n"
      c:kill(row[3])
      assert.equal(0, c:wait())
      assert.equal("up\n", c:out())
      assert.is_nil(c:err():find("again", 1, true))
    end)
  end

  it("starts it again after a TERM that on_signal has dropped and another signal", function()
    local c = script.start("function on_signal(name) if name == 'SIGTERM' then return false end end",
      { args = { "--restart", "always" }, command = UP })
    c:expect "up\n"
    c:kill "TERM"
    c:kill "USR1"
    c:expect "up\nup\n"
  end)

  it("leaves the end to reaper.exit", function()
    local c = script.start("function on_start() reaper.after(0.3, function() reaper.exit(3) end) end",
      { args = { "--restart", "always" }, command = UP })
    assert.equal(3, c:wait())
    assert.equal("up\n", c:out())
    assert.is_nil(c:err():find("again", 1, true))
  end)
end)

describe("a Lua program with services", function()
  after_each(container.close_all)

  local PROGRAM = [[
    local reaper = require "reaper"
    local supervisor = require "reaper.supervisor"
    assert(reaper.start { enable_child_subreaper = true, on_service = function(...) print(...) end })
    io.stdout:setvbuf "line"
    supervisor.run {]] .. PAIR .. [[}
  ]]

  container.each_mode(function(mode)
    it("stops them in order on TERM, and goes on after its loop", function()
      local c = program.start(PROGRAM .. "reaper.loop() print 'after the loop' os.exit(4)", { mode = mode })
      c:expect "web up\n"
      c:kill "TERM"
      assert.equal(4, c:wait())
      assert.matches("web got QUIT\n.*db got TERM\n.*after the loop\n$", c:out())
    end)
  end)
end)
