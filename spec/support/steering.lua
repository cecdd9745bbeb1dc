-- Orders by reaperctl in specs: containers with services, and what reaperctl says about them.

local container = require "spec.support.container"
local control = require "spec.support.control"

local steering = {}

-- What a script of these specs begins with.
steering.HEAD = [[
local supervisor = require "reaper.supervisor"
local function sleeper(name, more)
  local service = { name = name, command = { "sleep", "1000" }, stop = { grace = 20 } }
  for key, value in pairs(more or {}) do service[key] = value end
  return service
end
]]

-- Starts a container, which can be looked into.
function steering.open(options)
  local c = container.start(options)
  control.see(c, "", "status")
  return c
end

-- The same with services: the text of a list.
function steering.start(list, options, more)
  options = options or {}
  options.script = steering.HEAD .. "supervisor.run { " .. list .. " }\n" .. (more or "")
  return steering.open(options)
end

-- What reaperctl says, which ends with that code.
function steering.says(c, code, ...)
  local got, out, err = control.run(c, ...)
  assert(got == code, ("%s: code %d, not %d: %s%s"):format(table.concat({ ... }, " "), got, code, out, err))
  return out .. err
end

function steering.row(c, name)
  return steering.says(c, 0, "status", name):match "\n([^\n]*)\n$"
end

function steering.pid_of(c, name)
  return tonumber(steering.says(c, 0, "wait", name, "--for", "running"):match "pid (%d+)")
end

function steering.script_process(c)
  for _, process in ipairs(c:processes()) do
    if process.comm == "reaper-script" then
      return process
    end
  end
end

-- A script process that the engine takes for its own, and another one than `before`.
function steering.next_script_process(c, before)
  return c:until_true(function()
    local pid = tonumber(steering.says(c, 0, "status"):match "pid (%d+)  working")
    return pid and pid ~= before and pid
  end, nil, "another script process")
end

return steering
