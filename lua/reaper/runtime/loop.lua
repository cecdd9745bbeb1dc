--- The script process's event loop: coroutines, descriptors, events, and the wait for what comes next.
-- Everything of the script runs in a coroutine of a pool, so what has to wait, yields.

local core = require "reaper.core"
local caller = require "reaper.runtime.caller"
local timers = require "reaper.runtime.timers"

local loop = {}

local DONE, WAIT = {}, {} -- what our coroutines yield

local create, running, yield = coroutine.create, coroutine.running, coroutine.yield

-- In a program there is no watch-dog.
local function resumed(co, ok, ...)
  if ok then
    return true, ...
  end
  local text, message = pcall(tostring, (...))
  message = text and message or ("(an error that is a %s)"):format(type((...)))
  local traceback = debug.traceback(co, message)
  coroutine.close(co)
  return false, message, traceback
end

local resume = core.resume or function(co, _, ...)
  return resumed(co, coroutine.resume(co, ...))
end
local give_up = core.give_up or coroutine.close

local current -- the coroutine that is running now
local pool = {} -- idle coroutines
local finished = {} -- coroutine → function(ok, …) to call when its function has returned
local labels = {} -- coroutine → the name of the hook or timer that it runs

-- A coroutine that has run one function waits for the next: making one costs more than a hook.
local function work(f, ...)
  return work(yield(DONE, f(...)))
end

-- Ends a run: hands the results to whoever waits for them.
local function finish(co, ok, ...)
  local done = finished[co]
  finished[co], labels[co] = nil, nil
  if done then
    done(ok, ...)
  end
end

-- What a resumed coroutine came back with. True when its function has ended.
local function settle(co, ok, first, ...)
  if ok and first == DONE then
    pool[#pool + 1] = co
    finish(co, true, ...)
    return true
  end
  if ok and first == WAIT then
    return false
  end
  if ok then
    first = "coroutine.yield: only a coroutine of your own may yield; to wait, use reaper.sleep or process:wait"
    finish(co, false, first, debug.traceback(co, first))
    give_up(co)
  elseif ok == nil then
    finish(co, nil) -- os.exit
  else
    finish(co, false, first, ...)
  end
  return true
end

local function continue(co, label, ...)
  local outer = current
  current = co
  local ended = settle(co, resume(co, label, ...))
  current = outer
  return ended
end

--- Runs f(…) in a coroutine.
-- @param label what it is, for messages
-- @param done called as done(true, results…), done(false, message, traceback), or done(nil) after os.exit
-- @return true when f has returned already, false when it waits
function loop.run(label, done, f, ...)
  local co = table.remove(pool) or create(work)
  finished[co], labels[co] = done, label
  return continue(co, label, f, ...)
end

--- The name of what runs now, or nil.
function loop.label()
  return labels[current]
end

--- The coroutine of the hook or timer that is running, if any. An error that went through the loop leaves a stale one.
function loop.in_hook()
  if current and coroutine.status(current) ~= "running" and coroutine.status(current) ~= "normal" then
    current = nil
  end
  return current
end

--- Raises where a function that waits cannot be called.
function loop.check_wait(name)
  local hook = loop.in_hook()
  if hook and running() ~= hook or not hook and not loop.is_program then
    caller.raise(name .. " waits, so it can be called in hooks, timers and the script itself, "
      .. "but not in a coroutine of your own")
  end
end

-- The program itself waits, so everything else runs from here.
local function run_until_woken(register)
  local waiter = {}
  register(waiter)
  while not waiter.values do
    loop.step()
  end
  return table.unpack(waiter.values, 1, waiter.values.n)
end

--- Waits until somebody calls loop.wake with the value that `register` is given. Gives what wake gives.
function loop.wait(register)
  if not loop.in_hook() then
    return run_until_woken(register)
  end
  register(current)
  return yield(WAIT)
end

--- Waits so many seconds.
function loop.sleep(seconds)
  loop.wait(function(co)
    timers.add(seconds, function()
      loop.wake(co)
    end)
  end)
end

local engine_waiters = {} -- those whom only an event can wake

--- The same for what only an event of the engine can end. When the engine has gone, this gives nil, "the engine has
-- gone" in a program; a script process has been replaced then, and what it waits for never comes.
function loop.wait_for_engine(register)
  if loop.gone and loop.is_program then
    return nil, "the engine has gone"
  end
  return loop.wait(function(waiter)
    engine_waiters[waiter] = true
    register(waiter)
  end)
end

--- Lets a waiting coroutine go on with the values. True when it has ended.
function loop.wake(co, ...)
  engine_waiters[co] = nil
  if type(co) == "table" then
    co.values = table.pack(...)
    return true
  end
  return continue(co, labels[co], ...)
end

--- Adds a function to be called when the run of `co` ends, after those that are there.
function loop.when_finished(co, f)
  local before = finished[co]
  finished[co] = function(...)
    if before then
      before(...)
    end
    f()
  end
end

--- Lets a waiting coroutine go on, but not inside the one that wakes it.
function loop.wake_later(co)
  timers.add(0, function()
    loop.wake(co)
  end)
end

-- Descriptors.

local ready_functions = {}

--- Calls f() whenever the descriptor is readable ("r") or writable ("w"), until loop.unwatch. True; or nil, message,
-- errno.
function loop.try_watch(fd, mode, f)
  local why, errno = core.watch(fd, mode)
  if why then
    return nil, why, errno
  end
  ready_functions[fd] = f
  return true
end

--- The same, but it raises.
function loop.watch(fd, mode, f)
  local ok, why = loop.try_watch(fd, mode, f)
  if not ok then
    caller.raise(why)
  end
end

function loop.unwatch(fd)
  ready_functions[fd] = nil
  core.watch(fd, nil)
end

local function serve(ready)
  for _, fd in ipairs(ready) do
    local f = ready_functions[fd]
    if f then
      f()
    else -- nobody would ever read it, so that it would keep the loop awake for ever
      core.watch(fd, nil)
    end
  end
  return #ready
end

--- A descriptor that is readable when loop.step has something to do; or nil, message, errno.
function loop.fd()
  local fd, message, errno = core.fd()
  if not fd then
    return nil, message, errno
  end
  timers.set_watched(not loop.gone)
  return fd
end

-- Events.

local handlers = {}

--- Calls f with the values of each event of the kind.
function loop.handle(kind, f)
  handlers[kind] = f
end

-- There will be no more. A script ends with its engine; a program goes on.
local function engine_gone()
  loop.gone = true
  timers.set_watched(false) -- one that nobody will fire any more must not keep the descriptor readable
  for waiter in pairs(loop.is_program and engine_waiters or {}) do
    loop.wake(waiter, nil, "the engine has gone")
  end
end

local heap, fire_timers, set_alarm = timers.heap, timers.fire, timers.set_alarm

-- Deals with the events that have been read.
local function dispatch(count, kind, ...)
  if not kind then
    return count
  end
  local handler = handlers[kind]
  if handler then -- not for a reply that nobody waits for
    handler(...)
  end
  return dispatch(count + 1, core.next())
end

local function take_step(most, interruptible)
  local delay = heap[1] and math.max(0, heap[1].at - core.now())
  if most and most < (delay or math.huge) then
    delay = most
  end
  local ready = core.poll(delay, interruptible)
  local count = dispatch(0, core.next()) -- also what was read just before the engine went
  if not ready then
    engine_gone()
    return false
  elseif ready ~= true then
    count = count + serve(ready)
  end
  count = count + fire_timers()
  set_alarm()
  return count
end

local function take_steps(most, interruptible)
  while true do
    most, interruptible = yield(take_step(most, interruptible))
  end
end

local stepper

--- Waits for the next thing to happen and deals with it. In a program this is done in a coroutine: a Ctrl-C raises
-- in the main one, by a debug hook, and would leave half done what it interrupts.
-- @param most seconds to wait at most; none: for ever
-- @return how many things there were, or false when the engine has gone
function loop.step(most)
  if not loop.is_program then
    return take_step(most)
  end
  if not stepper or coroutine.status(stepper) ~= "suspended" then
    stepper = create(take_steps)
  end
  local _, is_main = running() -- who waits in a coroutine of the program's own does not see a Ctrl-C before its end
  local ok, count = coroutine.resume(stepper, most, is_main)
  if not ok then
    error(count, 0)
  end
  return count
end

--- The engine has gone: deals with what is there without waiting, such as the last output of children.
function loop.drain()
  local total = 0
  repeat
    local count = loop.step(0)
    total = total + count
  until count == 0 or total >= 100000
end

return loop
