-- A service with `terminal = true`: it reads what is typed, and gets what the terminal sends.

local container = require "spec.support.container"
local screen = require "spec.support.screen"
local see, type_line = screen.see, screen.type_line

describe("a service that has the terminal", function()
  after_each(container.close_all)

  local function start(keys, command)
    return container.start { tty = true, env = screen.environment, mode = "init", script = ([[
      local supervisor = require "reaper.supervisor"
      function on_service(name, state, detail) print(name .. " is " .. state, detail or "") end
      function on_signal(name) print("told of " .. name) end
      supervisor.run { { name = "a", command = { "sh", "-c", %q }, terminal = true, %s } }
    ]]):format(command, keys) }
  end

  local READER = "while read -r line; do echo got-$line; done; exit 3"

  it("reads what is typed, and is restarted with it", function()
    local c = start('restart = "always"', "read -r line; echo got-$line")
    see(c, "a is running")
    type_line(c, "one")
    see(c, "got-one")
    see(c, "a is backoff")
    see(c, "a is running")
    type_line(c, "two")
    see(c, "got-two")
    c:kill "TERM"
    c:wait(10)
  end)

  it("gets Ctrl-C, and what follows is its restart policy", function()
    local c = start('restart = "no", when_failed = "exit"', READER)
    see(c, "a is running")
    type_line(c, "one")
    see(c, "got-one")
    c:write(screen.ctrl_c)
    assert.equal(130, c:wait(10))
    assert.is_nil(c:all():find("told of SIGINT", 1, true))
  end)

  it("leaves the terminal to reaper-lua when it has ended, which Ctrl-C stops", function()
    local c = start('restart = function() return 1000 end', "exit 1")
    see(c, "a is backoff")
    c:write(screen.ctrl_c)
    see(c, "told of SIGINT")
    c:wait(10)
  end)
end)
