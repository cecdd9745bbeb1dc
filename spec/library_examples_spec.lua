-- The programs in examples/library do what they say, as process 1 and below another.

local uv = require "luv"
local container = require "spec.support.container"
local program = require "spec.support.program"

local helper = container.helper
local FOLDER = "examples/library/"

local function read(path)
  return assert(container.read_file(path), path)
end

local function with(mode, name, ...)
  return { mode = mode, raw = { FOLDER .. name .. ".lua", ... } }
end

local function start(mode, name, ...)
  return program.start(nil, with(mode, name, ...))
end

local function run(mode, name, ...)
  return program.run(nil, with(mode, name, ...))
end

-- What has ended is reaped: nothing is left but the engine's children, so many of them.
local function until_children(c, count)
  c:until_true(function()
    return c:zombies() == 0 and #c:children_of(c.nspid) == count
  end, 20, ("%d children and no zombie"):format(count))
end

-- What the example is written with, where that may be missing.
local function describe_with(module, title, define)
  describe(title, function()
    after_each(container.close_all)
    if package.searchpath(module, package.path) or package.searchpath(module, package.cpath) then
      container.each_mode(define)
    else
      pending("needs Debian's lua-" .. module)
    end
  end)
end

describe("each program in examples/library", function()
  local names = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(FOLDER)) do
    names[#names + 1] = name
  end

  for _, name in ipairs(names) do
    it(name .. " says on top how to run it, and is run by a spec", function()
      local comment = read(FOLDER .. name):match("^%-%- .-\nlocal ")
      assert.truthy(comment:find("lua5.4 [%w/]*" .. name), comment)
      assert.truthy(read("spec/library_examples_spec.lua"):find('"' .. name:gsub("%.lua$", "") .. '"', 1, true))
    end)
  end
end)

describe("examples/library/first.lua", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("tells its orphan, and ends as lua5.4 does on Ctrl-C", function()
      local options = with(mode, "first")
      options.tty = true
      local c = program.start(nil, options)
      c:expect("reaped\t%d+\texit 3\r\n")
      c:expect("still here\r\n")
      c:write("\3")
      assert.equal(1, c:wait())
      assert.truthy(c:all():find("interrupted!", 1, true), c:all())
    end)
  end)
end)

-- luv.lua and cqueues.lua show the same in two loops.
local function define_loop(name, own_timer)
  return function(mode)
    it("prints its orphans and runs both kinds of timers until TERM", function()
      local c = start(mode, name)
      c:expect(own_timer .. ": an orphan is left behind\n")
      local pid = tonumber((c:expect("reaped\t(%d+)\texit 0\n")))
      c:expect("reaper's timer: orphans so far\t[1-9].*reaper's timer: orphans so far\t[2-9]")
      assert.is_true(pid > c.nspid)
      until_children(c, 1)
      c:kill("TERM")
      assert.equal(0, c:wait())
      assert.truthy(c:out():find("the loop has ended\n$"), c:out())
      assert.equal("", c:err())
    end)
  end
end

describe_with("luv", "examples/library/luv.lua", define_loop("luv", "luv's timer"))
describe_with("cqueues", "examples/library/cqueues.lua", define_loop("cqueues", "cqueues' sleep"))

describe("examples/library/pool.lua", function()
  after_each(container.close_all)

  -- The pid that the pool has said last for a worker.
  local function pid_of(c, worker)
    return tonumber(c:err():match(".*worker%-" .. worker .. " is process (%d+)\n"))
  end

  container.each_mode(function(mode)
    it("keeps as many workers as it was told, each a child of the engine", function()
      local c = start(mode, "pool", 4, helper, "hold")
      c:until_true(function()
        local _, workers = c:find("spec-helper")
        local ours = 0
        for _, worker in ipairs(workers) do
          ours = ours + (worker.args:find("hold$") and worker.ppid == c.nspid and 1 or 0)
        end
        return ours == 4
      end)
      c:kill("TERM")
      assert.equal(0, c:wait())
    end)

    it("replaces a worker that has been killed, and leaves the others alone", function()
      local c = start(mode, "pool", 2, helper, "hold")
      c:err_expect("worker%-1 is process %d+\n.*worker%-2 is process %d+\n")
      local first, second = pid_of(c, 1), pid_of(c, 2)
      for _, worker in ipairs(c:children_of(c.nspid)) do
        if worker.nspid == first then c:kill("KILL", worker.pid) end
      end
      c:err_expect("worker%-1 has ended: signal SIGKILL\n.*worker%-1 is process %d+\n")
      assert.is_true(pid_of(c, 1) > first)
      assert.equal(second, pid_of(c, 2))
      until_children(c, 3) -- the program and the workers
      c:kill("TERM")
      assert.equal(0, c:wait())
    end)

    it("pauses before it replaces a worker that has died at once", function()
      local c = start(mode, "pool", 1, "sh", "-c", "date +%s.%N; exit 3")
      local first, second = c:expect("^(%S+)\n(%S+)\n")
      assert.is_true(second - first >= 1)
      assert.truthy(c:err():find("worker-1 has ended: exit 3\n", 1, true))
      c:kill("TERM")
      assert.equal(0, c:wait(10))
    end)

    it("lets the workers end in their own way on TERM and on INT, and starts no new ones", function()
      for _, signal in ipairs { "TERM", "INT" } do
        local c = start(mode, "pool", 3, "sh", "-c", "trap 'echo bye; exit 4' TERM; echo up; sleep 60 & wait")
        c:expect("up\nup\nup\n")
        c:kill(signal)
        assert.equal(0, c:wait())
        assert.equal("up\nup\nup\nbye\nbye\nbye\n", c:out())
        for worker = 1, 3 do
          local begin, ends = ("worker-%d is"):format(worker), ("worker-%d has ended: exit 4\n"):format(worker)
          assert.equal(1, select(2, c:err():gsub(begin:gsub("%-", "%%-"), "")))
          assert.truthy(c:err():find(ends, 1, true), c:err())
        end
      end
    end)

    it("kills those that ignore TERM after the grace period, and still ends with 0", function()
      local c = program.start(nil, { mode = mode, env = { REAPER_GRACE = "0.3" },
        raw = { FOLDER .. "pool.lua", 2, helper, "daemon", "--ignore-term" } })
      c:err_expect("worker%-%d is.*worker%-%d is")
      c:until_true(function()
        return #select(2, c:find("spec-daemon")) >= 2
      end)
      c:kill("TERM")
      c:err_expect("the grace period of 0.3 s is over")
      assert.equal(0, c:wait())
    end)
  end)

  it("ends with 127 when its command cannot be started", function()
    local code, out, err = run("init", "pool", 2, "/no/such/worker")
    assert.same({ 127, "" }, { code, out })
    assert.truthy(err:find("/no/such/worker", 1, true), err)
  end)

  it("ends with the code of its own failure, after its workers have been stopped", function()
    local c = start("subreaper", "pool", 2, helper, "hold")
    c:err_expect("worker%-1 is.*worker%-2 is")
    for _, child in ipairs(c:children_of(c.nspid)) do
      if child.comm == "lua5.4" then c:kill("KILL", child.pid) end
    end
    assert.equal(128 + 9, c:wait())
  end)
end)

-- Everything that a server on the port sends after a connection has been made.
local function ask(port)
  local client, text, ended = uv.new_tcp(), "", false
  client:connect("127.0.0.1", port, function(message)
    assert(not message, message)
    client:read_start(function(why, part)
      assert(not why, why)
      text = text .. (part or "")
      if not part then
        ended = true
        client:close()
      end
    end)
  end)
  return function()
    uv.run("nowait")
    return ended and text
  end
end

describe_with("luv", "examples/library/server.lua", function(mode)
  it("answers, leaves orphans behind with each request and no zombies", function()
    local c = start(mode, "server")
    local port = tonumber((c:expect("listening on port (%d+)\n")))
    for _ = 1, 3 do
      local answers, left = {}, {}
      for i = 1, 20 do
        answers[i] = ask(port)
      end
      for i = 1, 20 do
        left[i] = c:until_true(answers[i], 20):match("^process (%d+) is left behind\n$")
        assert.truthy(left[i])
      end
    end
    assert.truthy(c:find("sleep"))
    -- They are the engine's, and it reaps them, whatever the server does.
    until_children(c, 1)
    c:kill("TERM")
    assert.equal(0, c:wait())
    assert.equal("", c:err())
  end)

  it("has its orphans reaped while it does not run", function()
    local c = start(mode, "server")
    local port = tonumber((c:expect("listening on port (%d+)\n")))
    assert.truthy(c:until_true(ask(port), 20))
    local server = c:children_of(c.nspid)[1]
    assert.truthy(server.args:find("server.lua", 1, true))
    c:until_true(function() -- its shell is its own to reap
      return #c:children_of(server.nspid) == 0
    end, 20, "the end of its shell")
    c:kill("STOP", server.pid)
    until_children(c, 1)
    c:kill("CONT", server.pid)
    assert.truthy(c:until_true(ask(port), 20))
    c:kill("TERM")
    assert.equal(0, c:wait())
  end)

  it("ends with 0 on Ctrl-C at its terminal", function()
    local options = with(mode, "server")
    options.tty = true
    local c = program.start(nil, options)
    c:expect("listening on port %d+\r\n")
    c:write("\3")
    assert.equal(0, c:wait())
  end)

  it("takes the port from its argument and stops what requests have left", function()
    local listener = uv.new_tcp()
    listener:bind("127.0.0.1", 0)
    local port = listener:getsockname().port
    listener:close()
    uv.run("nowait")
    local c = start(mode, "server", port)
    c:expect("listening on port " .. port .. "\n")
    assert.truthy(c:until_true(ask(port), 20))
    c:kill("TERM")
    assert.equal(0, c:wait())
  end)
end)

describe("examples/library/go_reaper.lua", function()
  after_each(container.close_all)

  local done = "its own child:\texit\t4\nthe orphan is reaped\n"

  it("reap: reaps in the background as process 1", function()
    assert.same({ 0, done, "" }, { run("init", "go_reaper", "reap") })
  end)

  it("reap: says elsewhere why it does not", function()
    local code, out, err = run("subreaper", "go_reaper", "reap")
    assert.same({ 1, "" }, { code, out })
    assert.truthy(err:find("reaper.reap: this is process 2, not 1: set enable_child_subreaper", 1, true), err)
  end)

  container.each_mode(function(mode)
    it("start: with all of the configuration, is what it does without an argument", function()
      local code, out, err = run(mode, "go_reaper")
      assert.same({ 0, done }, { code, out })
      assert.truthy(err:find("reaped orphan %d+ %(%w+%): exit 3\n"), err)
    end)

    it("statuses: gives the death that nobody has looked at when it happened", function()
      local code, out, err = run(mode, "go_reaper", "statuses")
      assert.same({ 0, "" }, { code, err })
      assert.equal(done .. "died:\tPID\texit 3\n", (out:gsub("died:\t%d+", "died:\tPID")))
    end)

    it("run_forked: ends with the program's code", function()
      assert.same({ 42, done, "" }, { run(mode, "go_reaper", "run_forked") })
    end)

    it("with_reaper: ends with the function's code", function()
      assert.same({ 43, done, "" }, { run(mode, "go_reaper", "with_reaper") })
    end)
  end)

  it("names an example that is not there", function()
    local code, out, err = run("init", "go_reaper", "nothing")
    assert.same({ 1, "" }, { code, out })
    assert.truthy(err:find("there is no such example", 1, true), err)
  end)
end)

describe("examples/library/wait4.lua", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("collects the orphans of its shells in its own process", function()
      local code, out, err = run(mode, "wait4")
      assert.equal("reaped\tPID\texit 1\nreaped\tPID\texit 2\nreaped\tPID\texit 3\n", (out:gsub("\t%d+\t", "\tPID\t")))
      assert.same({ 0, "" }, { code, err })
    end)
  end)
end)
