-- Scripts with reaper.supervisor, as text.

local script = require "spec.support.script"

local services = {}

-- The head of a script in which each change of a state is a line: name, state.
services.TELL = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state) print(name .. " " .. state) end
]]

-- A whole script that supervises the services of the list.
function services.script(list)
  return ('require "reaper.supervisor".run { %s }\n'):format(list)
end

-- A service that lives until it is told to end. `more`: further keys.
function services.sleeper(name, more)
  return ('{ name = "%s", command = { "sleep", "100" }, %s },\n'):format(name, more or "")
end

-- A shell script as a service.
function services.shell(name, command, more)
  return ('{ name = "%s", command = { "sh", "-c", [=[%s]=] }, %s },\n'):format(name, command, more or "")
end

-- run(list, options, more): lines of stdout, stderr, exit code; start(list, options, more): a container. Both for the
-- script that begins with `head`, supervises the services of `list` and goes on with `more`. `kind`: the containers'
-- module, when it is another one.
function services.below(head, kind)
  local over = kind and script.over(kind) or script

  local function text_of(list, more)
    return head .. "supervisor.run {\n" .. list .. "}\n" .. (more or "")
  end
  local function run(list, options, more)
    local out, err, code = over.run(text_of(list, more), options)
    return script.lines(out), err, code
  end
  local function start(list, options, more)
    return over.start(text_of(list, more), options)
  end
  return run, start
end

return services
