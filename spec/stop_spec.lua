-- The stop: who gets TERM and KILL, and that the engine ends the moment nothing is left.

local uv = require "luv"
local container = require "spec.support.container"

local helper = container.helper
local LONG = "30" -- a grace that no spec waits for: what ends well before it did not wait for its end

-- COMMAND: what leaves things behind, then a process that ends with TERM.
local function leaving(...)
  return { "/bin/sh", "-c", table.concat({ ... }, "\n") .. "\nexec " .. helper .. " signals" }
end

local function daemon(words)
  return ("%s daemon %s"):format(helper, words or "")
end

local function start(mode, grace, command, more)
  local options = { mode = mode, args = { "-t", grace }, command = command }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  if options.args[1] ~= "-t" then
    table.insert(options.args, 1, grace)
    table.insert(options.args, 1, "-t")
  end
  local c = container.start(options)
  c:expect("ready\n")
  return c
end

-- Seconds until it has ended.
local function time_to_end(c, limit)
  local begin = uv.hrtime()
  local code = c:wait(limit)
  return (uv.hrtime() - begin) / 1e9, code
end

local function assert_ends_early(c)
  local seconds, code = time_to_end(c, 10)
  assert.is_true(seconds < 5 * container.slow, "it took " .. seconds .. " s")
  return code
end

describe("the stop", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    local what = {
      { "a daemon in a session of its own", { daemon("--log {folder}/log") }, "got 15\n" },
      { "a stopped daemon, which is woken", { daemon("--stopped --log {folder}/log") }, "got 15\n" },
      { "a child in the background", { helper .. " signals >{folder}/log &",
        "until grep -q ready {folder}/log; do :; done" }, "ready\ngot 15\n" },
      { "a grandchild of a daemon", { ("setsid sh -c '%s; exec sleep 100' &"):format(daemon("--log {folder}/log")),
        "until grep -q daemon {folder}/stdout; do sleep 0.01; done" }, "got 15\n" },
    }
    for _, row in ipairs(what) do
      it("gives TERM to " .. row[1] .. " and ends the moment it is gone", function()
        local c = start(mode, LONG, leaving(table.unpack(row[2])), { report_left = mode == "subreaper" or nil })
        c:kill("TERM")
        assert.are.equal(0, assert_ends_early(c))
        assert.are.equal(row[3], (c:read("log"):gsub("got 18\n", "")))
        assert.is_nil(c:err():match("host: left"))
      end)
    end

    it("sends no TERM before the main child has ended", function()
      local c = start(mode, LONG, { "/bin/sh", "-c", daemon("--log {folder}/log") .. "; exec " .. helper
        .. " signals --exit-on USR1" })
      c:kill("TERM")
      c:expect("got 15\n")
      c:kill("USR2")
      c:expect("got 12\n")
      assert.are.equal("", c:read("log"))
      c:kill("USR1")
      assert_ends_early(c)
      assert.are.equal("got 15\n", c:read("log"))
    end)

    it("begins with the main child's own end, too", function()
      local c = container.start{ mode = mode, args = { "-t", LONG },
        command = { "/bin/sh", "-c", daemon("--log {folder}/log") .. "; exit 9" } }
      assert.are.equal(9, assert_ends_early(c))
      assert.are.equal("got 15\n", c:read("log"))
    end)

    it("waits no longer than for the last of them, which may take its time", function()
      local c = start(mode, LONG, leaving("(trap 'sleep 0.5; echo finished; exit' TERM; echo trapped; "
        .. "while :; do sleep 0.05; done) & until grep -q trapped {folder}/stdout; do :; done"))
      c:kill("TERM")
      assert_ends_early(c)
      assert.matches("finished\n", c:out(), 1, true)
    end)

    it("gives KILL at the end of the grace to what is left, and not before", function()
      local c = start(mode, "0.3", leaving(daemon("--ignore-term --log {folder}/log")),
        { report_left = mode == "subreaper" or nil })
      c:kill("TERM")
      local seconds = time_to_end(c, 10)
      assert.is_true(seconds >= 0.29 and seconds < 3 * container.slow, "it took " .. seconds .. " s")
      assert.are.equal("got 15\n", c:read("log"))
      assert.is_nil(c:err():match("host: left"))
      assert.is_nil(c:err():match("does not end"))
    end)

    it("gives KILL at once with a grace of 0", function()
      local c = start(mode, "0", leaving(daemon("--ignore-term --log {folder}/log")))
      c:kill("TERM")
      assert_ends_early(c)
      assert.are.equal("", c:read("log"))
    end)

    for _, signal in ipairs{ "TERM", "INT" } do
      it("is cut short by a second " .. signal, function()
        local c = start(mode, LONG, leaving(daemon("--ignore-term --log {folder}/log")))
        c:kill("TERM")
        c:until_true(function() return c:read("log") == "got 15\n" end, 5, "TERM at the daemon")
        assert.is_nil(c:ended())
        c:kill(signal)
        assert.are.equal(0, assert_ends_early(c))
      end)
    end

    it("is not cut short by a first TERM, whatever came long before the stop", function()
      local c = start(mode, "1", { "/bin/sh", "-c", "trap : INT; " .. daemon("--ignore-term --log {folder}/log")
        .. "; echo ready; while ! test -e {folder}/go; do sleep 0.02; done" })
      c:kill("INT")
      local begin = uv.hrtime()
      c:until_true(function() return (uv.hrtime() - begin) / 1e9 > 1.1 end, 5, "more than the grace")
      assert(io.open(c:file("go"), "w")):close()
      c:until_true(function() return c:read("log") == "got 15\n" end, 5, "the stop")
      c:kill("TERM")
      c:err_expect("the grace period of 1 s is over", 5)
    end)

    it("is not cut short by other signals", function()
      local c = start(mode, "1", leaving(daemon("--ignore-term --log {folder}/log")))
      c:kill("TERM")
      c:until_true(function() return c:read("log") == "got 15\n" end, 5, "TERM at the daemon")
      local begin = uv.hrtime()
      for _, signal in ipairs{ "HUP", "USR1", "QUIT", "CHLD", "RTMIN" } do
        c:kill(signal)
      end
      c:wait(10)
      assert.is_true((uv.hrtime() - begin) / 1e9 > 0.7)
    end)

    it("sends no TERM to what is made because of it", function()
      local DAEMONS = 30
      local clean_up = "trap 'sleep 0.1 && echo done >>{folder}/log; exit 0' TERM; echo up >>{folder}/up; "
        .. "while :; do sleep 0.05; done"
      local c = container.start{ mode = mode, args = { "-t", LONG }, command = { "/bin/sh", "-c", ([[
        i=0; while [ $i -lt %d ]; do setsid sh -c "$0" & i=$((i+1)); done
        until test "$(cat {folder}/up 2>{folder}/none | wc -l)" = %d; do sleep 0.05; done
        exit 3]]):format(DAEMONS, DAEMONS), clean_up } }
      assert.are.equal(3, c:wait())
      assert.are.equal(("done\n"):rep(DAEMONS), c:read("log"))
    end)

    it("ends a fork bomb that goes on forking at TERM", function()
      -- 50 shells; each makes a new child whenever one ends, and one more of its own kind at TERM. It comes once.
      local bomb = [[trap 'sh "$0" &' TERM; while :; do sleep 100 & wait $!; done]]
      local c = container.start{ mode = mode, args = { "-t", "0.3" }, report_left = mode == "subreaper" or nil,
        command = { "/bin/sh", "-c", ([[echo '%s' >{folder}/bomb; i=0
          while [ $i -lt 50 ]; do sh {folder}/bomb & i=$((i+1)); done; echo ready; exec sleep 100]])
          :format((bomb:gsub("'", "'\\''"))) } }
      c:expect("ready\n")
      c:until_true(function()
        local _, sleeps = c:find("sleep")
        return #sleeps >= 50
      end, 20, "50 bombs")
      c:kill("TERM")
      local seconds, code = time_to_end(c, 20)
      assert.are.equal(143, code)
      assert.is_true(seconds < 10 * container.slow, "it took " .. seconds .. " s")
      assert.is_nil(c:err():match("host: left"))
      assert.is_nil(c:err():match("does not end"))
    end)
  end)

  it("stops what was put into the namespace from outside", function()
    local c = start("init", LONG, { helper, "signals" })
    local ended
    local handle = assert(uv.spawn("/usr/bin/nsenter", {
      args = { "-t", tostring(c.pid), "-p", "-m", "/bin/sh", "-c",
        ("exec %s signals >%s"):format(helper, c:file("log")) },
    }, function(code) ended = code end))
    c:until_true(function() return c:read("log") == "ready\n" end, 5, "the process from outside")
    c:kill("TERM")
    assert.are.equal(0, assert_ends_early(c))
    assert.are.equal("ready\ngot 15\n", c:read("log"))
    c:until_true(function()
      uv.run("nowait")
      return ended
    end, 5, "nsenter to end")
    assert.are.equal(0, ended)
    uv.close(handle)
  end)

  describe("as a subreaper", function()
    local program = container.binary
    local comm = program:match("[^/]*$"):sub(1, 15)

    after_each(function()
      container.binary = program
    end)

    -- A shell that runs the program beside another child, and says with which code it ended.
    local function start_beside(args, command)
      container.binary = "/bin/sh"
      local c = container.start{ mode = "subreaper", raw = { "-c", ([[
        %s signals >{folder}/sibling &
        until grep -q ready {folder}/sibling; do :; done
        %s %s -- %s
        echo code $?
        exec %s hold]]):format(helper, program, args, command, helper) } }
      c:expect("ready\n")
      return c
    end

    for _, grace in ipairs{ LONG, "0", "0.2" } do
      it("touches nobody but its descendants, with a grace of " .. grace, function()
        local c = start_beside("-t " .. grace, ([[sh -c '%s; exec %s signals']]):format(daemon(
          grace == LONG and "" or "--ignore-term"), helper))
        c:kill("TERM", c:find(comm).pid)
        c:expect("code 0\n", 5)
        assert.is_nil(c:find("spec-daemon"))
        local left -- process 1, the sibling, and what the shell becomes
        c:until_true(function()
          left = select(2, c:find("spec-helper"))
          return #left == 3
        end, 5, "the three that are left")
        for _, process in ipairs(left) do
          assert.matches("[RSD]", process.state)
        end
        assert.are.equal("ready\n", c:read("sibling"))
      end)
    end
  end)
end)
