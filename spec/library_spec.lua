-- require "reaper" in a Lua program: the engine below it reaps, forwards, and ends with its code.

local container = require "spec.support.container"
local program = require "spec.support.program"

describe("a Lua program that calls reaper.start", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("goes on as the only child of the engine, which keeps the pid", function()
      local c = program.start([[
        local reaper = require "reaper"
        local function me() return io.open("/proc/self/stat"):read("n") end
        local before = me()
        assert(reaper.start { enable_child_subreaper = true })
        print("before", before, "after", me())
        io.read()
      ]], { mode = mode })
      local before, after = c:expect("before\t(%d+)\tafter\t(%d+)\n")
      assert.equal(c.nspid, tonumber(before))
      local children = c:children_of(c.nspid)
      assert.equal(1, #children)
      assert.equal(tonumber(after), children[1].nspid)
      c:close_input()
      assert.equal(0, c:wait())
    end)

    it("has its orphans reaped and told, and leaves its exit code", function()
      local code, out, err = program.run([[
        local reaper = require "reaper"
        local seen = 0
        assert(reaper.start { enable_child_subreaper = true, on_reap = function(pid, status, rusage)
          print(math.type(pid), status, type(rusage.maxrss))
          seen = seen + 1
        end })
        os.execute("(sleep 0.05; exit 4) & exit 0")
        while seen == 0 do reaper.poll(1) end
        os.exit(42)
      ]], { mode = mode })
      assert.same({ 42, "integer\texit 4\tnumber\n", "" }, { code, out, err })
    end)
  end)
end)
