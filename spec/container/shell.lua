-- Commands, waiting and a terminal, with nothing but Lua.

local shell = {}

local files = 0

function shell.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

function shell.write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end

function shell.read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- Runs a command to its end, a minute at most: exit code, output with stderr.
function shell.run(command)
  local pipe = assert(io.popen(("timeout -s KILL 60 sh -c %s 2>&1 </dev/null"):format(shell.quote(command))))
  local text = pipe:read "a"
  local _, kind, number = pipe:close()
  return kind == "signal" and 128 + number or number, text
end

-- The same for one that has to succeed: its output.
function shell.must(command)
  local code, text = shell.run(command)
  if code ~= 0 then
    error(("code %d of %s\n%s"):format(code, command, text), 2)
  end
  return text
end

-- Seconds, with two decimals.
function shell.now()
  return tonumber(shell.read("/proc/uptime"):match "%S+")
end

-- Waits until the function gives something true, and gives that. What it gives besides is told when it does not.
function shell.until_true(what, condition, seconds)
  local deadline = shell.now() + (seconds or 10)
  while true do
    local result, seen = condition()
    if result then
      return result
    end
    if shell.now() > deadline then
      error(("waited in vain for %s; last seen:\n%s"):format(what, seen), 2)
    end
    os.execute "sleep 0.05"
  end
end

local Terminal = {}
Terminal.__index = Terminal

-- Runs a command on a terminal of its own.
function shell.terminal(command)
  files = files + 1
  local path = "/run/screen" .. files
  shell.write(path, "")
  local pipe = assert(io.popen(("exec build/spec-helper pty --timeout 30 -- sh -c %s >%s 2>&1"):format(
    shell.quote(command), path), "w"))
  return setmetatable({ pipe = pipe, path = path, from = 1 }, Terminal)
end

function Terminal:type(text)
  self.pipe:write(text)
  self.pipe:flush()
end

-- Waits for a text after all that has been waited for before.
function Terminal:see(text)
  shell.until_true(("%q on the terminal"):format(text), function()
    local screen = shell.read(self.path)
    local _, last = screen:find(text, self.from, true)
    self.from = last and last + 1 or self.from
    return last, screen
  end)
end

-- Waits for the end of the command: its exit code.
function Terminal:wait()
  return select(3, self.pipe:close())
end

return shell
