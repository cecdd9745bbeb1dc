--- Timers: a binary heap by time; those of the same time in the order of their making.

local core = require "reaper.core"

local timers = {}

local heap, serial = {}, 0
timers.heap = heap

local function earlier(a, b)
  if a.at ~= b.at then
    return a.at < b.at
  end
  return a.serial < b.serial
end

local is_watched = false -- another event loop waits for us: it has to know when to call us

--- Tells that event loop when the next timer fires.
function timers.set_alarm()
  if is_watched then
    core.set_timer(heap[1] and math.max(0, heap[1].at - core.now()))
  end
end

--- Another event loop waits for us from now on; or it does so no more, and no timer wakes it.
function timers.set_watched(watched)
  is_watched = watched
  if watched then
    timers.set_alarm()
  else
    core.set_timer(nil)
  end
end

local function place(timer, index)
  heap[index] = timer
  timer.index = index
end

local function sift_up(index)
  local timer = heap[index]
  while index > 1 and earlier(timer, heap[index // 2]) do
    place(heap[index // 2], index)
    index = index // 2
  end
  place(timer, index)
end

local function sift_down(index)
  local timer = heap[index]
  while 2 * index <= #heap do
    local child = 2 * index
    if child < #heap and earlier(heap[child + 1], heap[child]) then
      child = child + 1
    end
    if not earlier(heap[child], timer) then
      break
    end
    place(heap[child], index)
    index = child
  end
  place(timer, index)
end

--- Calls f() after `delay` seconds, outside of any coroutine of the script. Gives the timer.
function timers.add(delay, f)
  serial = serial + 1
  local timer = { at = core.now() + delay, serial = serial, f = f }
  heap[#heap + 1] = timer
  sift_up(#heap)
  timers.set_alarm()
  return timer
end

--- Takes a timer back; nothing happens when it has fired.
function timers.remove(timer)
  local index = timer.index
  if not index then
    return
  end
  timer.index = nil
  local last = table.remove(heap)
  if last ~= timer then
    place(last, index)
    sift_up(index)
    sift_down(last.index)
  end
  timers.set_alarm()
end

--- Calls f() after so many seconds; math.huge: never. Gives a function that takes it back.
function timers.after(seconds, f)
  if seconds == math.huge then
    return function() end
  end
  local timer = timers.add(seconds, f)
  return function()
    timers.remove(timer)
  end
end

--- Fires all that are due, but not those that are added meanwhile: events come before these. Gives their number.
function timers.fire()
  local now, last, count = core.now(), serial, 0
  while heap[1] and heap[1].at <= now and heap[1].serial <= last do
    local timer = heap[1]
    timers.remove(timer)
    timer.f()
    count = count + 1
  end
  return count
end

return timers
