--- Whether a reaper-lua is alive, and whether it is ready: what probes ask.

local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local verdicts = {}

local ended = { done = true }
local begins = { loading = "the script is being loaded", starting = "COMMAND is being started" }

-- "web is failed (exit 1: …)"
local function describe(row)
  local detail = row.detail ~= "" and (" (%s)"):format(text.plain(row.detail)) or ""
  return ("%s is %s%s"):format(text.plain(row.name), text.plain(row.state), detail)
end

--- True while the engine runs and no service has failed for good. The end of COMMAND is the stop, or its script starts
-- it again. It asks nothing of the script process, which may be blocked or lost: then services are as of then.
-- @return a boolean, and one line of reason
function verdicts.alive(taken)
  local engine = taken.engine
  if ended[engine.state] then
    return false, "not alive: reaper-lua has ended"
  end
  for _, row in ipairs(taken.services) do
    if row.fatal and not row.is_main then
      return false, "not alive: " .. describe(row)
    end
  end
  return true, (engine.stop_reason == "" and "alive: %s for %s" or "alive: %s, up %s"):format(text.plain(engine.state),
    text.duration(engine.statistics.uptime))
end

-- Why nothing can be ready yet, or any more.
local function obstacle(taken)
  local engine = taken.engine
  if begins[engine.state] then
    return begins[engine.state]
  elseif engine.stop_reason ~= "" or engine.state ~= "running" then
    return ("the container is stopping (%s)"):format(text.plain(engine.stop_reason))
  elseif taken.script and not taken.script.session then
    return "no script process has worked yet"
  end
end

-- The services that have to be ready: those of these names, or all that start by themselves.
local function concerned(taken, names)
  local list = {}
  for i, name in ipairs(names) do
    list[i] = snapshot.find(taken, name)
  end
  for _, row in ipairs(names[1] and {} or taken.services) do
    list[#list + 1] = row.autostart and row or nil
  end
  return list
end

--- True while it is alive, does not stop, and the services of these names are ready; without names, all that start by
-- themselves. Whether a service is ready is what supervisor.wait says of it: a one-shot has finished well. A schedule
-- is not waited for unless it is named. A name that is not there ends the command, once the script is loaded.
-- @return a boolean, and one line of reason
function verdicts.ready(taken, names)
  local is_alive, reason = verdicts.alive(taken)
  if not is_alive then
    return false, "not ready: " .. reason:gsub("^not alive: ", "")
  end
  reason = obstacle(taken)
  if reason then
    return false, "not ready: " .. reason
  end
  local rows = concerned(taken, names or {})
  for _, row in ipairs(rows) do
    if not row.ready then
      return false, "not ready: " .. describe(row)
    end
  end
  local as_of_then = taken.script and taken.script.is_stale and rows[1] and ", as of then: the script process is "
    .. text.plain(taken.script.state) or ""
  return true, ("ready: %d service%s%s%s"):format(#rows, #rows == 1 and "" or "s", as_of_then,
    names and names[1] and "" or snapshot.of_hidden("; %d more are not shown", taken))
end

return verdicts
