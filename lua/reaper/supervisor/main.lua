--- COMMAND beside services: it is started when those that it comes after are ready. The engine stops it, before the
-- services, and the container ends with its exit code.

local core = require "reaper.core"
local ending = require "reaper.supervisor.ending"
local hooks = require "reaper.runtime.hooks"
local page = require "reaper.supervisor.page"
local phase = require "reaper.supervisor.phase"
local process = require "reaper.process"

local Main = {}
Main.__index = Main

local function become(self, state, detail)
  self.state, self.since, self.detail = state, core.now(), detail
  self.group.report:deliver("main", state, detail)
  page.show(self.group, self)
  self.group.waiters:look()
end

local function follow(self)
  hooks.run("main", function()
    local status = process.main:wait()
    self.status = status
    become(self, status.ok and "finished" or "failed", tostring(status))
  end)
end

local function start(self)
  local started, message, errno = process.main:start()
  if phase.is_ending(self.group) and not started then
    return become(self, "finished", "the container is stopping")
  elseif started then
    follow(self)
    return become(self, "running")
  end
  self.status = process.not_started(errno)
  self.code = self.status.exit_code
  become(self, "failed", message)
  ending.end_with(self.group, self, message)
end

--- Starts it; where there is no process to be had, it waits for one. What cannot be started ends the container, with
-- the code that a shell would give.
function Main:start()
  become(self, "starting")
  hooks.run("main", start, self)
end

--- The engine has sent START: it runs already when an earlier script process has started it, or its end is still to be
-- told.
function Main:begin()
  if process.main_has_run() then
    self.state = "running"
    follow(self)
  end
end

-- ---- As a service is asked. ----

function Main.is_alive()
  return process.main.pid ~= nil and process.main:alive()
end

function Main:is_satisfied()
  return self:is_alive()
end

--- What supervisor.status says of it.
function Main:status_table()
  local is_alive = self:is_alive()
  return {
    name = "main", state = is_alive and "running" or self.state, since = core.now() - self.since, restarts = 0,
    pid = is_alive and process.main.pid or nil, status = self.status, detail = self.detail,
  }
end

--- COMMAND in a group. `spec` has `after`, the names of those that it comes after, and `is_default`, which is true
-- where these are all.
return function(group, spec)
  return setmetatable({ group = group, name = "main", spec = spec, state = "waiting", since = core.now() }, Main)
end
