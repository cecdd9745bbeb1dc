-- Scripts that start processes as services and ask core.members whose they are.

local container = require "spec.support.container"

local members = {}

-- What each script begins with. The programs `one`, `two` and so on are the helper: they differ in their names only.
local PRELUDE = [[
local core = require "reaper.core"

os.execute "cd {folder} && for name in one two three twin; do ln -s HELPER $name; done; mkfifo pipe"

-- Starts a service: what core.members takes, and its `process`. `text` is for the shell.
local function service(name, text, options)
  local spec = { "sh", "-c", text, name = name, env = { PATH = "{folder}:" .. os.getenv "PATH" } }
  for key, value in pairs(options or {}) do
    spec[key] = value
  end
  local process = assert(reaper.spawn(spec))
  return { name = name, leader = process.pid, alive = true, process = process }
end

local function until_true(condition)
  local deadline = core.now() + LIMIT
  repeat until condition() or core.now() > deadline or reaper.sleep(0.005)
end

-- Waits for the leader's end.
local function wait(service)
  service.process:wait()
  service.alive = false
end

local function failure(result, message, errno)
  return table.concat({ tostring(result), tostring(message), tostring(errno) }, " ")
end

local function kill(service)
  assert(service.process:kill "KILL")
  wait(service)
end

-- The names of what runs in each service.
local function see(services, known)
  local lists, incomplete = assert(core.members(services, known))
  local words = {}
  for i, one in ipairs(services) do
    local names = {}
    for j, process in ipairs(lists[one.name]) do
      names[j] = process.comm
    end
    table.sort(names)
    words[i] = one.name .. ": " .. table.concat(names, " ")
  end
  return table.concat(words, ", "), incomplete, lists
end

-- Prints what is seen as soon as it is what is expected, or at last.
local function await(expected, services, known)
  local seen
  until_true(function()
    seen = see(services, known)
    return seen == expected
  end)
  print(seen)
end

-- The members as known processes.
local function remember(services)
  local known = {}
  for name, list in pairs((core.members(services))) do
    for _, process in ipairs(list) do
      known[#known + 1] = { pid = process.pid, start = process.start, name = name }
    end
  end
  return known
end

function on_error(message, hook)
  print("error in " .. hook .. ": " .. message)
  reaper.exit(99)
end

]]

--- The text of a script whose on_start is `body`.
function members.script(body)
  return (PRELUDE .. "function on_start(pid, again)\n" .. body .. "\nreaper.exit(0)\nend\n"):gsub("LIMIT",
    tostring(10 * container.company * container.slow)):gsub("HELPER", container.helper):gsub("REAPER_LUA",
    container.binary):gsub("COMM", container.comm)
end

-- Runs it: what it prints.
function members.printed(body, options)
  local all = { script = members.script(body) }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  local code, out, err = container.run(all)
  if code ~= 0 or err ~= "" then
    error(("the script ended with code %d\n--- stdout\n%s\n--- stderr\n%s"):format(code, out, err), 2)
  end
  return out
end

return members
