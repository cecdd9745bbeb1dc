-- The machine of a virtual container: its clock, its processes, and whose turn it is. Time passes only when nothing
-- else can happen, and everything that happens is in the same order each time.

local files = require "spec.support.virtual.files"
local program = require "spec.support.virtual.program"

local machine = {}

local Machine = {}
Machine.__index = Machine

local SPINS = 200000 -- turns at one moment that nobody needs

-- `options`: programs (name -> function), environment (name -> value), folder.
function machine.new(options)
  local self = setmetatable({
    now = 1000 * 1000000000, -- nanoseconds
    clock_sets = 0, -- how often the clock on the wall was set
    last_pid = 1, processes = {}, order = {}, texts = {}, sockets = {}, dying = {}, spins = 0,
    programs = options.programs, environment = options.environment, folder = options.folder,
    stdout = "", stderr = "",
  }, Machine)
  self.descriptors = files.new_table()
  self.descriptors:set(0, files.null())
  self.descriptors:set(1, files.sink(function(text) self.stdout = self.stdout .. text end))
  self.descriptors:set(2, files.sink(function(text) self.stderr = self.stderr .. text end))
  return self
end

function Machine:seconds()
  return self.now / 1e9
end

-- The moment after so many seconds; it is always later than now unless they are 0 or less.
function Machine:after(seconds)
  if seconds >= 1e9 then
    return math.maxinteger
  end
  return self.now + math.max(0, math.ceil(seconds * 1e9))
end

-- Another pid than any that was there before.
function Machine:new_pid()
  self.last_pid = self.last_pid + 1
  return self.last_pid
end

-- Adds what has is_ready(), run() and deadline, in the order of the pids.
function Machine:add(process)
  process.started = self.now
  self.processes[process.pid] = process
  self.order[#self.order + 1] = process
  return process
end

function Machine:remove(process)
  process.gone = true
  self.processes[process.pid] = nil
  for i, other in ipairs(self.order) do
    if other == process then
      table.remove(self.order, i)
      break
    end
  end
end

-- ---- Programs. ----

-- Starts a program: see program.lua for `request`. The process; or nil, message, errno.
function Machine:spawn(request)
  local run, message, errno = program.find(self, request)
  if not run then
    return nil, message, errno
  end
  return self:add(program.new(self, request, run))
end

-- A process of a program has ended: who waits for it is told, and its children are adopted.
function Machine:ended(process, status)
  process.descriptors:close_all()
  self:remove(process)
  for _, other in ipairs(self.order) do
    if other.parent == process then
      other.parent = nil
    end
  end
  for _, orphan in ipairs(process.zombies) do
    self.engine:died(orphan.process, orphan.status)
  end
  if process.parent then
    table.insert(process.parent.zombies, { process = process, status = status })
  else
    self.engine:died(process, status)
  end
end

-- Sends a signal to a process, or with a negative pid to a group. True when there was one.
function Machine:kill(pid, number)
  local found = false
  for _, process in ipairs(table.move(self.order, 1, #self.order, 1, {})) do
    if process.pid == pid or (pid < -1 and process.group == -pid) then
      found = true
      process:signal(number)
    end
  end
  return found
end

-- ---- Time. ----

-- Processes that a signal ends do so in the order of the signals.
local function end_dying(self)
  local dying = self.dying
  self.dying = {}
  for _, process in ipairs(dying) do
    if not process.gone and process:is_ending() then
      process:run()
    elseif not process.gone then
      table.insert(self.dying, process)
    end
  end
  return #self.dying < #dying
end

local function take_turns(self)
  local ran = end_dying(self)
  for _, process in ipairs(table.move(self.order, 1, #self.order, 1, {})) do
    if not process.gone and process:is_ready() then
      process:run()
      ran = true
      end_dying(self)
    end
  end
  return ran
end

-- Lets everything happen that can happen at this moment.
function Machine:settle()
  while take_turns(self) or self.engine:turn() do
    self.spins = self.spins + 1
    if self.spins > SPINS then
      error("the virtual container spins at one moment\n--- stdout\n" .. self.stdout:sub(-2000), 0)
    end
  end
end

-- The next moment at which something happens by itself, or nil.
function Machine:next_moment()
  local nearest = self.engine:deadline()
  for _, process in ipairs(self.order) do
    if not process.is_stopped then
      nearest = math.min(nearest, process.deadline or math.maxinteger)
    end
  end
  return nearest < math.maxinteger and math.max(nearest, self.now) or nil
end

function Machine:set_time(now)
  if now > self.now then
    self.now, self.spins = now, 0
  end
end

return machine
