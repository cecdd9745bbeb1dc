-- Who is left at the stop where that is hard to see: processes whose first thread has ended, processes that /proc
-- hides or that there is no /proc for, and processes that may not be signalled.

local uv = require "luv"
local container = require "spec.support.container"
local script = require "spec.support.script"

local helper = container.helper
local LONG = "30" -- a grace that no spec waits for: what ends well before it did not wait for its end

local function daemon(words)
  return ("%s daemon --log {folder}/log %s"):format(helper, words)
end

-- COMMAND: leaves a daemon and ends with 3.
local function leaves(words)
  return { "/bin/sh", "-c", daemon(words) .. " && exit 3" }
end

-- Runs it to its end: stderr, the daemon's log, seconds.
local function run_to_end(options)
  local c = container.start(options)
  local began = uv.hrtime()
  assert.are.equal(3, c:wait())
  local seconds = (uv.hrtime() - began) / 1e9
  return c:err(), c:read("log"), seconds
end

-- A /proc that hides other users' processes, for a process 1 that may not look at everybody. "{folder}" stays usable.
local HIDING = [[chown -R 1000:1000 {folder} && mount -t proc -o hidepid=%s proc /proc &&
  exec setpriv --reuid=1000 --regid=1000 --clear-groups "$@"]]

-- All processes get high pids, and COMMAND can have the next ones begin at the low end again, with descriptor 9.
local HIGH_PIDS = [[echo 30000 >/proc/sys/kernel/ns_last_pid && exec 9>/proc/sys/kernel/ns_last_pid && exec "$@"]]

local function wrapped(text, ...)
  return { "/bin/sh", "-c", text:format(...), "sh" }
end

describe("what is left at the stop", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    local function with(options)
      options.mode = mode
      return options
    end

    describe("when the first thread of a process has ended", function()
      it("it gets TERM", function()
        local _, log, seconds = run_to_end(with{ args = { "-t", LONG }, command = leaves "--leaderless" })
        assert.are.equal("got 15\n", log)
        assert.is_true(seconds < 10 * container.slow)
      end)

      it("it is woken when it is stopped", function()
        local _, log, seconds = run_to_end(with{ args = { "-t", LONG }, command = leaves "--leaderless --stopped" })
        assert.are.equal("got 15\n", log)
        assert.is_true(seconds < 10 * container.slow)
      end)

      it("it gets KILL at the end of the grace", function()
        local err = run_to_end(with{ args = { "-v", "-t", "0.2" }, command = leaves "--leaderless --ignore-term",
          report_left = mode == "subreaper" or nil })
        assert.matches("killing what is left\n", err)
        assert.is_nil(err:match "does not end")
        assert.is_nil(err:match "host: left")
      end)

      it("a script sees the state of a thread that lives", function()
        local c = container.start(with{ command = { "/bin/sh", "-c", daemon "--leaderless --stopped" .. "; read line" },
          script = [[
            function on_signal()
              for _, process in ipairs(reaper.processes()) do
                if process.comm == "spec-daemon" then print("state " .. process.state) end
              end
              return false
            end]] })
        c:expect "daemon %d+\n"
        c:kill "USR1"
        c:expect "state T\n"
      end)
    end)

    for _, level in ipairs { 1, 2, 4 } do
      describe("when /proc is mounted with hidepid=" .. level, function()
        it("a hidden process gets TERM, and is woken", function()
          local _, log, seconds = run_to_end(with{ args = { "-t", LONG }, wrap = wrapped(HIDING, level),
            command = leaves "--undumpable --stopped" })
          assert.are.equal("got 15\n", log)
          assert.is_true(seconds < 10 * container.slow)
        end)

        it("a hidden process gets KILL at the end of the grace", function()
          local err, log = run_to_end(with{ args = { "-t", "0.2" }, wrap = wrapped(HIDING, level),
            command = leaves "--undumpable --ignore-term", report_left = mode == "subreaper" or nil })
          assert.matches("^got 15\n", log)
          assert.matches("killing what is left\n", err)
          assert.is_nil(err:match "does not end")
        end)
      end)
    end

    describe("when there is no /proc and pids have begun anew", function()
      if container.sanitized then
        pending "is not tried: sanitizers themselves need /proc"
        return
      end

      it("a process with a high pid gets TERM", function()
        local _, log, seconds = run_to_end(with{ args = { "-t", LONG }, no_proc = true, wrap = wrapped(HIGH_PIDS),
          command = { "/bin/sh", "-c", daemon "" .. "&& echo 300 >&9 && exit 3" } })
        assert.are.equal("got 15\n", log)
        assert.is_true(seconds < 20 * container.slow)
      end)

      it("a process with a high pid gets KILL at the end of the grace", function()
        local err, log = run_to_end(with{ args = { "-t", "0.2" }, no_proc = true, wrap = wrapped(HIGH_PIDS),
          command = { "/bin/sh", "-c", daemon "--ignore-term" .. " && echo 300 >&9 && exit 3" },
          report_left = mode == "subreaper" or nil })
        assert.matches("^got 15\n", log)
        assert.matches("killing what is left\n", err)
        assert.is_nil(err:match "does not end")
      end)
    end)

    describe("on a terminal of its own", function()
      local SESSION = helper .. " session "
      local SHELL = "/bin/bash --norc --noprofile -i"

      -- COMMAND: leaves what `line` says, waits until `condition` of the container holds and a line comes, ends with 3.
      local function leave(line, condition, more)
        local options = with{ args = { "-t", LONG }, command = { "/bin/sh", "-c", line .. "\nread line; exit 3" } }
        for key, value in pairs(more or {}) do
          options[key] = value
        end
        local c = container.start(options)
        c:until_true(function() return condition(c) end, nil, "what it leaves")
        local began = uv.hrtime()
        c:write "go\n"
        assert.are.equal(3, c:wait())
        return c, (uv.hrtime() - began) / 1e9
      end

      -- Goes on, and tells what it gets.
      local DEAF = [[/bin/sh -c 'trap "echo got 15 >>{folder}/log" TERM; trap "echo got 1 >>{folder}/log" HUP;
        echo up >>{folder}/log; while :; do sleep 0.02; done']]

      local function is_up(c)
        return (c:read "log" or ""):find("up\n", 1, true)
      end

      it("an interactive shell, which ignores TERM, ends at once, and so do its jobs", function()
        local with_job = SHELL .. " -c 'set -m; trap \"\" TERM; sleep 100; :'"
        local _, seconds = leave(SESSION .. SHELL .. "; " .. SESSION .. with_job, function(c)
          local _, shells = c:find "bash"
          return #shells == 2 and c:find "sleep"
        end)
        assert.is_true(seconds < 10 * container.slow)
      end)

      it("a stopped shell is woken, and ends", function()
        local _, seconds = leave(("%s /bin/sh -c 'kill -STOP $$; exec %s'"):format(SESSION, SHELL), function(c)
          local _, shells = c:find "sh"
          for _, process in ipairs(shells or {}) do
            if process.state == "T" then
              return true
            end
          end
        end)
        assert.is_true(seconds < 10 * container.slow)
      end)

      it("it gets HUP beside TERM; without a terminal, or on that of reaper-lua, TERM alone", function()
        for _, row in ipairs {
          { SESSION .. DEAF, false, { "got 1", "got 15", "up" } },
          { "setsid " .. DEAF .. " &", false, { "got 15", "up" } },
          { DEAF .. " &", true, { "got 15", "up" } },
        } do
          local c = leave(row[1], is_up, { args = { "-v", "-t", "0.5" }, tty = row[2],
            report_left = mode == "subreaper" and not row[2] or nil })
          local got = script.lines(c:read "log")
          table.sort(got)
          assert.are.same(row[3], got)
          assert.matches("killing what is left\r?\n", c:out() .. c:err())
        end
      end)

      if container.sanitized then
        pending "without /proc it is not tried: sanitizers themselves need it"
        return
      end

      it("it has the grace where nobody can see that, without /proc", function()
        local c = leave(SESSION .. DEAF, is_up, { args = { "-v", "-t", "0.5" }, no_proc = true })
        assert.are.equal("up\ngot 15\n", c:read "log")
        assert.matches("killing what is left\n", c:err())
      end)
    end)

    describe("a process that may not be signalled", function()
      -- No CAP_KILL, and COMMAND is another user.
      local POWERLESS = [[chmod 777 {folder} && exec setpriv --bounding-set=-kill --inh-caps=-kill "$@"]]

      it("is named once and not waited for", function()
        local err, log, seconds = run_to_end(with{ args = { "-t", LONG, "-u", "1000:1000" }, wrap = wrapped(POWERLESS),
          command = leaves "" })
        assert.is_nil(log:match "got")
        assert.matches("^reaper%-lua: warning: reaper%-lua may not signal process %d+ %(spec%-daemon%), "
          .. "so it is not stopped and not waited for\n$", err)
        assert.is_true(seconds < 10 * container.slow)
      end)

      it("does not keep others from their grace", function()
        local err, log, seconds = run_to_end(with{ args = { "-t", LONG, "-u", "1000:1000" }, wrap = wrapped(POWERLESS),
          script = ([[reaper.spawn{ "/bin/sh", "-c", "trap 'sleep 0.2; echo done >>{folder}/done; exit' TERM;"
            .. "echo up >>{folder}/done; while :; do sleep 0.01; done" }
            while not io.open "{folder}/done" do reaper.sleep(0.01) end]]), command = leaves "" })
        assert.is_nil(log:match "got")
        assert.matches("may not signal process", err)
        assert.is_true(seconds < 10 * container.slow)
      end)
    end)
  end)

  it("is not waited for when it was put into the namespace by another user, seen or hidden", function()
    for _, level in ipairs { 0, 2 } do
      local c = container.start{ args = { "-t", LONG }, wrap = wrapped(HIDING, level),
        command = { "/bin/sh", "-c", "echo ready; read line; exit 3" } }
      c:expect "ready\n"
      local handle = assert(uv.spawn("/usr/bin/nsenter", {
        args = { "-t", tostring(c.pid), "-p", "-m", helper, "daemon", "--ignore-term", "--log", c:file "log" },
      }, function() end))
      c:until_true(function() return c:find "spec-daemon" end, nil, "the daemon")
      local began = uv.hrtime()
      c:write "go\n"
      assert.are.equal(3, c:wait())
      assert.is_true((uv.hrtime() - began) / 1e9 < 20 * container.slow)
      assert.matches(level == 0 and "process %d+ %(spec%-daemon%)" or "process %d+ %(%?%)", c:err())
      local named = {}
      for pid in c:err():gmatch "may not signal process (%d+)" do -- perhaps also the one that has made it
        assert.is_nil(named[pid])
        named[pid] = true
      end
      uv.close(handle)
      c:close()
    end
  end)
end)
