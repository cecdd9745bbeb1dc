--- --restart: COMMAND is started again as a policy says.

local core = require "reaper.core"
local hooks = require "reaper.hooks"
local log = require "reaper.log"
local loop = require "reaper.loop"
local process = require "reaper.process"
local restart = require "reaper.restart"
local store = require "reaper.store"

local stops = { SIGTERM = true, SIGINT = true, SIGQUIT = true }

-- One COMMAND under one policy.
local watch

local function save(self)
  store.set { command = { past = self.past, told_to_stop = self.told_to_stop } }
end

-- It has ended: starts it again after a while, until the policy has had enough. The engine waits meanwhile.
local function ended(self, status, rusage)
  local past = self.past
  while not self.told_to_stop do
    local delay, reason, as_it_should = restart.ended(past, self.policy, "main", status, rusage, core.now())
    if not delay then
      return log(as_it_should and "debug" or "error", ("COMMAND ended (%s) and stays so: %s"):format(status, reason))
    end
    log("warning", ("COMMAND ended (%s): starting it again in %s"):format(status, restart.text(delay)))
    loop.sleep(delay)
    restart.started(past, core.now())
    save(self)
    local ok, message, errno = process.main:start()
    if ok then
      return watch(self)
    end
    log("error", message)
    status, rusage = process.not_started(errno), {}
  end
  core.order(core.ORDER_EXIT, 0, 0, 0)
end

-- Each of its lives has a coroutine of its own.
function watch(self)
  hooks.run("restart", function()
    ended(self, process.main:wait())
  end)
end

--- Supervises COMMAND from its start on; a policy that replaces a lost one goes on where that was.
return function(policy)
  local self = { policy = policy, told_to_stop = false }
  hooks.on("on_signal", function(name)
    if stops[name] then
      self.told_to_stop = true
      save(self)
    end
  end)
  hooks.on("on_start", function()
    local memory = store.get "command" or { past = restart.past(core.now()) }
    self.past, self.told_to_stop = memory.past, self.told_to_stop or memory.told_to_stop
    save(self)
    watch(self)
  end)
end
