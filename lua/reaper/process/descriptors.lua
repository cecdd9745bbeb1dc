--- The descriptors of a new process: files and pipes.

local core = require "reaper.core"
local check = require "reaper.runtime.check"

local descriptors = {}

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

-- Descriptors that the new process gets (target, source, …), its ends of pipes, which become its user's, our ends by
-- the names of the streams, and what to close afterwards.
local function none_opened()
  return { fds = {}, pipes = {}, pipe_ends = {}, close_after = {}, close_on_failure = {} }
end

local function connect(opened, target, source)
  local fds = opened.fds
  fds[#fds + 1], fds[#fds + 2] = target, source
end

local function add_pipe(opened, key, target)
  local read_end, write_end, errno = core.pipe()
  if not read_end then
    return nil, write_end, errno
  end
  local ours, theirs = read_end, write_end
  if target == 0 then
    ours, theirs = write_end, read_end
  end
  connect(opened, target, theirs)
  opened.pipe_ends[key] = ours
  table.insert(opened.pipes, theirs)
  table.insert(opened.close_after, theirs)
  table.insert(opened.close_on_failure, ours)
  return true
end

local function add_file(opened, target, path)
  local fd, message, errno = core.open(path, target == 0 and "r" or "a")
  if not fd then
    return nil, message, errno
  end
  connect(opened, target, fd)
  table.insert(opened.close_after, fd)
  return true
end

local standard = { stdin = 0, stdout = 1, stderr = 2 }

local function add_standard(where, opened, key, value)
  local target = standard[key]
  if value == nil or value == "inherit" then
    connect(opened, target, target)
    return true
  elseif value == "null" then
    return add_file(opened, target, "/dev/null")
  elseif value == "pipe" or (type(value) == "function" and key ~= "stdin") then
    return add_pipe(opened, key, target)
  elseif value == "stdout" and key == "stderr" then
    opened.stderr_is_stdout = true
    return true
  elseif type(value) == "string" then
    return add_file(opened, target, value)
  end
  connect(opened, target, descriptor_of(where, key, value))
  return true
end

local function add_fds(where, opened, fds)
  for target, source in pairs(fds or {}) do
    connect(opened, target, descriptor_of(where, ("fds[%d]"):format(target), source))
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
function descriptors.check(where, spec)
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

local function source_of(opened, target)
  for i = 1, #opened.fds, 2 do
    if opened.fds[i] == target then
      return opened.fds[i + 1]
    end
  end
end

--- The new process has been made, or not: closes what this side does not need.
function descriptors.close(opened, failed)
  close_all(opened.close_after)
  if failed then
    close_all(opened.close_on_failure)
  end
end

--- Opens files and pipes. What was opened; or nil, message, errno.
function descriptors.open(where, spec)
  local opened = none_opened()
  for _, key in ipairs { "stdin", "stdout", "stderr" } do
    local ok, message, errno = add_standard(where, opened, key, spec[key])
    if not ok then
      descriptors.close(opened, true)
      return nil, message, errno
    end
  end
  if opened.stderr_is_stdout then
    connect(opened, 2, source_of(opened, 1))
  end
  add_fds(where, opened, spec.fds)
  return opened
end

return descriptors
