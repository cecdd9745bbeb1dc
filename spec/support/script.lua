-- Scripts whose printed lines are what a spec checks.

local container = require "spec.support.container"

local script = {}

-- An error in a hook ends the container at once, with its message among the lines.
local ENDING = [[

function on_error(message, hook)
  print("error in " .. hook .. ": " .. message)
  reaper.exit(99)
end
]]

local function with(options, text)
  local all = { script = text }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return all
end

-- A script whose on_start(pid, again) is `body`; unless `goes_on`, it ends when that returns.
function script.on_start(body, goes_on)
  return "function on_start(pid, again) " .. body .. (goes_on and "" or "\nreaper.exit()") .. "\nend" .. ENDING
end

-- run and start over containers of another kind, such as those in virtual time; the rest is that of this module.
function script.over(kind)
  local over = setmetatable({}, { __index = script })

  -- Runs a script to its end: stdout, stderr, exit code.
  function over.run(text, options)
    local code, out, err = kind.run(with(options, text))
    return out, err, code
  end

  -- Starts a container with a script.
  function over.start(text, options)
    return kind.start(with(options, text))
  end

  return over
end

script.run, script.start = script.over(container).run, script.over(container).start

-- Runs `body` in on_start, without COMMAND: stdout, stderr, exit code.
function script.body(body, options)
  return script.run(script.on_start(body), options)
end

-- The same where nothing may go wrong: stdout only.
function script.printed(body, options)
  local out, err, code = script.body(body, options)
  if code ~= 0 or err ~= "" then
    error(("the script ended with code %d\n--- stdout\n%s\n--- stderr\n%s"):format(code, out, err), 2)
  end
  return out
end

function script.lines(text)
  local list = {}
  for line in text:gmatch("([^\n]*)\n") do
    list[#list + 1] = line
  end
  return list
end

-- Writes a file of the container's folder that programs in it wait for.
function script.touch(c, name)
  if c.touch then
    return c:touch(name)
  end
  assert(io.open(c:file(name), "w")):close()
end

-- Lets so many seconds pass.
function script.pass(c, seconds)
  if c.advance then
    return c:advance(seconds)
  end
  require "luv".sleep(math.floor(seconds * 1000))
end

-- Seconds of a clock that goes with the container's: exact in virtual time.
function script.clock(c)
  return c.now and c:now() or os.time()
end

-- Puts another script in the place of the running one.
function script.replace(c, text)
  if c.write_file then
    return c:write_file("hooks.lua", text)
  end
  local file = assert(io.open(c:file("hooks.new"), "w"))
  file:write((text:gsub("{folder}", c.folder)))
  file:close()
  assert(os.rename(c:file("hooks.new"), c:file("hooks.lua")))
end

-- Kills the script process as a crash does, and gives its pid in the container.
function script.kill_script(c, signal)
  local script_process = c:until_true(function()
    local found = c:find("reaper-script")
    return found and c:kill(signal or "KILL", found.pid) and found
  end, 5, "a script process")
  return script_process.nspid
end

-- The number of open descriptors of a process of the container, given by its outer pid.
function script.descriptors(pid)
  local uv = require "luv"
  local count = 0
  for _ in uv.fs_scandir_next, assert(uv.fs_scandir("/proc/" .. pid .. "/fd")) do
    count = count + 1
  end
  return count
end

return script
