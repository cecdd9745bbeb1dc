--- What follows each event of the engine: waiters and hooks.

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"

local show_event = core.show_event or function() end -- a program has no page

local function answer(ask, kind, number)
  core.order(core.ORDER_ANSWER, ask, 0, number or 0, kind)
end

-- A hook that has not returned yet has said "wait for me".
local function wait_for(ask, ended)
  if not ended then
    core.order(core.ORDER_WAIT, ask)
  end
end

loop.handle(core.EVENT_CHILD, process.adopt)

local has_shown_stop = false

-- Where there are services, the engine tells of the stop twice.
local function show_stop(reason)
  if not has_shown_stop then
    has_shown_stop = true
    show_event("stop", nil, "begin", reason)
  end
end

-- What is to be answered when the services are down. Without any there is nothing to wait for.
loop.handle(core.EVENT_SERVICES, function(ask, reason, is_their_turn)
  show_stop(reason)
  if not hooks.stop_services then
    return answer(ask, core.ANSWER_DEFAULT)
  end
  hooks.stop_services(reason, is_their_turn, function(seconds)
    core.order(core.ORDER_WAIT, ask, 0, seconds)
  end, function()
    answer(ask, core.ANSWER_DEFAULT)
  end)
end)

-- From now on this script process writes the page, and takes orders. What has come before waits in the pipe.
local function open_inbox()
  local fd = core.inbox()
  if fd then
    loop.try_watch(fd, "r", function()
      require "reaper.runtime.inbox"(fd)
    end)
  end
end

-- Until then the journal is only looked at ahead: all that follows comes after on_start has been called.
loop.handle(core.EVENT_START, function(pid, pidfd, again, in_stop, main_has_run)
  if main_has_run then
    process.main_started(pid, pidfd)
  end
  if core.take_page then
    core.take_page()
    if not hooks.stop_services then -- those of an earlier script process are nobody's now
      core.show_services(0)
    end
    show_event("script", nil, again or "start")
    open_inbox()
  end
  if pid and not again then
    show_event("main", nil, "start", "pid " .. pid)
  end
  hooks.started(in_stop)
  hooks.call("on_start", nil, pid, again)
  process.pass_outputs_on()
end)

local function note_end_of_main(flags)
  process.main_was_asked = flags & core.FLAG_ASKED ~= 0
  process.main_ended_in_stop = flags & core.FLAG_IN_STOP ~= 0
end

-- The main child's end decides whether the stop begins, once all that it has set in motion has come to an end.
local function decide_on_main(ask, pid, status, rusage, info, flags)
  local left = 2
  local function one_less()
    left = left - 1
    if left == 0 then
      answer(ask, core.ANSWER_DEFAULT)
    end
  end
  process.main_started(pid) -- a script process that replaces a lost one has not seen it start
  note_end_of_main(flags)
  for _, co in ipairs(process.ended(pid, status, rusage)) do
    left = left + 1
    loop.when_finished(co, one_less)
  end
  if flags & core.FLAG_TOLD == 0 then
    hooks.call("on_reap", one_less, pid, status, rusage, info)
  else -- a script process has died in its on_reap
    one_less()
  end
  one_less()
  wait_for(ask, left == 0)
end

loop.handle(core.EVENT_REAP, function(pid, status, rusage, info, ask, flags)
  if flags & core.FLAG_AHEAD ~= 0 then -- before its turn, for those who wait for it
    return process.ended(pid, status, rusage)
  elseif flags & core.FLAG_MAIN ~= 0 and flags & core.FLAG_TOLD == 0 then
    show_event("main", nil, "end", tostring(status))
  end
  if ask ~= 0 then
    return decide_on_main(ask, pid, status, rusage, info, flags)
  end
  if flags & core.FLAG_MAIN ~= 0 then
    note_end_of_main(flags)
  end
  -- An orphan may have had the pid of a child that lives, and what was known ahead that of a later one.
  if flags & (core.FLAG_MAIN | core.FLAG_SPAWNED) ~= 0 and flags & core.FLAG_KNOWN == 0 then
    process.ended(pid, status, rusage)
  end
  if flags & core.FLAG_TOLD == 0 then
    hooks.call_reap(pid, status, rusage, info)
  end
end)

loop.handle(core.EVENT_OVERFLOW, function(count)
  log("warning", ("%d events were dropped, because they were read too slowly"):format(count))
  show_event("overflow", nil, nil, ("%d events were dropped"):format(count))
  hooks.call("on_overflow", nil, count)
end)

-- Where it is a question, the engine waits for the end of on_stop within the grace.
loop.handle(core.EVENT_STOP, function(ask, reason)
  show_stop(reason)
  hooks.call("on_stop", function()
    if ask ~= 0 then
      answer(ask, core.ANSWER_DEFAULT)
    end
  end, reason)
end)

-- on_signal: nothing for the default, false to drop it, a signal to forward that one.
local function answer_signal(ask, value)
  if value == nil then
    return answer(ask, core.ANSWER_DEFAULT)
  elseif value == false then
    return answer(ask, core.ANSWER_DROP)
  end
  local number, message = core.signal(value)
  if number then
    return answer(ask, core.ANSWER_SIGNAL, number)
  end
  hooks.report("on_signal", "on_signal returned " .. message .. "; the default follows")
  answer(ask, core.ANSWER_DEFAULT)
end

loop.handle(core.EVENT_SIGNAL, function(ask, name, number)
  wait_for(ask, hooks.ask("on_signal", function(value)
    answer_signal(ask, value)
  end, name, number))
end)

local function answer_exit(ask, value)
  if value == nil then
    return answer(ask, core.ANSWER_DEFAULT)
  end
  local code = type(value) == "number" and math.tointeger(value)
  if code and code >= 0 and code <= 255 then
    return answer(ask, core.ANSWER_CODE, code)
  end
  hooks.report("on_exit", ("on_exit returned %s, which is not an exit code (an integer from 0 to 255); it is ignored")
    :format(type(value) == "number" and value or type(value)))
  answer(ask, core.ANSWER_DEFAULT)
end

loop.handle(core.EVENT_EXIT, function(ask, code, status)
  wait_for(ask, hooks.ask("on_exit", function(value)
    answer_exit(ask, value)
  end, code, status))
end)

loop.handle(core.EVENT_RELOAD, function(ask)
  local ended = false
  hooks.call("on_reload", function()
    ended = true
    answer(ask, core.ANSWER_DEFAULT)
  end)
  wait_for(ask, ended)
end)
