-- Only the script process writes its page: not one that was forked from it, which has its memory.

local container = require "spec.support.container"
local control = require "spec.support.control"
local program = require "spec.support.program"

local function events(c)
  return select(2, control.run(c, "events"))
end

describe("the script's page", function()
  after_each(container.close_all)

  program.it_with_luaposix("is not written by a process that was forked from the script process", function()
    local c = container.start {
      script = [[
        local core = require "reaper.core"
        local unistd = require "posix.unistd"
        local supervisor = require "reaper.supervisor"
        supervisor.run { { name = "web", command = { "sleep", "1000" }, log = true } }
        local function write_all()
          core.take_page()
          core.show_event("service", "ghost", "running")
          core.show_service(1, { name = "ghost", state = "running" })
          core.show_services(1)
          core.show_reply("ghost", "done")
          core.open_ring("ghost", {})
          core.resume(coroutine.create(function() end), "ghost")
        end
        require "reaper".after(0, function()
          if unistd.fork() == 0 then
            local ok, message = pcall(write_all)
            io.open("{folder}/over", "w"):write(tostring(message)):close()
            unistd._exit(0)
          end
        end)
      ]],
      env = { LUA_CPATH_5_4 = program.env.LUA_CPATH_5_4 },
    }
    assert.are.equal("nil", c:until_true(function()
      local text = c:read "over"
      return text ~= "" and text
    end, nil, "the end of the forked process"))
    c:until_true(function()
      return select(2, control.run(c, "status")):find "\nweb +running"
    end, nil, "the service to run")
    assert.is_falsy(events(c):find "ghost", events(c))
    local _, out = control.run(c, "status", "--json")
    assert.is_falsy(out:find "ghost", out)
  end)
end)
