--- reaperctl reload [NAME…]: services that load their configuration; without a name the script, which is loaded anew.

local failure = require "reaper.control.failure"
local following = require "reaper.control.following"
local snapshot = require "reaper.control.snapshot"
local steering = require "reaper.control.steering"
local text = require "reaper.control.text"

local reload_services = steering.command("reload", nil, "reloaded")

-- Another script process works, or the engine has counted one that did not load.
local function outcome(before)
  return function(taken)
    local session = taken.script and taken.script.session
    if taken.engine.failed_reloads ~= before.engine.failed_reloads then
      return "failed"
    elseif taken.engine.stop_reason ~= "" then
      return "stop"
    elseif session and session.inbox_inode ~= before.inode and session.pid == taken.engine.script_pid
      and taken.engine.script_state == "working" and not taken.engine.is_reloading then
      return "loaded", session.pid
    end
  end
end

local function reload_script(options)
  local pages = snapshot.open(options)
  local deadline = steering.deadline(options)
  local before = snapshot.take(pages)
  before.inode = before.script and before.script.session and before.script.session.inbox_inode
  local code = steering.order(pages, nil, "reload", {}, deadline)
  if code ~= 0 or options["no-wait"] then
    return code
  end
  local found, pid = following.until_known(pages, deadline, outcome(before))
  if found == "loaded" then
    print(("script %s: loaded anew (pid %d)"):format(text.plain(before.script.name), pid))
    return 0
  elseif found == "failed" then
    steering.complain("the script could not be loaded anew: its messages say why; the old one stays")
    return failure.NO
  elseif found == "stop" then
    steering.complain("the container is stopping")
    return failure.NO
  end
  steering.complain("the script is still being loaded")
  return failure.NO_ANSWER
end

return function(options, names)
  return names[1] and reload_services(options, names) or not names[1] and reload_script(options)
end
