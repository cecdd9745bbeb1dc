-- A program's own children by what Lua brings have their own statuses, whatever the engine reaps meanwhile.

local container = require "spec.support.container"
local own_children = require "spec.support.own_children"

describe("a program's own children by", function()
  after_each(container.close_all)

  own_children.define {
    { "os.execute", [[
      for i = 1, 200 do
        local _, kind, code = os.execute("exit " .. i % 256)
        note(kind == "exit" and code == i % 256)
      end
    ]] },
    { "os.execute, killed by signals", [[
      for i = 1, 200 do
        local number = i % 2 == 0 and 9 or 15
        local _, kind, code = os.execute(("kill -%d $$"):format(number))
        note(kind == "signal" and code == number)
      end
    ]] },
    { "io.popen", [[
      for i = 1, 200 do
        local pipe = io.popen("echo " .. i .. "; exit " .. i % 256)
        local line = pipe:read("n")
        local _, kind, code = pipe:close()
        note(kind == "exit" and code == i % 256 and line == i)
      end
    ]] },
  }
end)
