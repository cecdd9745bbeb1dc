--- reaper.statuses: a loop of a program gets each death.

local check = require "reaper.runtime.check"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local unread = {} -- deaths that no loop has taken, in their order
local serials = setmetatable({}, { __mode = "k" }) -- status → the number of its death, whatever loop has it
local last_serial = 0

local function pack(pid, status, rusage)
  if not serials[status] then
    last_serial = last_serial + 1
    serials[status] = last_serial
  end
  return { pid, status, rusage }
end

-- A death that was on its way when the last listener was taken away.
hooks.on_reap_without_listener(function(...)
  unread[#unread + 1] = pack(...)
end)

-- Puts back what a loop has not taken when it was left early. Another such loop may have put back the same.
local function put_back(queue, from)
  local known = {}
  for _, death in ipairs(unread) do
    known[death[2]] = true
  end
  for i = from, #queue do
    if not known[queue[i][2]] then
      unread[#unread + 1] = queue[i]
    end
  end
  table.sort(unread, function(a, b)
    return serials[a[2]] < serials[b[2]]
  end)
end

-- A death for those who wait in a loop over reaper.statuses.
local function put(queue, ...)
  queue[#queue + 1] = pack(...)
  local waiter = queue.waiter
  if waiter then
    queue.waiter = nil
    loop.wake(waiter)
  end
end

local function wait_for_status(queue, timeout)
  local timer
  loop.wait_for_engine(function(waiter)
    queue.waiter = waiter
    if timeout and timeout < math.huge then
      timer = timers.add(timeout, function()
        queue.waiter = nil
        loop.wake(waiter)
      end)
    end
  end)
  if timer then
    timers.remove(timer)
  end
end

-- for pid, status, rusage in reaper.statuses([timeout]) do … end: each death, in order, from reaper.start on. Waits
-- for the next; ends when none has come for `timeout` seconds (default: never) or the engine has gone.
local function statuses(timeout)
  if timeout ~= nil then
    check.seconds("reaper.statuses", "timeout", timeout, true)
  end
  local queue, at = unread, 0
  unread = {}
  local stop = hooks.on("on_reap", function(pid, status, rusage)
    put(queue, pid, status, rusage)
  end)
  local function next_status()
    if at == #queue then
      for i = 1, at do
        queue[i] = nil
      end
      at = 0
      loop.check_wait("reaper.statuses")
      wait_for_status(queue, timeout)
    end
    local death = queue[at + 1]
    if death then
      at = at + 1
      queue[at] = false
      return table.unpack(death, 1, 3)
    end
  end
  local function close()
    stop()
    put_back(queue, at + 1)
  end
  return next_status, nil, nil, setmetatable({}, { __close = close })
end

return statuses
