--- Files for the lines of services (reaper.log.file). A file is rotated at its size, and opened again where somebody
-- else has renamed or removed it. Nobody ever waits for it: what cannot be written is counted and lost.

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local fields = require "reaper.runtime.log_fields"
local lines = require "reaper.runtime.log_lines"
local log = require "reaper.runtime.log"
local timers = require "reaper.runtime.timers"

local WHERE = "reaper.log.file"
local EINTR = 4
local ENOUGH = 1 << 16 -- bytes that wait to be written together, since each write has its price
local QUIET_SECONDS = 1 -- a disk that is full again and again is told of once in so long a time
local MAX, LEAST_MAX = 10 << 20, 64 -- bytes of a file: by default, and at least
local KEEP, MOST_KEEP = 3, 1000 -- older files: by default, and at most
local rename, remove = os.rename, os.remove

-- What is wrong with the path itself: nothing changes that by itself, so it is told when the sink is made.
local is_mistake = {
  [1] = "EPERM", [2] = "ENOENT", [13] = "EACCES", [20] = "ENOTDIR", [21] = "EISDIR", [22] = "EINVAL", [30] = "EROFS",
  [36] = "ENAMETOOLONG", [40] = "ELOOP",
}
local ENOENT = 2

local File = {}
File.__index = File

local files = setmetatable({}, { __mode = "v" }) -- path → the file, while a sink of it is in use

-- Telling what happens.

local function say_failure(self, message)
  if not self.is_told and core.now() >= self.quiet_until then
    self.is_told = true
    log("error", ("log file %s: %s; until it can be written again its lines are lost"):format(self.path, message))
  end
end

local function say_lost(self, how)
  log("warning", ("log file %s: %s%d lines were lost"):format(self.path, how, self.lost))
  self.is_told, self.lost = false, 0
  self.quiet_until = core.now() + QUIET_SECONDS
end

-- Something has been written.
local function goes_on(self)
  if self.is_told or self.lost > 0 and core.now() >= self.quiet_until then
    say_lost(self, "it can be written again; ")
  end
end

-- The open file.

local function close(self)
  if self.fd then
    core.close(self.fd)
    self.fd = nil
  end
end

-- True; or nil, message, errno. `rest` is what belongs in front of the next line: the end of a line of which only the
-- beginning could be written, or a newline behind one whose end is lost.
local function open(self, like)
  local fd, whole, errno = core.log_open(self.path, like)
  if not fd then
    return nil, whole, errno
  end
  self.fd = fd
  self.lost = self.lost + (#self.rest > 1 and 1 or 0)
  self.rest = whole and "" or "\n"
  return true
end

-- The size of the file at the path, which is opened where it is not open yet or is another one by now; or nil, message.
local function size_of(self)
  local size = self.fd and core.log_size(self.fd, self.path)
  if size then
    return size
  end
  close(self)
  local ok, message = open(self)
  if not ok then
    return nil, message
  end
  return core.log_size(self.fd, self.path) or 0
end

-- Moves path to path.1, path.1 to path.2 and so on. True; or nil, message. What fails first leaves the others as they
-- are, so that no file is overwritten.
local function shift(path, keep)
  if keep == 0 then
    return remove(path)
  end
  for number = keep - 1, 0, -1 do
    local from = number == 0 and path or path .. "." .. number
    local ok, message, errno = rename(from, path .. "." .. number + 1)
    if not ok and (errno ~= ENOENT or number == 0) then
      return nil, message
    end
  end
  return true
end

-- Begins a new file. True; or nil, message. Where the old one cannot be moved, it grows on.
local function rotate(self)
  local ok, message = shift(self.path, self.keep or KEEP)
  if not ok then
    if not self.grows then
      log("error", ("log file %s: it cannot be rotated, and grows: %s"):format(self.path, message))
    end
    self.grows = true
    return true
  end
  self.grows = false
  local before = self.fd
  self.fd = nil
  ok, message = open(self, before)
  core.close(before)
  return ok, message
end

-- Writes.

-- True; or nil, message, and how many bytes have been written.
local function put(self, text)
  local at = 1
  while at <= #text do
    local done, message, errno = core.put(self.fd, text, at)
    if not done and errno ~= EINTR then
      return nil, message, at - 1
    end
    at = at + (done or 0)
  end
  return true
end

-- Writes what belongs in front of the next line. True; or nil, message.
local function put_rest(self)
  local ok, message, done = put(self, self.rest)
  self.rest = ok and "" or self.rest:sub(done + 1)
  return ok, message
end

-- Makes room for a line of so many bytes. The bytes that the file may take; or nil, message.
local function make_room(self, needed)
  local size, message = size_of(self)
  local max = self.max or MAX
  local ok = size
  if ok then
    size = size + #self.rest
    ok, message = put_rest(self)
  end
  if ok and size > 0 and size + needed > max then
    ok, message = rotate(self)
    size = self.grows and size or 0
  end
  return ok and math.max(self.grows and ENOUGH or max - size, needed), message
end

-- As many lines from `first` on as have room. The next one; or nil, message, and the first one that is lost.
local function put_lines(self, list, first, room)
  local last, bytes = first, #list[first]
  while list[last + 1] and bytes + #list[last + 1] <= room do
    last = last + 1
    bytes = bytes + #list[last]
  end
  local ok, message, done = put(self, table.concat(list, "", first, last))
  if ok then
    return last + 1
  end
  while done >= #list[first] do
    done, first = done - #list[first], first + 1
  end
  if done > 0 then
    self.rest = list[first]:sub(done + 1)
    first = first + 1
  end
  return nil, message, first
end

-- Writes what waits.
local function flush(self)
  local list, at = self.waiting, 1
  self.waiting, self.size = {}, 0
  while list[at] do
    local room, message = make_room(self, #list[at])
    local next_one, why, lost
    if room then
      next_one, why, lost = put_lines(self, list, at, room)
    end
    if not next_one then
      self.lost = self.lost + #list - (lost or at) + 1
      return say_failure(self, why or message)
    end
    goes_on(self)
    at = next_one
  end
end

function File:write(text)
  self.waiting[#self.waiting + 1] = text
  self.size = self.size + #text
  if self.size >= ENOUGH then
    flush(self)
  elseif not self.is_due then
    self.is_due = true
    timers.add(0, function()
      self.is_due = false
      flush(self)
    end)
  end
end

-- No sink has it any more, or the script process ends.
function File:__gc()
  flush(self)
  if self.lost > 0 then
    say_lost(self, "")
  end
  close(self)
end

-- Sinks.

-- The file at the path, which sinks share. Raises where it cannot be one.
local function file_at(path)
  local real, message = core.log_path(path)
  if not real then
    check.refuse(WHERE, "path", message)
  end
  local self = files[real]
  if self then
    return self
  end
  self = setmetatable({ path = real, waiting = {}, size = 0, rest = "", lost = 0, quiet_until = 0 }, File)
  local ok, why, errno = open(self)
  if not ok and is_mistake[errno] then
    check.refuse(WHERE, "path", why)
  elseif not ok then
    say_failure(self, why)
  end
  files[real] = self
  return self
end

-- Sinks that share a file share its limits. One that says nothing takes those of the others.
local function set_limit(self, key, value)
  if value and self[key] and self[key] ~= value then
    check.refuse(WHERE, key, ("another sink of %s has %d"):format(self.path, self[key]))
  end
  self[key] = value or self[key]
end

local function raw(line)
  return fields.to_text(line) .. "\n"
end

--- reaper.log.file(path, { max =, keep =, name =, stream = }): a function(line) that appends a line to the file.
return function(path, options)
  check.text(WHERE, "path", path)
  options = check.options(WHERE, options, { "max", "keep", "name", "stream" })
  local max, keep, name, stream = options.max, options.keep, options.name, options.stream
  if max ~= nil then
    max = max == math.huge and math.maxinteger or check.integer(WHERE, "max", max, LEAST_MAX, math.maxinteger)
  end
  keep = keep ~= nil and check.integer(WHERE, "keep", keep, 0, MOST_KEEP) or nil
  local form = raw
  if name ~= nil or stream ~= nil then
    check.type(WHERE, "name", name, "string")
    stream = check.choose(WHERE, "stream", stream or "stdout", { stdout = "stdout", stderr = "stderr" })
    form = lines.form(name, stream)
  end
  if core.checking then -- nothing is made, and the directory may be there only later
    return function() end
  end
  local file = file_at(path)
  set_limit(file, "max", max)
  set_limit(file, "keep", keep)
  return function(line)
    file:write(form(line))
  end
end
