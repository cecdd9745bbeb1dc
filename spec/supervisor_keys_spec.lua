-- Keys of services that operators expect: what runs before and after, one-shots, defaults, files of variables, commands
-- that do not exist. What has no mode runs in virtual time (spec/support/virtual.lua).

local container = require "spec.support.container"
local virtual = require "spec.support.virtual"
local script = require "spec.support.script".over(virtual)
local support = require "spec.support.services"

local HEAD = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail) print(name .. " " .. state, detail or "") end
]]

local run, start = support.below(HEAD, virtual)
local shell, sleeper = support.shell, support.sleeper

-- The states that a service has had, as one text.
local function states(text, name)
  local list = {}
  for state in ("\n" .. text):gmatch("\n" .. name .. " (%S+)\t") do
    list[#list + 1] = state
  end
  return table.concat(list, " ")
end

-- Of a script that restarts its service for USR1.
local RESTART = 'function on_signal(name) if name == "SIGUSR1" then supervisor.restart "a" return false end end'

describe("pre_start", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("runs before each start", function()
      local c = start(shell("a", "echo a at work; exec sleep 100", 'pre_start = { "echo", "before", "it" }'),
        { mode = mode }, RESTART)
      c:expect "before it\n.*a at work\n"
      c:expect "a running"
      c:kill "USR1"
      c:expect "a at work\n.*before it\n.*a at work\n"
      c:expect "a waiting.*a running"
      assert.equal("pre_start starting running stopping waiting pre_start starting running", states(c:out(), "a"))
    end)
  end)

  it("that fails is a failed start", function()
    local lines, err, code = run(shell("a", "echo never",
      'pre_start = { "sh", "-c", "exit 4" }, restart = "on-failure:1"'))
    assert.equal(4, code)
    local text = table.concat(lines, "\n")
    assert.equal("pre_start backoff waiting pre_start failed", states(text, "a"))
    assert.matches("pre_start: exit 4; again in", text, 1, true)
    assert.is_nil(text:find "never\n")
    assert.matches("a: failed: pre_start: exit 4: it was started again 1 times", err, 1, true)
  end)

  it("that takes too long is stopped", function()
    local lines, _, code = run(shell("a", "exit 0", 'pre_start = { "sleep", "100", timeout = 5 }, restart = "no"'))
    assert.equal(1, code)
    assert.matches("a stopping\tpre_start has taken longer than 5 s", table.concat(lines, "\n"), 1, true)
  end)

  it("is stopped with the container", function()
    local c = start(shell("a", "exit 0", 'pre_start = { "sleep", "100" }'))
    c:expect "a pre_start\t"
    c:kill "TERM"
    assert.equal(0, c:wait())
    assert.equal("pre_start stopping finished", states(c:out(), "a"))
  end)

  it("that does not exist fails for good", function()
    local _, err, code = run(shell("a", "exit 0", 'pre_start = { "/nowhere/at-all" }') .. sleeper "b")
    assert.equal(127, code)
    assert.matches("a: failed: pre_start: ", err, 1, true)
  end)
end)

describe("post_stop", function()
  after_each(container.close_all)

  local TELLS = [=[post_stop = { "sh", "-c", "echo after $SERVICE_NAME $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" }]=]

  container.each_mode(function(mode)
    local function after(command, more)
      local lines = run(shell("a", command, TELLS .. ', restart = "no", when_failed = "ignore"' .. (more or "")),
        { mode = mode })
      return table.concat(lines, "\n"):match "after a ([^\n]*)"
    end

    it("is told how the service has ended, in systemd's words", function()
      assert.equal("success exited 0", after "exit 0")
      assert.equal("exit-code exited 7", after "exit 7")
      assert.equal("signal killed KILL", after "kill -KILL $$")
      assert.equal("timeout killed TERM", after("exec sleep 100", ", ready = { fd = 3, timeout = 0.2 }"))
    end)
  end)

  it("runs after a stop, too, and before what comes next", function()
    local c = start(sleeper("a", TELLS), {}, RESTART)
    c:expect "a running"
    c:kill "USR1"
    c:expect "a post_stop.*after a success killed TERM\n.*a running"
    c:kill "TERM"
    assert.equal(0, c:wait())
    assert.equal("starting running stopping post_stop waiting starting running stopping post_stop finished",
      states(c:out(), "a"))
  end)

  it("that fails or hangs holds up nothing", function()
    local lines, err = run(shell("a", "exit 0", 'post_stop = { "sh", "-c", "exit 9" }')
      .. shell("b", "exit 0", 'post_stop = { "sleep", "1000", timeout = 3 }'))
    assert.matches("warning: a: post_stop: exit 9", err, 1, true)
    assert.matches("warning: b: post_stop: signal SIGKILL", err, 1, true)
    assert.equal("starting running post_stop finished", states(table.concat(lines, "\n"), "b"))
  end)

  it("runs once more where the script process was lost before it was started, and never twice at a time", function()
    local c = start(shell("a", "exit 0", 'post_stop = { "sh", "-c", "echo begin; sleep 5; echo end" }') .. sleeper "b")
    c:expect "begin\n"
    script.kill_script(c)
    c:expect "end\n"
    c:expect "a finished"
    assert.equal(1, select(2, c:out():gsub("begin\n", "")))
  end)
end)

describe("a one-shot", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is done before what comes after it starts", function()
      local c = start(shell("migrate", "sleep 0.2; echo migrated", "oneshot = true")
        .. shell("web", "echo web at work; exec sleep 100", 'after = { "migrate" }'), { mode = mode })
      c:expect "migrated\n.*web at work\n"
      assert.equal("starting running finished", states(c:out(), "migrate"))
    end)
  end)

  it("that fails for good fails those that need it", function()
    local lines, _, code = run(shell("migrate", "exit 5", 'oneshot = true, when_failed = "ignore"')
      .. shell("web", "exit 0", 'after = { "migrate" }, when_failed = "ignore"'))
    assert.equal(0, code)
    assert.equal("failed", states(table.concat(lines, "\n"), "web"))
  end)

  it("is not restarted, unless `restart` says so", function()
    local _, _, code = run(shell("migrate", "exit 5", "oneshot = true"))
    assert.equal(5, code)
    local lines = run(shell("migrate", "[ -e {folder}/there ] && exit 0; touch {folder}/there; exit 5",
      'oneshot = true, restart = "on-failure"'))
    assert.equal("starting running backoff waiting starting running finished", states(table.concat(lines, "\n"),
      "migrate"))
  end)

  it("is not run again after a crash or a reload of the script", function()
    local c = start(shell("migrate", "echo migrated", "oneshot = true") .. sleeper("web", 'after = { "migrate" }'))
    c:expect "web running"
    script.kill_script(c)
    c:advance(1)
    c:kill "HUP"
    c:advance(1)
    assert.equal(1, select(2, c:out():gsub("migrated\n", "")))
  end)

  it("is not run again when what it was started after is restarted", function()
    local c = start(sleeper "db" .. shell("migrate", "echo migrated", 'oneshot = true, after = { "db" }'), {},
      'function on_signal() supervisor.restart "db" return false end')
    c:expect "migrate finished"
    c:kill "USR1"
    c:expect "db waiting.*db running"
    c:advance(1)
    assert.equal(1, select(2, c:out():gsub("migrated\n", "")))
  end)
end)

describe("defaults", function()
  local function with_defaults(defaults, list)
    local out = script.run(HEAD .. "supervisor.run { defaults = { " .. defaults .. " },\n" .. list .. "}\n")
    return out
  end

  it("hold for all services, and a service's own keys come first", function()
    local out = with_defaults('restart = "no", when_failed = "ignore", env = { A = "1", B = "2" }',
      shell("a", "echo a $A $B; exit 1") .. shell("b", "echo b $A $B; exit 0", 'env = { B = "3" }'))
    assert.matches("a 1 2\n", out, 1, true)
    assert.matches("b 1 3\n", out, 1, true)
    assert.matches("a failed", out, 1, true)
  end)

  it("that are meant for what lasts do not hold for one-shots", function()
    local c = start('defaults = { restart = "always", ready = { delay = 1 }, timeout = 5 },\n'
      .. shell("migrate", "echo migrated", "oneshot = true") .. sleeper("web", 'after = { "migrate" }'))
    c:expect "migrated\n"
    c:expect "web running"
    c:advance(20)
    assert.equal(1, select(2, c:out():gsub("migrated\n", "")))
  end)

  it("of `stop` stand beside a service's own keys", function()
    local c = start(shell("a", "trap 'echo got QUIT; exit' QUIT; while :; do sleep 0.1; done",
      'stop = { grace = 7 }') .. 'defaults = { stop = { signal = "QUIT" } },\n')
    c:expect "a running"
    c:kill "TERM"
    c:expect "got QUIT"
  end)
end)

describe("env_file", function()
  it("gives variables, over which those of `env` stand", function()
    local _, err, code = run(shell("a", 'echo "$A,$B,$C"', 'env_file = "{folder}/env", env = { C = "own" }'),
      { files = { env = "# a comment\nA=1\nB='two words'\nC=\"file\"\n" }, mode = "init" })
    assert.equal("", err)
    assert.equal(0, code)
  end)
end)

describe("a command that does not exist", function()
  it("fails for good at once", function()
    local lines, err, code = run('{ name = "a", command = { "/nowhere/at-all" } },\n' .. sleeper "b")
    assert.equal(127, code)
    assert.equal("starting failed", states(table.concat(lines, "\n"), "a"))
    assert.matches("/nowhere/at-all", err, 1, true)
  end)

  it("is tried again where the policy is always, or a function that says so", function()
    for _, policy in ipairs { '"always"', "function(event) return event.restarts < 2 and 1 or nil end", "1" } do
      local c = start(('{ name = "a", command = { "/nowhere/at-all" }, restart = %s },\n'):format(policy))
      c:advance(0.9)
      c:expect "a starting.*a backoff.*a starting"
    end
  end)
end)

describe("the stop signal", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    -- The shell starts its child in its own group; that of a script without job control is the leader's.
    local function children_told(stop)
      local c = start(shell("a", "trap 'echo leader got TERM; wait; exit 0' TERM; "
        .. "sh -c 'trap \"echo child got TERM; exit 0\" TERM; echo up; while :; do sleep 0.02; done' & "
        .. "wait; wait", stop),
        { mode = mode })
      c:expect "up\n"
      c:expect "a running"
      c:kill "TERM"
      assert.equal(0, c:wait())
      return c:out()
    end

    it("goes to the leader alone, and what is left gets TERM afterwards", function()
      local out = children_told "stop = { grace = 0.5 }"
      assert.matches("leader got TERM\n.*a clearing.*child got TERM\n", out)
    end)

    it("goes to the group where that is wanted", function()
      local out = children_told 'stop = { to = "group", grace = 5 }'
      assert.matches("leader got TERM\n", out, 1, true)
      assert.matches("child got TERM\n", out, 1, true)
      assert.is_nil(out:find("clearing", 1, true))
    end)
  end)
end)

describe("stdin of a service", function()
  after_each(container.close_all)

  it("has nothing to read, unless it is given", function()
    local c = start(shell("a", "read line && echo got $line || echo nothing; exec sleep 100")
      .. shell("b", "read line; echo b got $line; exec sleep 100", 'stdin = "{folder}/input"'),
      { mode = "init", files = { input = "words\n" } })
    c:expect "nothing\n"
    c:expect "b got words\n"
  end)
end)
