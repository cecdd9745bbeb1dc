--- The descriptors of a new process: files and pipes.

local core = require "reaper.core"
local check = require "reaper.runtime.check"

local plumbing = {}

-- A larger number would be another one to the kernel, which takes 32 bits.
local function is_descriptor(value)
  return math.type(value) == "integer" and value >= 0 and value <= 0x7fffffff
end

-- Of a value that is none of the forms.
local function refuse(where, name, expected, value)
  if io.type(value) == "closed file" then
    check.refuse(where, name, expected .. " expected, got a closed file")
  end
  check.fail(where, name, expected, value)
end

local function descriptor_of(where, name, value)
  local fd = is_descriptor(value) and value or core.fileno(value)
  if not fd then
    refuse(where, name, "an open file or a descriptor's number", value)
  end
  return fd
end

-- Descriptors that the new process gets (target, source, …), those of this side of pipes, and what to close afterwards.
local function new_plumbing()
  return { fds = {}, ours = {}, close_after = {}, close_on_failure = {} }
end

local function connect(pipes, target, source)
  local fds = pipes.fds
  fds[#fds + 1], fds[#fds + 2] = target, source
end

local function add_pipe(pipes, key, target)
  local read_end, write_end, errno = core.pipe()
  if not read_end then
    return nil, write_end, errno
  end
  local ours, theirs = read_end, write_end
  if target == 0 then
    ours, theirs = write_end, read_end
  end
  connect(pipes, target, theirs)
  pipes.ours[key] = ours
  table.insert(pipes.close_after, theirs)
  table.insert(pipes.close_on_failure, ours)
  return true
end

local function add_file(pipes, target, path)
  local fd, message, errno = core.open(path, target == 0 and "r" or "a")
  if not fd then
    return nil, message, errno
  end
  connect(pipes, target, fd)
  table.insert(pipes.close_after, fd)
  return true
end

local standard = { stdin = 0, stdout = 1, stderr = 2 }

local function add_standard(where, pipes, key, value)
  local target = standard[key]
  if value == nil or value == "inherit" then
    connect(pipes, target, target)
    return true
  elseif value == "null" then
    return add_file(pipes, target, "/dev/null")
  elseif value == "pipe" or (type(value) == "function" and key ~= "stdin") then
    return add_pipe(pipes, key, target)
  elseif value == "stdout" and key == "stderr" then
    pipes.stderr_is_stdout = true
    return true
  elseif type(value) == "string" then
    return add_file(pipes, target, value)
  end
  connect(pipes, target, descriptor_of(where, key, value))
  return true
end

local function add_fds(where, pipes, fds)
  for target, source in pairs(fds or {}) do
    connect(pipes, target, descriptor_of(where, ("fds[%d]"):format(target), source))
  end
end

local stream_forms = {
  stdin = "\"inherit\", \"null\", \"pipe\", a path or a file",
  stdout = "\"inherit\", \"null\", \"pipe\", a path, a file or a function",
}
stream_forms.stderr = stream_forms.stdout .. ", or \"stdout\""

local function check_stream(where, key, value)
  if (value == "stdout" and key ~= "stderr") or value == "stderr" then
    check.refuse(where, key, ("%s expected; a file of that name is './%s'"):format(stream_forms[key], value))
  elseif type(value) == "string" then
    check.text(where, key, value)
  elseif value ~= nil and not core.fileno(value) and not is_descriptor(value)
    and (type(value) ~= "function" or key == "stdin") then
    refuse(where, key, stream_forms[key], value)
  end
end

--- Checks stdin, stdout, stderr and fds, before anything is opened.
function plumbing.check(where, spec)
  for _, key in ipairs { "stdin", "stdout", "stderr" } do
    check_stream(where, key, spec[key])
  end
  if spec.fds ~= nil then
    check.type(where, "fds", spec.fds, "table")
  end
  for target, source in pairs(spec.fds or {}) do
    check.integer(where, "fds", target, 0, 1 << 20)
    descriptor_of(where, ("fds[%d]"):format(target), source)
  end
end

local function close_all(list)
  for _, fd in ipairs(list) do
    core.close(fd)
  end
end

local function source_of(pipes, target)
  for i = 1, #pipes.fds, 2 do
    if pipes.fds[i] == target then
      return pipes.fds[i + 1]
    end
  end
end

--- The new process has been made, or not: closes what this side does not keep.
function plumbing.close(pipes, failed)
  close_all(pipes.close_after)
  if failed then
    close_all(pipes.close_on_failure)
  end
end

--- Opens files and pipes. The plumbing; or nil, message, errno.
function plumbing.lay(where, spec)
  local pipes = new_plumbing()
  for _, key in ipairs { "stdin", "stdout", "stderr" } do
    local ok, message, errno = add_standard(where, pipes, key, spec[key])
    if not ok then
      plumbing.close(pipes, true)
      return nil, message, errno
    end
  end
  if pipes.stderr_is_stdout then
    connect(pipes, 2, source_of(pipes, 1))
  end
  add_fds(where, pipes, spec.fds)
  return pipes
end

return plumbing
