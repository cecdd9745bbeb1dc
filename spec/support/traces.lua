-- Traces of system calls, which several spec files need at once: whichever needs one first makes it, the others wait
-- for it. They stay in build/injection for later runs, until the program or what traces it has changed.

local uv = require "luv"
local container = require "spec.support.container"

local traces = {}

local FOLDER = "build/injection"
local PATIENCE = 300 -- seconds

local made_from = { container.binary, container.helper }
for _, name in ipairs { "container", "faults", "injection", "processes", "scenarios", "script", "traces" } do
  made_from[#made_from + 1] = ("spec/support/%s.lua"):format(name)
end

-- One line that is another when anything has changed on which a trace depends.
local function read_key()
  local words = { uv.os_uname().release }
  for _, path in ipairs(made_from) do
    local stat = assert(uv.fs_stat(path))
    words[#words + 1] = ("%s %d %d.%09d"):format(path, stat.size, stat.mtime.sec, stat.mtime.nsec)
  end
  return table.concat(words, " ")
end

local key = read_key()

-- The calls that the file has, or nil when it is missing or was made from something else.
local function read(path)
  local lines = (container.read_file(path) or ""):gmatch("([^\n]*)\n")
  if lines() ~= key then
    return nil
  end
  local calls = {}
  for line in lines do
    local name, index, sort = line:match("^(%S+) (%d+) (.*)$")
    calls[#calls + 1] = { name = name, index = math.tointeger(tonumber(index)), sort = sort }
  end
  return calls
end

-- It is whole as soon as it has its name.
local function write(path, calls)
  local file = assert(io.open(path .. ".new", "w"))
  assert(file:write(key, "\n"))
  for _, call in ipairs(calls) do
    assert(file:write(("%s %d %s\n"):format(call.name, call.index, call.sort)))
  end
  assert(file:close())
  assert(os.rename(path .. ".new", path))
end

-- Calls f while no other process holds the lock of that name. flock holds it for as long as its stdin is open: when
-- this process dies, the lock is free.
local function with_lock(path, f)
  local input, output = assert(uv.pipe()), assert(uv.pipe())
  local handle
  handle = assert(uv.spawn("flock", {
    args = { "--timeout", tostring(PATIENCE), path, "sh", "-c", "echo; exec cat" },
    stdio = { input.read, output.write },
  }, function()
    handle:close()
  end))
  uv.fs_close(input.read)
  uv.fs_close(output.write)
  local held = uv.fs_read(output.read, 1) == "\n"
  uv.fs_close(output.read)
  local ok, result = pcall(function()
    return held and f() or error(("nobody has let go of %s for %d s"):format(path, PATIENCE))
  end)
  uv.fs_close(input.write)
  return ok and result or error(result, 0)
end

-- The calls of the trace of that name: name, index and sort of each, as faults.calls gives them. `make` makes it.
function traces.get(name, make)
  uv.fs_mkdir("build", tonumber("755", 8))
  uv.fs_mkdir(FOLDER, tonumber("755", 8))
  local path = FOLDER .. "/" .. name
  return read(path) or with_lock(path .. ".lock", function()
    local calls = read(path)
    if not calls then
      calls = make()
      write(path, calls)
    end
    return calls
  end)
end

return traces
