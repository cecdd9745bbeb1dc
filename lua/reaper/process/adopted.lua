--- Children that an earlier script process has spawned, and that the engine hands over.

local core = require "reaper.core"
local object = require "reaper.process.object"
local stream = require "reaper.process.stream"

local adopted = {}

local outputs = {} -- readers that nobody has asked for yet
local ready_fds = {} -- pid → the descriptor on which such a child says that it is ready

local function adopt_output(self, key, fd)
  if not fd then
    return
  elseif self[key] then -- this script has spawned it itself while it was loaded, and reads it already
    return core.close(fd)
  end
  self[key] = stream.reader(self.pid, key, fd)
  outputs[#outputs + 1] = self[key]
end

--- The engine hands over a child that an earlier script process has spawned. It can come twice, with its outputs later.
function adopted.add(pid, name, dead, pidfd, stdout, stderr, ready)
  local self = object.of_pid(pid)
  if not self then
    self = object.new(pid, pidfd, name)
    if dead then
      object.forget(pid)
    end
  elseif pidfd then -- the end of one that is known and dead is still to be delivered
    core.close(pidfd)
  end
  adopt_output(self, "stdout", stdout)
  adopt_output(self, "stderr", stderr)
  ready_fds[pid] = ready
end

--- The descriptor on which such a child says that it is ready, once; or nil.
function adopted.take_ready(pid)
  local fd = ready_fds[pid]
  ready_fds[pid] = nil
  return fd
end

--- The engine holds that descriptor also when the child has ended: others go on to write there.
function adopted.keep_ready(pid)
  core.order(core.ORDER_READY_KEPT, 0, pid)
end

--- Nobody needs it any more.
function adopted.release_ready(pid)
  core.order(core.ORDER_OUTPUT_CLOSED, 0, pid, 3)
end

--- The outputs that nobody has asked for yet of a child of an earlier script process, which may have ended: key →
-- reader.
function adopted.outputs_of(pid)
  local found = {}
  for _, reader in ipairs(outputs) do
    if reader.pid == pid then
      found[reader.key] = reader
    end
  end
  return found
end

--- What nobody reads goes on to where reaper-lua's own output goes: a child's pipe never breaks or fills up.
function adopted.pass_outputs_on()
  for _, reader in ipairs(outputs) do
    stream.pass_on(reader)
  end
  for pid, fd in pairs(ready_fds) do
    core.close(fd)
    adopted.release_ready(pid)
  end
  outputs, ready_fds = {}, {}
end

return adopted
