--- Pipes to and from children. A reader that is not asked reads nothing, so a fast child waits for a slow script.

local core = require "reaper.core"
local check = require "reaper.check"
local hooks = require "reaper.hooks"
local loop = require "reaper.loop"

local stream = {}

local EAGAIN = 11
local LINE_MAX = 1 << 20 -- a longer line comes in pieces

local Reader = {}
Reader.__index = Reader
Reader.__name = "reaper.reader"

--- The read end of a child's stdout or stderr.
-- @param pid the child, @param key "stdout" or "stderr"
function stream.reader(pid, key, fd)
  return setmetatable({ pid = pid, key = key, fd = fd, buffer = "", at = 1 }, Reader)
end

-- The pipe has been read to its end: the engine need not keep its copy.
local function close(self)
  if not self.fd then
    return
  end
  if self.watched then
    loop.unwatch(self.fd)
    self.watched = nil
  end
  core.close(self.fd)
  self.fd = nil
  core.order(core.ORDER_OUTPUT_CLOSED, 0, self.pid, self.key == "stdout" and 1 or 2)
end

-- Reads once: true when there was something, false at the end, nil when nothing is there yet.
local function fill(self)
  if not self.fd then
    return false
  end
  local bytes, _, errno = core.read(self.fd)
  if bytes and bytes ~= "" then
    self.buffer = self.buffer:sub(self.at) .. bytes
    self.at = 1
    return true
  elseif errno == EAGAIN then
    return nil
  end
  close(self)
  return false
end

-- The next whole line of the buffer; at the end, what is left.
local function take_line(self)
  local newline = self.buffer:find("\n", self.at, true)
  local left = #self.buffer - self.at + 1
  local line
  if newline then
    line = self.buffer:sub(self.at, newline - 1)
    self.at = newline + 1
  elseif left > 0 and (not self.fd or left >= LINE_MAX) then
    line = self.buffer:sub(self.at)
    self.at = #self.buffer + 1
  end
  return line
end

-- Waits until the pipe is readable.
local function wait_readable(self)
  loop.wait(function(co)
    self.watched = true
    loop.watch(self.fd, "r", function()
      loop.unwatch(self.fd)
      self.watched = nil
      loop.wake(co)
    end)
  end)
end

local function check_free(self, where)
  if self.user then
    error(("'%s': this output is being read already"):format(where), 3)
  end
end

-- The next line without asking who reads.
local function next_line(self)
  while true do
    local line = take_line(self)
    if line then
      return line
    end
    local got = fill(self)
    if got == nil then
      wait_readable(self)
    elseif not got and self.at > #self.buffer then
      return nil
    end
  end
end

--- The next line without its newline, or nil at the end. Waits.
function Reader:read()
  check_free(self, "read")
  loop.check_wait("read")
  self.user = "read"
  local line = next_line(self)
  self.user = nil
  return line
end

--- for line in process.stdout:lines() do … end
function Reader:lines()
  return function()
    return self:read()
  end
end

--- Everything up to the end. Waits.
function Reader:read_all()
  check_free(self, "read_all")
  loop.check_wait("read_all")
  self.user = "read_all"
  local parts = {}
  repeat
    parts[#parts + 1] = self.buffer:sub(self.at)
    self.buffer, self.at = "", 1
    local got = fill(self)
    if got == nil then
      wait_readable(self)
    end
  until got == false
  self.user = nil
  return table.concat(parts)
end

--- Calls f(line) for each line from now on; while f waits, nothing is read.
function Reader:each(f)
  check.type("each", "f", f, "function")
  check_free(self, "each")
  self.user = "each"
  local function read_lines()
    for line in function() return next_line(self) end do
      local ok, message = xpcall(f, debug.traceback, line)
      if not ok then
        hooks.report(self.key, (message:gsub("\nstack traceback:.*", "")), message)
      end
    end
  end
  hooks.run(self.key, read_lines)
end

--- Copies everything to reaper-lua's own stdout or stderr, unless somebody reads it.
function Reader:pass_on()
  if self.user or not self.fd then
    return
  end
  local target = self.key == "stdout" and io.stdout or io.stderr
  self:each(function(line)
    target:write(line, "\n")
    target:flush()
  end)
end

function Reader:close()
  close(self)
end

local Writer = {}
Writer.__index = Writer
Writer.__name = "reaper.writer"

--- The write end of a child's stdin.
function stream.writer(fd)
  return setmetatable({ fd = fd }, Writer)
end

--- Writes all of the text, waiting while the pipe is full. True; or nil, message, errno (32 when nobody reads).
function Writer:write(text)
  check.type("write", "text", text, "string")
  if not self.fd then
    return nil, "the pipe is closed", 9
  end
  loop.check_wait("write")
  while text ~= "" do
    local done, message, errno = core.write(self.fd, text, true)
    if done then
      text = text:sub(done + 1)
    elseif errno == EAGAIN then
      loop.wait(function(co)
        loop.watch(self.fd, "w", function()
          loop.unwatch(self.fd)
          loop.wake(co)
        end)
      end)
    else
      return nil, message, errno
    end
  end
  return true
end

--- The child reads the end.
function Writer:close()
  if self.fd then
    core.close(self.fd)
    self.fd = nil
  end
end

return stream
