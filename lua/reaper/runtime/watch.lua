--- reaper.watch: a function that is called when a descriptor of the script's own is readable or writable.
--
-- What is waited for is a descriptor of ours for the same file. So the script can watch one descriptor twice, and a
-- watch whose descriptor was closed, or belongs to another file by now, is found out and ends: of a closed descriptor
-- epoll may go on telling for ever, without a way to stop it.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local EPERM, EBADF = 1, 9

local AFTER_ERROR = 1 -- seconds for which a watch rests whose function has raised: it may not have read anything

local Watch = {}
Watch.__index = Watch
Watch.__name = "reaper.descriptor_watch"

local private = setmetatable({}, { __mode = "k" }) -- watch → { given, fd, mode, f, watched, rest }

local function number_of(given)
  if math.type(given) == "integer" then
    return given
  end
  return core.fileno(given) -- nil for a file that is closed
end

local function is_still_open(state)
  local fd = number_of(state.given)
  return fd ~= nil and core.is_same(fd, state.fd)
end

local function pause(state)
  if state.watched then
    loop.unwatch(state.fd)
    state.watched = false
  end
end

local function forget(state)
  pause(state)
  if state.rest then
    timers.remove(state.rest)
  end
  core.close(state.fd)
  state.fd, state.rest, state.f = nil, nil, nil
end

--- It is not called any more. True when it was still to be called.
function Watch:cancel()
  local state = private[self] or check.refuse("watch:cancel", "self", "a watch expected; call it with a colon")
  local armed = state.fd ~= nil
  if armed then
    forget(state)
  end
  return armed
end

local call

-- Waits for it. True; or nil, message, errno, and the watch has ended.
local function arm(state)
  if state.watched then
    return true
  end
  local ok, message, errno = loop.try_watch(state.fd, state.mode, function()
    call(state)
  end)
  state.watched = ok
  if not ok then
    forget(state)
  end
  return ok, message, errno
end

local function go_on(state)
  if not is_still_open(state) then
    return forget(state)
  end
  local ok, message = arm(state)
  if not ok then
    hooks.report("watch", "reaper.watch: " .. message)
  end
end

-- A function that fails has perhaps read nothing, and would be called again at once.
local function rest(state)
  pause(state)
  state.rest = timers.add(AFTER_ERROR, function()
    state.rest = nil
    go_on(state)
  end)
end

-- The function is not called again while it runs.
function call(state)
  if not is_still_open(state) then
    return forget(state)
  end
  local has_ended = loop.run("watch", function(ok, message, traceback)
    if ok == false then
      hooks.report("watch", message, traceback)
    end
    if state.fd and ok == false then
      rest(state)
    elseif state.fd then
      go_on(state)
    end
  end, state.f)
  if not has_ended and state.fd then
    pause(state)
  end
end

-- A descriptor of ours for the same; or nil, message, errno.
local function duplicate(given)
  local fd = number_of(given)
  if math.type(given) ~= "integer" and not io.type(given) then
    check.fail("reaper.watch", "fd", "a descriptor's number or an open file", given)
  elseif not fd then
    check.refuse("reaper.watch", "fd", "the file is closed")
  end
  local own, message, errno = core.dup(fd)
  if errno == EBADF then
    check.refuse("reaper.watch", "fd", ("there is no open descriptor %d"):format(fd))
  end
  return own, message, errno
end

--- reaper.watch(fd, "r" or "w", f): calls f() whenever the descriptor is readable or writable. A watch; or nil,
-- message, errno.
return function(given, mode, f)
  if mode ~= "r" and mode ~= "w" then
    check.refuse("reaper.watch", "mode", ("\"r\" or \"w\" expected, got %s"):format(type(mode) == "string"
      and ("%q"):format(mode) or type(mode)))
  end
  check.type("reaper.watch", "f", f, "function")
  local own, message, errno = duplicate(given)
  if not own then
    return nil, message, errno
  end
  local state = { given = given, mode = mode, f = f, fd = own }
  local ok, why, code = arm(state)
  if code == EPERM then
    check.refuse("reaper.watch", "fd", "a regular file or folder is always readable and writable: there is nothing to "
      .. "wait for")
  elseif not ok then
    return nil, why, code
  end
  local watch = setmetatable({}, Watch)
  private[watch] = state
  return watch
end
