--- reaper-lua's own stdout and stderr, for more than a few lines. Only those who write wait for a slow reader.

local core = require "reaper.core"
local loop = require "reaper.runtime.loop"
local timers = require "reaper.runtime.timers"

local output = {}

local EAGAIN, EINTR = 11, 4
local ENOUGH = 1 << 16 -- bytes to be written; who has more to say waits

local Output = {}
Output.__index = Output

-- Takes all lines for one write, since each write has its price. False when there is none.
local function take(self)
  if self.at > #self.text then
    self.text, self.at = table.concat(self.parts), 1
    self.parts, self.size = {}, 0
  end
  return self.at <= #self.text
end

local function wake_all(self)
  local waiters = self.waiters
  self.waiters = {}
  for _, co in ipairs(waiters) do
    loop.wake_later(co)
  end
end

local write_out

local function wait_for_room(self)
  if self.is_watched then
    return
  end
  self.is_watched = true
  loop.watch(self.fd, "w", function()
    loop.unwatch(self.fd)
    self.is_watched = false
    write_out(self)
  end)
end

-- Writes what can be written without waiting. Where nobody has the other end, all of it is dropped.
function write_out(self)
  while take(self) do
    local done, _, errno = core.put(self.fd, self.text, self.at)
    if done then
      self.at = self.at + done
    elseif errno == EAGAIN then
      return wait_for_room(self)
    elseif errno ~= EINTR then
      self.at = #self.text + 1
    end
  end
  self.text, self.at = "", 1
  wake_all(self)
end

--- True when nothing is left to be written.
function Output:is_empty()
  return self.at > #self.text and self.size == 0
end

--- Writes all of the text. While much is still to be written, it waits, where that is possible.
function Output:write(text)
  self.parts[#self.parts + 1] = text
  self.size = self.size + #text
  if self.size < ENOUGH then
    if not self.is_watched and not self.is_due then
      self.is_due = true
      timers.add(0, function()
        self.is_due = false
        if not self.is_watched then
          write_out(self)
        end
      end)
    end
    return
  end
  if not self.is_watched then
    write_out(self)
  end
  while self.size >= ENOUGH and loop.in_hook() do
    loop.wait(function(co)
      self.waiters[#self.waiters + 1] = co
    end)
  end
end

-- At the end of the program or script process, what can be written without waiting still is.
function Output.__gc(self)
  while take(self) do
    local done = core.put(self.fd, self.text, self.at)
    if not done then
      return
    end
    self.at = self.at + done
  end
end

local function new(fd)
  return setmetatable({ fd = fd, text = "", at = 1, parts = {}, size = 0, waiters = {} }, Output)
end

output.stdout, output.stderr = new(1), new(2)

return output
