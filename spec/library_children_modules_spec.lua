-- A program's own children by modules, and by reaper.run, have their own statuses, whatever the engine reaps meanwhile.

local container = require "spec.support.container"
local own_children = require "spec.support.own_children"

describe("a program's own children by", function()
  after_each(container.close_all)

  own_children.define {
    { "luaposix fork and wait", [[
      local unistd, wait = require "posix.unistd", require "posix.sys.wait"
      for i = 1, 200 do
        local pid = assert(unistd.fork())
        if pid == 0 then unistd._exit(i % 256) end
        local got, kind, code = wait.wait(i % 2 == 0 and pid or -1)
        note(got == pid and kind == "exited" and code == i % 256)
        own[pid] = true
      end
    ]], posix = true },
    { "luv spawn", [[
      local uv = require "luv"
      for i = 1, 200 do
        local code, signal
        local handle, pid
        handle, pid = uv.spawn("/bin/sh", { args = { "-c", "exit " .. i % 256 } }, function(...)
          code, signal = ...
          handle:close()
        end)
        own[pid] = true
        uv.run()
        note(code == i % 256 and signal == 0)
      end
      uv.run()
    ]] },
    { "reaper.run", [[
      for i = 1, 200 do
        local status = reaper.run { "sh", "-c", "exit " .. i % 256 }
        note(status.kind == "exit" and status.code == i % 256)
      end
    ]] },
  }
end)
