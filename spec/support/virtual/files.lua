-- What a process of a virtual container can have open: pipes, files in memory, sockets for notifications.

local files = {}

local Open = {} -- what descriptors lead to; several of them may lead to the same
Open.__index = Open

local function new(values)
  values.holders = 0
  return setmetatable(values, Open)
end

-- One more descriptor leads to it.
function Open:hold()
  self.holders = self.holders + 1
  return self
end

function Open:drop()
  self.holders = self.holders - 1
end

function Open:is_closed()
  return self.holders <= 0
end

-- ---- Kinds. ----

-- Takes each text that is written; nothing can be read.
function files.sink(take)
  return new { write = function(_, text) take(text) return true end, read = function() return "" end,
    readable = function() return true end }
end

function files.null()
  return files.sink(function() end)
end

-- A file of the container's folder. `mode` is "r", "w" or "a".
function files.file(texts, path, mode)
  if mode == "w" or not texts[path] then
    texts[path] = ""
  end
  local at = 1
  return new {
    read = function()
      local text = texts[path]:sub(at)
      at = #texts[path] + 1
      return text
    end,
    write = function(_, text)
      texts[path] = (texts[path] or "") .. text
      return true
    end,
    readable = function() return true end,
  }
end

-- The two ends of a pipe, which holds as much as one likes.
function files.pipe()
  local buffer = ""
  local reader, writer
  reader = new {
    read = function() -- nil: nothing is there yet; "": the end
      if buffer == "" and not writer:is_closed() then
        return nil
      end
      local text = buffer
      buffer = ""
      return text
    end,
    readable = function() return buffer ~= "" or writer:is_closed() end,
  }
  writer = new {
    write = function(_, text) -- false: nobody reads
      if reader:is_closed() then
        return false
      end
      buffer = buffer .. text
      return true
    end,
    readable = function() return false end,
  }
  return reader, writer
end

-- A datagram socket for sd_notify(3).
function files.notify(name)
  local messages = {}
  local self
  self = new {
    name = name,
    send = function(_, text, pid)
      if self:is_closed() then
        return false
      end
      messages[#messages + 1] = { text = text, pid = pid }
      return true
    end,
    read = function() return table.remove(messages, 1) end,
    readable = function() return messages[1] ~= nil end,
  }
  return self
end

-- A process that lives or has ended.
function files.pidfd(process)
  return new { process = process, readable = function() return process.gone end }
end

-- The clock on the wall has come to a time, or was set. `moment`: when it will, in nanoseconds of the machine.
function files.wall_clock(machine, time)
  local sets = machine.clock_sets
  return new {
    readable = function()
      return machine.clock_sets ~= sets or machine.wall + machine:seconds() >= time
    end,
    moment = function()
      return math.ceil((time - machine.wall) * 1e9)
    end,
  }
end

-- ---- Tables of descriptors. ----

local Table = {}
Table.__index = Table

-- The descriptors of a process.
function files.new_table()
  return setmetatable({ open = {} }, Table)
end

function Table:get(fd)
  return self.open[fd]
end

function Table:close(fd)
  local open = self.open[fd]
  if open then
    self.open[fd] = nil
    open:drop()
  end
end

-- Makes the descriptor lead to `open`, or to nothing.
function Table:set(fd, open)
  if open then
    open:hold()
  end
  self:close(fd)
  self.open[fd] = open
end

-- The lowest number that is free, from 3 on.
function Table:add(open)
  local fd = 3
  while self.open[fd] do
    fd = fd + 1
  end
  self:set(fd, open)
  return fd
end

function Table:copy()
  local copy = files.new_table()
  for fd, open in pairs(self.open) do
    copy:set(fd, open)
  end
  return copy
end

function Table:close_all()
  for fd in pairs(self.open) do
    self:close(fd)
  end
end

return files
