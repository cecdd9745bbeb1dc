-- reaperctl in specs: from outside of a container, as root of the machine, or from inside, as `docker exec` does.

local uv = require "luv"
local container = require "spec.support.container"

local control = {}

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local count = 0

local function command_line(c, words)
  count = count + 1
  local out, err = c:file("control-out" .. count), c:file("control-err" .. count)
  for i, word in ipairs(words) do
    words[i] = quote(word)
  end
  return ("%s >%s 2>%s </dev/null"):format(table.concat(words, " "), out, err), out, err
end

local function has_page(c)
  local directory = ("/proc/%d/fd/"):format(c.pid)
  local scan = uv.fs_scandir(directory)
  for name in scan and uv.fs_scandir_next or function() end, scan do
    if (uv.fs_readlink(directory .. name) or ""):find("memfd:reaper-engine", 1, true) then
      return true
    end
  end
end

-- A program takes signals a moment before it shows itself. One that does not show itself is asked all the same.
local function wait_for_page(c)
  local deadline = uv.hrtime() + 2 * container.slow * 1e9
  while not c.is_shown and not has_page(c) and not c:ended() and uv.hrtime() < deadline do
    uv.sleep(2)
  end
  c.is_shown = true
end

-- Runs the words: exit code, stdout, stderr, milliseconds.
local function run(c, words)
  wait_for_page(c)
  local line, out, err = command_line(c, words)
  local begin = uv.hrtime()
  local _, how, code = os.execute(line)
  local took = (uv.hrtime() - begin) / 1e6
  return how == "exit" and code or 128 + code, container.read_file(out), container.read_file(err), took
end

-- Runs reaperctl for the container from outside.
function control.run(c, ...)
  return run(c, { container.binary, "--ctl", "--pid", c.pid, ... })
end

-- Waits until reaperctl with these words says so, with code 0. What it has said.
function control.see(c, pattern, ...)
  local words = { ... }
  return c:until_true(function()
    local code, out = control.run(c, table.unpack(words))
    return code == 0 and out:find(pattern) and out
  end, nil, table.concat(words, " ") .. " to say " .. pattern)
end

local SAY_PID = { "sh", "-c", 'echo $$ >"$0"; exec "$@"' }

-- Begins reaperctl for the container from outside. Gives a function that waits for its end, and gives what run gives;
-- and a function that gives its pid.
function control.begin(c, ...)
  local pid_file = c:file("control-pid" .. count)
  local words = table.move(SAY_PID, 1, #SAY_PID, 1, {})
  local line, out, err = command_line(c, table.move({ pid_file, container.binary, "--ctl", "--pid", c.pid, ... }, 1,
    5 + select("#", ...), #words + 1, words))
  local ended = out .. "-code"
  local what = "the end of reaperctl " .. table.concat({ ... }, " ")
  os.execute(("{ %s; echo $? >%s.new; mv %s.new %s; } &"):format(line, ended, ended, ended))
  return function()
    local code = c:until_true(function()
      return tonumber(container.read_file(ended) or "")
    end, nil, what)
    return code, container.read_file(out), container.read_file(err)
  end, function()
    return c:until_true(function()
      return tonumber(container.read_file(pid_file) or "")
    end, nil, what)
  end
end

local function enter(c, wrap, words)
  local all = { "nsenter", "--target", tostring(c.pid), "--pid", "--mount", "--" }
  table.move(wrap, 1, #wrap, #all + 1, all)
  table.move(words, 1, #words, #all + 1, all)
  return run(c, all)
end

-- Runs any words in the container's namespaces.
function control.enter(c, words)
  return enter(c, {}, words)
end

-- Runs it in the container's namespaces, below `wrap` (words, such as those of setpriv), for the pid there.
function control.inside(c, wrap, ...)
  return enter(c, wrap, { container.binary, "--ctl", "--pid", c.nspid, ... })
end

-- Runs it there without saying for which pid.
function control.plain(c, ...)
  return enter(c, {}, { container.binary, "--ctl", ... })
end

return control
