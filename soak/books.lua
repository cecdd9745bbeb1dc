-- What the script has told, line by line, and what follows from it.

local books = {}
books.__index = books

-- `violated(text)` is called for what may not be.
function books.open(path, violated)
  return setmetatable({
    path = path, at = 0, violated = violated,
    deaths = 0, absent = 0, dropped = 0, starts = 0, reloads = 0, signals = {}, raised = 0,
    storms = {}, spawned = {}, ended = {}, states = {}, stats = nil, is_up = false, changes = {},
  }, books)
end

-- A storm of `count` orphans. Those of one in order end with 1, 2, 3 … `count` (at most 256).
function books:expect_storm(id, count, in_order)
  self.storms[id] = { count = count, seen = {}, told = 0, last = 0, in_order = in_order }
end

local function number_of(raw)
  local code = raw >> 8 & 255
  return code == 0 and 256 or code
end

local function tell_orphan(self, id, raw)
  local storm = self.storms[id]
  if not storm then
    return self.violated("a death of storm " .. id .. ", which was not made")
  end
  storm.told = storm.told + 1
  if storm.told > storm.count then
    self.violated(("storm %d had %d orphans, and more were told"):format(id, storm.count))
  end
  if not storm.in_order then
    return
  end
  local number = number_of(raw)
  if storm.seen[number] then
    self.violated(("orphan %d of storm %d was told twice"):format(number, id))
  elseif storm.in_order == "strictly" and number < storm.last then
    self.violated(("orphan %d of storm %d was told after orphan %d"):format(number, id, storm.last))
  end
  storm.seen[number], storm.last = true, number
end

local handlers = {}

function handlers.reap(self, words)
  local _, name, comm, raw = table.unpack(words)
  self.deaths = self.deaths + 1
  local id = comm:match "^storm(%d+)$"
  if name == "-" and id then
    return tell_orphan(self, tonumber(id), tonumber(raw))
  end
  if name:find "^absent%-" then -- the engine learns of that through the script's socket, which may be gone by then
    self.absent = self.absent + 1
    if self.absent >= self.starts then
      self.violated(("%d children whose exec failed were told, with %d scripts"):format(self.absent, self.starts))
    end
  elseif name:find "^%a+%-" and self.ended[name] then
    self.violated("told twice: " .. name)
  end
  self.ended[name] = (self.ended[name] or 0) + 1
end

function handlers.spawned(self, words)
  self.spawned[words[1]] = true
end

-- The order holds over reloads and losses: the next script process reads on where the last one has stopped.
function handlers.start(self, words)
  self.starts, self.is_up = self.starts + 1, false
  self.reloads = self.reloads + (words[1] == "reload" and 1 or 0)
end

function handlers.up(self)
  self.is_up = true
end

function handlers.signal(self, words)
  local number = tonumber(words[1])
  self.signals[number] = (self.signals[number] or 0) + 1
end

function handlers.overflow(self, words)
  self.dropped = self.dropped + tonumber(words[1])
end

function handlers.state(self, words)
  self.states[words[1]] = { state = words[2], pid = tonumber(words[3]) }
end

-- The engine's counters. What of them was not told by now was lost with a script process, where the moment was quiet.
function handlers.stats(self, words)
  local reaped, dropped = tonumber(words[1]), tonumber(words[2])
  self.stats = {
    reaped = reaped, dropped = dropped, restarts = tonumber(words[3]), is_quiet = words[4] == "true",
    lost = reaped - dropped - self.deaths,
  }
end

-- What the Lua state holds, in kB.
function handlers.heap(self, words)
  self.heap = tonumber(words[1])
end

function handlers.raised(self)
  self.raised = self.raised + 1
end

function handlers.service(self, words)
  local key = words[1] .. " " .. words[2]
  self.changes[key] = (self.changes[key] or 0) + 1
end

function handlers.wrong(self, _, line)
  self.violated(line)
end

handlers.killed = function() end

-- Reads what has been told since the last time.
function books:read()
  local file = assert(io.open(self.path, "r"))
  file:seek("set", self.at)
  local text = file:read(1 << 24) or ""
  file:close()
  text = text:match "^.*\n" or "" -- whole lines
  self.at = self.at + #text
  for kind, line in text:gmatch "(%S+) ?([^\n]*)\n" do
    local words = {}
    for word in line:gmatch "%S+" do
      words[#words + 1] = word
    end
    local handler = handlers[kind]
    if handler then
      handler(self, words, line)
    else
      self.violated("a line that nobody writes: " .. kind .. " " .. line)
    end
  end
end

-- How many deaths are still to be told, of storms and of the children that were spawned.
function books:missing()
  local count, one = 0, nil
  for id, storm in pairs(self.storms) do
    if storm.told < storm.count then
      count, one = count + storm.count - storm.told, "storm " .. id
    end
  end
  for name in pairs(self.spawned) do
    if not self.ended[name] then
      count, one = count + 1, name
    end
  end
  return count, one
end

-- What has been settled is not asked about again.
function books:settle()
  self.storms, self.spawned = {}, {}
  for name in pairs(self.ended) do
    if name:find "%-" then
      self.ended[name] = nil
    end
  end
end

return books
