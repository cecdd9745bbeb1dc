-- A script process that is killed in the midst of a spawn: the new process runs and is known, or it does not run.

local container = require "spec.support.container"
local faults = require "spec.support.faults"

describe("an order that comes while its script process ends", function()
  after_each(container.close_all)

  local missing = faults.missing()
  local define = missing and pending or it

  container.each_mode(function(mode)
    define("is carried out, or refused" .. (missing and ": " .. missing or ""), function()
      local c = container.start{ mode = mode, script = [[
        local first = true
        function on_signal()
          if first then reaper.spawn{ "sleep", "100", name = "svc" } end
          return false
        end
        function on_start(_, again)
          first = not again
          local known, running = 0, 0
          for _, child in ipairs(reaper.children()) do
            if child.name == "svc" then known = known + 1 end
          end
          for _, process in ipairs(reaper.processes()) do
            if process.comm == "sleep" then running = running + 1 end
          end
          print(again or "first", known, running)
        end]], command = { container.helper, "signals" } }
      c:expect "first\t%d\t0\n"
      local script_process, engine = c:find "reaper-script", c.view:find(c.nspid)
      faults.delay(c, script_process, "sendmsg", 0.6) -- so much later the new process says that it is there
      faults.delay(c, engine, "mmap", 1.5)    -- the engine takes so long over what its script process has not read
      c:kill "USR1"
      c:until_true(function()
        return #select(2, c:find "reaper-script") == 2 or c:find "sleep"
      end, nil, "the new process")
      c:kill("KILL", script_process.pid)
      local _, known, running = c:expect "(crash)\t(%d)\t(%d)\n"
      assert.are.equal(known, running)
    end)
  end)
end)
