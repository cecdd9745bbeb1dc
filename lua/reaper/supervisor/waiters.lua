--- Calls of supervisor.wait: each waits until a service is what was asked for, or will never be.

local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local Waiters = {}
Waiters.__index = Waiters

--- Waits until answer() gives something, at most so many seconds: what it gives; or nil, "timeout".
function Waiters:wait(answer, timeout)
  local first = table.pack(answer())
  if first.n > 0 then
    return table.unpack(first, 1, first.n)
  end
  return loop.wait(function(co)
    local entry = { co = co, answer = answer }
    self.list[entry] = true
    entry.stop = timeout < math.huge and timers.after(timeout, function()
      self.list[entry] = nil
      loop.wake(co, nil, "timeout")
    end)
  end)
end

--- Something has changed: wakes those whose answer is there now.
function Waiters:look()
  for entry in pairs(self.list) do
    local found = table.pack(entry.answer())
    if found.n > 0 then
      self.list[entry] = nil
      if entry.stop then
        entry.stop()
      end
      timers.add(0, function()
        loop.wake(entry.co, table.unpack(found, 1, found.n))
      end)
    end
  end
end

return function()
  return setmetatable({ list = {} }, Waiters)
end
