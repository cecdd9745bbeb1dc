--- Pipes to and from children. A reader that is not asked reads nothing, so a fast child waits for a slow script.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local hooks = require "reaper.runtime.hooks"
local loop = require "reaper.runtime.loop"
local output = require "reaper.runtime.output"

local stream = {}

local EAGAIN, EBADF = 11, 9
local LINE_MAX = 1 << 20 -- a longer line comes in pieces
local LINES_A_TURN = 200

local Reader = {}
Reader.__index = Reader
Reader.__name = "reaper.reader"

--- The read end of a child's stdout or stderr.
-- @param pid the child, @param key "stdout" or "stderr"
function stream.reader(pid, key, fd)
  return setmetatable({ pid = pid, key = key, fd = fd, buffer = "", at = 1, given = 0 }, Reader)
end

-- The pipe has been read to its end, or nobody wants the rest: the engine closes the copy that it holds.
local function close(self)
  if not self.fd then
    return
  end
  if self.waiting then
    loop.unwatch(self.fd)
    loop.wake_later(self.waiting)
    self.waiting = nil
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
  elseif left > 0 and (not self.fd or left > LINE_MAX) then
    line = self.buffer:sub(self.at, self.at + LINE_MAX - 1)
    self.at = self.at + #line
  end
  return line
end

-- Waits until the pipe is readable ("r") or writable ("w").
local function wait_ready(self, mode)
  loop.wait(function(co)
    self.waiting = co
    loop.watch(self.fd, mode, function()
      loop.unwatch(self.fd)
      self.waiting = nil
      loop.wake(co)
    end)
  end)
end

local function check_free(self, where)
  if self.user then
    check.raise(("'%s': this output is being read already"):format(where))
  end
end

-- The next line, whoever reads. A child that writes without end does not prevent others from running: the loop waits
-- for it also when there is something already, and between many short lines.
local function next_line(self)
  while true do
    local line = take_line(self)
    if line then
      self.given = self.given + 1
      if self.given % LINES_A_TURN == 0 then
        loop.sleep(0) -- lets the others run
      end
      return line
    end
    self.buffer, self.at = self.buffer:sub(self.at), 1 -- gives back the memory of lines that were read
    if self.fd then
      wait_ready(self, "r")
    end
    if fill(self) == false and self.at > #self.buffer then
      return nil
    end
  end
end

--- The next line without its newline, or nil at the end. Waits.
function Reader:read()
  check_free(self, "read")
  loop.check_wait("read")
  self.user = "read"
  local ok, line = pcall(next_line, self)
  self.user = nil
  if ok then
    return line
  end
  if self.waiting then -- a Ctrl-C in a program
    self.waiting = nil
    loop.unwatch(self.fd)
  end
  error(line, 0)
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
    if self.fd then
      wait_ready(self, "r")
    end
  until fill(self) == false
  self.user = nil
  return table.concat(parts)
end

local function explain(why)
  local message = tostring(why)
  return { message = message, traceback = debug.traceback(message, 2) }
end

--- Calls f(line) for each line from now on; while f waits, nothing is read. Lines that were passed on until now, since
-- nobody had asked for them, go to f from now on.
function Reader:each(f)
  check.type("each", "f", f, "function")
  if self.is_passed_on then
    self.is_passed_on, self.f = false, f
    return
  end
  check_free(self, "each")
  self.user, self.f = "each", f
  local function read_lines()
    for line in function() return next_line(self) end do
      local ok, failure = xpcall(self.f, explain, line)
      if not ok then
        hooks.report(self.key, failure.message, failure.traceback)
      end
    end
    self.is_over = true
  end
  hooks.run(self.key, read_lines)
end

--- Copies everything to reaper-lua's own stdout or stderr, unless somebody reads it.
function stream.pass_on(reader)
  if reader.user or not reader.fd then
    return
  end
  reader:each(function(line)
    output[reader.key]:write(line .. "\n")
  end)
  reader.is_passed_on = true
end

function Reader:close()
  close(self)
end

-- This concerns a child that has ended and that nobody knows any more: those that live are known (reaper.children).
Reader.__gc = close

local Writer = {}
Writer.__index = Writer
Writer.__name = "reaper.writer"

--- The write end of a child's stdin.
function stream.writer(fd)
  return setmetatable({ fd = fd, queue = {} }, Writer)
end

local function write_all(self, text)
  local at = 1 -- a position, not the rest of the text: a copy of it at each page that the pipe takes costs seconds
  while at <= #text do
    if not self.fd then
      return nil, "the pipe is closed", EBADF
    end
    local done, message, errno = core.write(self.fd, text, at)
    if done then
      at = at + done
    elseif errno == EAGAIN then
      wait_ready(self, "w")
    else
      return nil, message, errno
    end
  end
  return true
end

--- Writes all of the text, waiting while the pipe is full. True; or nil, message, errno (32 when nobody reads).
function Writer:write(text)
  check.type("write", "text", text, "string")
  if not self.fd then
    return nil, "the pipe is closed", EBADF
  end
  loop.check_wait("write")
  while self.busy do -- one after the other, so that each text stays whole
    loop.wait(function(co)
      table.insert(self.queue, co)
    end)
  end
  self.busy = true
  local whole, ok, message, errno = pcall(write_all, self, text)
  self.busy = false
  local next_one = table.remove(self.queue, 1)
  if next_one then
    loop.wake_later(next_one)
  end
  if not whole then
    error(ok, 0)
  end
  return ok, message, errno
end

--- The child reads the end.
function Writer:close()
  if not self.fd then
    return
  end
  local waiting = self.waiting
  if waiting then
    self.waiting = nil
    loop.unwatch(self.fd)
    loop.wake_later(waiting)
  end
  core.close(self.fd)
  self.fd = nil
end

Writer.__gc = Writer.close

return stream
