-- A new version beside the old one, which is stopped when the new one is ready:  reaper-lua canary.lua
-- HUP begins it. A new one that fails, or is not ready in time, is given up, and the old one stays.
-- ./serve gets the name of its place, and says READY=1 (sd_notify).
local supervisor = require "reaper.supervisor"

local other = { blue = "green", green = "blue" }
local newest = "blue"

local function place(name, is_first)
  return {
    name = name, command = { "./serve", name }, autostart = is_first, when_failed = "ignore",
    restart = "on-failure:3", ready = { notify = true, timeout = 10 },
  }
end

supervisor.run { place("blue", true), place("green", false) }

local function is_up(name)
  local state = supervisor.status(name).state
  return state ~= "finished" and state ~= "failed"
end

function on_signal(name)
  if name ~= "SIGHUP" then
    return
  end
  if is_up "blue" and is_up "green" then
    reaper.log("warning", "a change is under way already")
  else
    newest = is_up "blue" and "green" or "blue"
    supervisor.start(newest)
  end
  return false
end

function on_service(name, state)
  if state == "running" and name == newest then
    supervisor.stop(other[name])
  elseif state == "failed" and not is_up(other[name]) then
    supervisor.shutdown(1)
  end
end

-- A process that replaces this one, should it be lost, finds out where the change was.
function on_start()
  local blue, green = supervisor.status "blue", supervisor.status "green"
  if is_up "blue" and is_up "green" then
    if (blue.state == "running") ~= (green.state == "running") then
      newest = blue.state == "running" and "green" or "blue"
    else
      newest = blue.since < green.since and "blue" or "green"
    end
    on_service(newest, supervisor.status(newest).state)
  elseif is_up "green" then
    newest = "green"
  end
end
