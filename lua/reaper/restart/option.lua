--- --restart: COMMAND is started again as a policy says.

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"
local past = require "reaper.restart.past"
local restart = require "reaper.restart"
local store = require "reaper.runtime.store"

local EBUSY = 16

-- One COMMAND under one policy.
local watch

local function save(self)
  store.set { command = { past = self.past } }
end

-- It cannot be started: it runs already, since the script has started it, or the stop has begun.
local function is_out_of_hand(self, errno)
  if errno ~= EBUSY then
    return false
  elseif process.main:alive() then
    watch(self)
  end
  return true
end

-- It has ended by itself: starts it again after a while, until the policy has had enough. The engine waits meanwhile.
local function start_again(self, status, rusage)
  local reason
  while true do
    local how = reason or tostring(status)
    local delay, why, as_it_should = past.ended(self.past, self.policy, "main", status, rusage, core.now(), reason)
    if not delay then
      local message = ("COMMAND ended (%s) and stays so: %s"):format(how, why)
      core.give_reason(message)
      return log(as_it_should and "debug" or "error", message)
    end
    log("warning", ("COMMAND ended (%s): starting it again in %s"):format(how, restart.text(delay)))
    loop.sleep(delay)
    past.started(self.past, core.now())
    save(self)
    local ok, message, errno = process.main:start()
    if ok then
      return watch(self)
    elseif is_out_of_hand(self, errno) then
      return
    end
    log("error", message)
    status, rusage, reason = process.not_started(errno), {}, message
  end
end

local function ended(self, status, rusage)
  if process.main_ended_in_stop then
    return
  elseif process.main_was_asked then -- whoever sends TERM, INT or QUIT wants the end
    return core.order(core.ORDER_EXIT, 0, 0, 0)
  end
  start_again(self, status, rusage)
end

-- Each of its lives has a coroutine of its own.
function watch(self)
  hooks.run("restart", function()
    ended(self, process.main:wait())
  end)
end

--- Supervises COMMAND from its start on; a script process that replaces a lost one goes on where that was.
return function(policy)
  local self = { policy = policy }
  hooks.on("on_start", function()
    local memory = store.get "command" or { past = past.new(core.now()) }
    self.past = memory.past
    save(self)
    watch(self)
  end)
end
