-- Of the model of the engine: who has died, and who is told (src/engine/reap.c).

local core = require "spec.support.virtual.core"
local event = require "spec.support.virtual.event"

local real = core.real

local deaths = {}

function deaths:has(bit)
  return self.hooks & bit ~= 0
end

-- Into the journal. Gives the position.
function deaths:write(told)
  table.insert(self.journal, event.copy(told))
  return #self.journal
end

local function usage_of(process)
  return { utime = 0, stime = 0, maxrss = process.maxrss, minflt = 0, majflt = 0, inblock = 0, oublock = 0, nvcsw = 0,
    nivcsw = 0 }
end

-- pid, status, rusage, info, ask, flags
function deaths:reap_event(process, status, flags, name)
  local is_looked_at = self:has(real.HOOK_REAP_INFO) or self.state == "loading"
  local info = {
    comm = is_looked_at and process.comm or nil, name = name, main = flags & real.FLAG_MAIN ~= 0, oom = false,
    lifetime = is_looked_at and (self.machine.now - process.started) / 1e9 or nil,
    orphan = flags & (real.FLAG_MAIN | real.FLAG_SPAWNED) == 0,
  }
  return event.new(real.EVENT_REAP, process.pid, real.status(status), usage_of(process), info, 0, flags)
end

function deaths:reaped(child)
  child.is_dead = true
  if child.kept[3] and not child.keeps_ready then
    child.kept[3]:drop()
    child.kept[3] = nil
  end
  if not child.kept[1] and not child.kept[2] and not child.kept[3] then
    self.children[child.process.pid] = nil
  end
end

function deaths:main_ended(process, status)
  local told = self:reap_event(process, status, real.FLAG_MAIN | (self.was_asked and real.FLAG_ASKED or 0)
    | (self.state ~= "running" and real.FLAG_IN_STOP or 0))
  self.was_asked = false
  self.main, self.main_status = nil, status
  if self.state == "running" and self:ask_script("main", told, 6) then
    return
  end
  self:write(told)
  if self.state == "running" then
    self:begin_stop("main")
  elseif self.state == "orderly" then
    self:main_has_ended()
  end
end

-- A process has ended that no program waits for.
function deaths:died(process, status)
  self.has_died = true
  local child = self.children[process.pid]
  if process == self.main then
    self:main_ended(process, status)
  elseif child and not child.is_dead then
    local told = self:reap_event(process, status, real.FLAG_SPAWNED, child.name)
    self:reaped(child)
    self:write(told)
  elseif self:has(real.HOOK_REAP) or self.state == "loading" then
    self:write(self:reap_event(process, status, 0))
  end
end

-- A script process has started a child. `outputs` are held for the next one: stdout, stderr, readiness.
function deaths:spawned(process, name, outputs)
  for _, open in pairs(outputs) do
    open:hold()
  end
  self.children[process.pid] = { process = process, name = name or "", kept = outputs }
end

return deaths
