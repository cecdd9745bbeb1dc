-- Signals for processes that are known by their numbers only: reaper.kill, and :kill of what reaper.processes lists.

local container = require "spec.support.container"
local program = require "spec.support.program"
local script = require "spec.support.script"

-- Two processes in a group of their own, which nobody but the engine is the parent of; find(comm) waits for one.
local LEAVE = [[
  local function find(comm, is_gone)
    while true do
      local found
      for _, entry in ipairs(reaper.processes()) do
        if entry.comm == comm and entry.state ~= "Z" then found = entry end
      end
      if not is_gone == (found ~= nil) then return found end
      reaper.sleep(0.01)
    end
  end
  os.execute "cp /bin/sleep {folder}/one; cp /bin/sleep {folder}/two"
  os.execute "setsid sh -c '{folder}/one 100 & {folder}/two 100 &'"
]]

-- The same for a script's hook and for a program.
local function each_kind(define)
  container.each_mode(function(mode)
    it("in a script", function()
      define(function(body)
        local out, err, code = script.body(LEAVE .. body, { mode = mode })
        assert.same({ "", 0 }, { err, code })
        return out
      end)
    end)

    it("in a program", function()
      define(function(body)
        local c = program.start('reaper = require "reaper"\nassert(reaper.start { enable_child_subreaper = true })\n'
          .. LEAVE:gsub("{folder}", ".") .. body .. "\nos.exit(0, true)", { mode = mode, wrap = { "/bin/sh", "-c",
          'cd {folder} && exec "$@"', "sh" } })
        assert.same({ 0, "" }, { c:wait(), c:err() })
        return c:out()
      end)
    end)
  end)
end

describe("reaper.kill", function()
  after_each(container.close_all)

  describe("sends a signal to a process, by its number", function()
    each_kind(function(run)
      assert.equal("true\ntrue\tNo such process\t3\n", run [[
        local pid = find "one".pid
        print(reaper.kill(pid))
        find("one", true)
        local ok, why, errno = reaper.kill(pid, "TERM")
        print(not ok, (why:gsub("the process has ended", "No such process")), errno)
      ]])
    end)
  end)

  describe("sends a signal to a group", function()
    each_kind(function(run)
      assert.equal("true\nnil\tNo such process\t3\n", run [[
        local group = find "one".pgrp
        assert(find "two".pgrp == group)
        print(reaper.kill(-group, "KILL"))
        find("one", true)
        find("two", true)
        while reaper.kill(-group, "WINCH") do reaper.sleep(0.01) end -- they may be zombies still
        print(reaper.kill(-group, 9))
      ]])
    end)
  end)

  describe("of an entry of reaper.processes hits that process only", function()
    each_kind(function(run)
      assert.equal("nil\tthe process has ended\t3\ntrue\n", run [[
        local entry = find "one"
        entry.start_time = entry.start_time - 1 -- as if it were an earlier process with that number
        print(entry:kill "KILL")
        find "one":kill "KILL"
        print(find("one", true) == nil)
      ]])
    end)
  end)

  describe("raises for what would be reaper-lua itself, or everybody, and for what is no number or signal", function()
    each_kind(function(run)
      local out = run [[
        local stat = io.open "/proc/self/stat":read "a"
        local engine, own_group = stat:match "%) %S (%d+) (%d+)"
        engine = tonumber(engine)
        for _, entry in ipairs(reaper.processes()) do
          if entry.pid == engine then
            for _, pid in ipairs { -1, 0, engine, -entry.pgrp } do
              local ok, why = pcall(reaper.kill, pid, "KILL")
              print(ok, (why:gsub("%d+", "N")))
            end
          end
        end
        print(pcall(reaper.kill, "1"))
        print(pcall(reaper.kill, 5, "NOSUCH"))
        print(pcall(reaper.processes()[1].kill, {}))
      ]]
      assert.matches("^" .. ("false\t[^\n]*bad argument 'pid' to 'reaper.kill' %([^\n]*%)\n"):rep(5)
        .. "false\t[^\n]*bad argument 'signal' to 'reaper.kill' %(NOSUCH is not a signal[^\n]*%)\n"
        .. "false\t[^\n]*bad argument 'self' to 'entry:kill' %([^\n]*%)\n$", out)
      assert.matches("N is reaper%-lua itself; the stop is reaper.exit", out)
    end)
  end)

  it("says what the kernel does not allow", function()
    local out = script.printed([[
      local child = assert(reaper.spawn { "sleep", "100", user = 1000 })
      print(reaper.kill(child.pid, "KILL"))
    ]], { mode = "init", args = { "-q", "-t", "0" }, wrap = { "/bin/sh", "-c",
      'chmod 777 {folder}; exec setpriv --bounding-set=-kill --inh-caps=-kill "$@"', "sh" } })
    assert.equal("nil\tOperation not permitted\t1\n", out)
  end)
end)
