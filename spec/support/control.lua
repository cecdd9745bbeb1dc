-- reaperctl in specs: from outside of a container, as root of the machine, or from inside, as `docker exec` does.

local uv = require "luv"
local container = require "spec.support.container"

local control = {}

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local count = 0

-- Runs the words: exit code, stdout, stderr, milliseconds.
local function run(c, words)
  count = count + 1
  local out, err = c:file("control-out" .. count), c:file("control-err" .. count)
  for i, word in ipairs(words) do
    words[i] = quote(word)
  end
  local begin = uv.hrtime()
  local _, how, code = os.execute(("%s >%s 2>%s </dev/null"):format(table.concat(words, " "), out, err))
  local took = (uv.hrtime() - begin) / 1e6
  return how == "exit" and code or 128 + code, container.read_file(out), container.read_file(err), took
end

-- Runs reaperctl for the container from outside.
function control.run(c, ...)
  return run(c, { container.binary, "--ctl", "--pid", c.pid, ... })
end

-- Runs it in the container's namespaces, below `wrap` (words, such as those of setpriv), for the pid there.
function control.inside(c, wrap, ...)
  local words = { "nsenter", "--target", tostring(c.pid), "--pid", "--mount", "--" }
  table.move(wrap or {}, 1, #(wrap or {}), #words + 1, words)
  for _, word in ipairs { container.binary, "--ctl", "--pid", c.nspid, ... } do
    words[#words + 1] = word
  end
  return run(c, words)
end

return control
