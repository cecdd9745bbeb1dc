-- What a spec watches a container with, whether it is real or virtual. A container has for it: until_true(condition,
-- seconds, what), ended(), out(), err(), processes() and describe(), the text that names its processes.

local watching = {}

-- The end of a text that may be endless.
local function last_lines(text)
  local shown = text:sub(-4096)
  return #shown < #text and "...\n" .. (shown:match("\n(.*)") or shown) or text
end

-- What went wrong, with all that can be seen of the container.
function watching:report(what)
  local code = self:ended()
  return ("%s\n--- stdout\n%s\n--- stderr\n%s\n--- %s\n%s"):format(what, last_lines(self:out()), last_lines(self:err()),
    code and "ended with code " .. code or "still running", self:describe())
end

function watching:all()
  return self:out() .. self:err()
end

-- The end is looked at before the text, so that what was written last is not missed.
local function expect(self, source, pattern, seconds)
  local captures
  self:until_true(function()
    local over = self:ended()
    captures = table.pack(source(self):match(pattern))
    if over and captures[1] == nil then
      error(self:report("ended without: " .. pattern), 5)
    end
    return captures[1] ~= nil
  end, seconds, pattern)
  return table.unpack(captures, 1, captures.n)
end

-- Waits for a Lua pattern in stdout followed by stderr; returns its captures.
function watching:expect(pattern, seconds)
  return expect(self, self.all, pattern, seconds)
end

function watching:err_expect(pattern, seconds)
  return expect(self, self.err, pattern, seconds)
end

-- Waits for the end; returns the exit code.
function watching:wait(seconds)
  return self:until_true(function()
    return self:ended()
  end, seconds, "the end")
end

local function select_processes(self, key, value)
  local chosen = {}
  for _, process in ipairs(self:processes()) do
    if process[key] == value then
      chosen[#chosen + 1] = process
    end
  end
  return chosen
end

function watching:children_of(nspid)
  return select_processes(self, "ppid", nspid)
end

-- The first process of that name, and the list of all of them.
function watching:find(comm)
  local found = select_processes(self, "comm", comm)
  return found[1], found
end

return watching
