-- A container engine by its command: docker "version" runs that and gives exit code and output.

local shell = require "spec.container.shell"

local Engine = {}
Engine.__index = Engine

local engine = {}

-- `init` are the options with which --init means reaper-lua, `at_once` those with which "rm -f" does not wait.
function engine.new(name, init, at_once)
  local command = "cd /run && " .. name -- conmon leaves a file "oom" where it was started
  return setmetatable({ name = name, command = command, init = init, at_once = at_once, ids = {} }, Engine)
end

function Engine:__call(words)
  return shell.run(self.command .. " " .. words)
end

local function options(self)
  return ("--network none %s "):format(self.group)
end

-- Runs a container to its end: exit code, output.
function Engine:run(words)
  return self("run --rm " .. options(self) .. words)
end

-- Starts one, which is removed after the check: its id.
function Engine:start(words)
  local output = shell.must(("%s run --detach %s"):format(self.command, options(self) .. words))
  local id = output:match "(%x+)%s*$"
  self.ids[#self.ids + 1] = id
  return id
end

-- Runs one on a terminal; see shell.terminal.
function Engine:terminal(words)
  return shell.terminal(("%s run --rm -it %s"):format(self.command, options(self) .. words))
end

function Engine:must(words)
  return shell.must(self.command .. " " .. words)
end

function Engine:inspect(id, format)
  return (self:must(("inspect --format %s %s"):format(shell.quote(format), id)):gsub("%s+$", ""))
end

-- Waits until `format` of inspect gives this text.
function Engine:await(id, format, text, seconds)
  shell.until_true(text, function()
    local seen = self:inspect(id, format)
    return seen == text, seen
  end, seconds)
end

-- Waits for a Lua pattern in what the container has written; gives its captures.
function Engine:expect(id, pattern, seconds)
  return table.unpack(shell.until_true(pattern, function()
    local seen = self:must("logs " .. id)
    local found = table.pack(seen:match(pattern))
    return found[1] and found, seen
  end, seconds))
end

-- Stops it: seconds that it took, exit code.
function Engine:stop(id, seconds)
  local begin = shell.now()
  self:must(("stop -t %d %s"):format(seconds, id))
  return shell.now() - begin, tonumber(self:inspect(id, "{{.State.ExitCode}}"))
end

-- All processes that a container of the image "box" sees.
function Engine:processes(id)
  local listing, list = self:must(("exec %s /bin/ps -o stat,pid,ppid,comm"):format(id)), {}
  for state, pid, parent, comm in listing:gmatch "(%a)%S*%s+(%d+)%s+(%d+)%s+([^\n]+)\n" do
    list[#list + 1] = { state = state, pid = tonumber(pid), parent = tonumber(parent), comm = comm }
  end
  return list, listing
end

-- Waits for a process that fits: that process.
function Engine:find(id, what, fits)
  return shell.until_true(what, function()
    local list, listing = self:processes(id)
    for _, process in ipairs(list) do
      if fits(process) then
        return process
      end
    end
    return nil, listing
  end)
end

function Engine:await_no_zombie(id)
  shell.until_true("no zombie", function()
    local list, listing = self:processes(id)
    for _, process in ipairs(list) do
      if process.state == "Z" then
        return false, listing
      end
    end
    return #list > 0, listing
  end)
end

function Engine:remove_all()
  for index = #self.ids, 1, -1 do -- one that shares another's namespace goes before that
    self(("rm -f %s %s"):format(self.at_once, self.ids[index]))
  end
  self.ids = {}
end

-- Builds an image from a folder, a Dockerfile's text, and files: name in the folder -> path.
function Engine:build(image, dockerfile, files)
  local folder = "/run/build"
  shell.must("rm -rf " .. folder .. " && mkdir " .. folder)
  shell.write(folder .. "/Dockerfile", dockerfile)
  for name, path in pairs(files) do
    shell.must(("cp -R %s %s/%s"):format(shell.quote(path), folder, name))
  end
  self:must(("build --network none -q -t %s %s"):format(image, folder))
end

return engine
