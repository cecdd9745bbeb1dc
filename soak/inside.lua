-- The processes inside the container, as its own /proc shows them, and a shell in there that does what the driver
-- wants. That shell's pids are those of the namespace, so nothing outside of it can be hit.

local uv = require "luv"

local inside = {}
inside.__index = inside

local function read(path)
  local file = io.open(path, "r")
  local text = file and file:read "a" -- the process may end between the two
  if file then
    file:close()
  end
  return text
end

-- `pid`: of the container's process 1, as the machine counts.
function inside.enter(pid)
  local self = setmetatable({ proc = "/proc/" .. pid .. "/root/proc/", zombies = {} }, inside)
  local pipe = assert(uv.pipe({}, {}))
  local null = assert(uv.fs_open("/dev/null", "a", 0))
  self.shell = assert(uv.spawn("/usr/bin/nsenter", {
    args = { "--target", tostring(pid), "--pid", "--mount", "--", "/bin/sh" },
    stdio = { pipe.read, null, null },
  }, function() end))
  uv.fs_close(pipe.read)
  uv.fs_close(null)
  self.input = pipe.write
  return self
end

-- A line for the shell.
function inside:order(line)
  uv.fs_write(self.input, line .. "\n")
end

function inside:leave()
  if self.input then
    uv.fs_close(self.input)
    uv.close(self.shell)
    self.input = nil
  end
end

local function describe(text)
  local pid, comm, state, parent, rest = text:match "^(%d+) %((.*)%) (%S) (%d+) (.*)"
  if not pid then
    return nil
  end
  local index, start = 4, nil
  for word in rest:gmatch "%S+" do
    index = index + 1
    if index == 22 then
      start = word
      break
    end
  end
  return { pid = tonumber(pid), comm = comm, state = state, ppid = tonumber(parent), key = pid .. " " .. start }
end

-- All that there are.
function inside:list()
  local found = {}
  local folder = uv.fs_scandir(self.proc)
  local name = folder and uv.fs_scandir_next(folder)
  while name do
    local text = name:find "^%d+$" and read(self.proc .. name .. "/stat")
    found[#found + 1] = text and describe(text) or nil
    name = uv.fs_scandir_next(folder)
  end
  return found
end

-- Process 1's own zombies that have been seen for longer than `seconds`; to be called often.
function inside:old_zombies(list, seconds)
  local now, seen, old = uv.hrtime() / 1e9, {}, nil
  for _, process in ipairs(list) do
    if process.state == "Z" and process.ppid == 1 then
      seen[process.key] = self.zombies[process.key] or now
      if now - seen[process.key] > seconds then
        old = process
      end
    end
  end
  self.zombies = seen
  return old
end

-- What the descriptors of a process are open for, without what makes each unique.
function inside:descriptors(pid)
  local found = {}
  local folder = uv.fs_scandir(self.proc .. pid .. "/fd")
  local name = folder and uv.fs_scandir_next(folder)
  while name do
    found[#found + 1] = uv.fs_readlink(self.proc .. pid .. "/fd/" .. name)
    name = uv.fs_scandir_next(folder)
  end
  table.sort(found)
  return found
end

-- Memory that is this process's own, in kB.
function inside:dirty(pid)
  local text = read(self.proc .. pid .. "/smaps_rollup") or ""
  return tonumber(text:match "Private_Dirty:%s*(%d+) kB") or 0
end

return inside
