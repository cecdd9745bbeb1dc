--- Probes by a command: it ends with 0 when all is well. What it writes goes nowhere but into the reason of a failure.

local core = require "reaper.core"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"
local text = require "reaper.supervisor.probes.text"
local timers = require "reaper.runtime.timers"

local command = {}

local TAIL = 4096 -- bytes of its output that are kept; its last line is among them
local READS_AT_END = 20 -- of what it has left in the pipe; others may go on writing into that for ever

--- Ends the process of a probe and what it has started, which is its process group.
function command.kill(child)
  if child:alive() then
    core.kill(nil, -child.pid, core.signal "KILL")
  end
  child:kill "KILL"
end

-- ---- Its output. ----

local Output = {}
Output.__index = Output

-- Reads once, and keeps the end. True when there may be more.
function Output:read()
  local bytes = core.read(self.fd)
  if not bytes or bytes == "" then
    return false
  end
  self.tail = (self.tail .. bytes):sub(-TAIL)
  return true
end

-- Reads what is there, but does not wait for others that have the pipe open. Gives its last line, or nil.
function Output:close()
  local count = 0
  while count < READS_AT_END and self:read() do
    count = count + 1
  end
  loop.unwatch(self.fd)
  core.close(self.fd)
  return text.last_line(self.tail)
end

-- What comes through the read end of a pipe.
local function output_of(fd)
  local self = setmetatable({ fd = fd, tail = "" }, Output)
  loop.watch(fd, "r", function()
    if not self:read() then
      loop.unwatch(fd)
    end
  end)
  return self
end

-- ---- The command. ----

-- Starts it: the process, and its output; or nil and why not.
local function start(service, words)
  local read_end, write_end = core.pipe()
  if not read_end then
    return nil, write_end
  end
  local request = table.move(words, 1, #words, 1,
    { name = service.name .. "/probe", stdin = "null", stdout = write_end, stderr = write_end })
  local child, message = process.spawn(request)
  core.close(write_end)
  if not child then
    core.close(read_end)
    return nil, message
  end
  return child, output_of(read_end)
end

-- Why it has failed. What it has said says more than its exit code.
local function reason_of(status, said)
  return said and ("%s (%s)"):format(said, tostring(status)) or tostring(status)
end

--- Runs a command for a service, for at most so many seconds: answer(true) for exit 0, else answer(false, why), later.
-- Gives a function that breaks it off.
function command.ask(service, words, timeout, answer)
  local child, output = start(service, words)
  if not child then
    return timers.after(0, function()
      answer(false, output)
    end)
  end
  local is_over = false
  hooks.run("probe of " .. service.name, function()
    local status = child:wait(timeout)
    if is_over then
      return
    end
    is_over = true
    local said = output:close()
    if status then
      return answer(status.ok, reason_of(status, said))
    end
    command.kill(child)
    answer(false, ("it took longer than %g s%s"):format(timeout, said and ": " .. said or ""))
  end)
  return function()
    if not is_over then
      is_over = true
      output:close()
      command.kill(child)
    end
  end
end

return command
