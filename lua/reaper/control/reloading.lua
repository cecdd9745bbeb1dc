--- How the order to load the script anew comes out.

local following = require "reaper.control.following"
local snapshot = require "reaper.control.snapshot"

local reloading = {}

--- How it is before the order is given.
function reloading.begin(pages)
  local taken = snapshot.take(pages)
  local session = taken.script and taken.script.session
  return { inode = session and session.inbox_inode, failed_reloads = taken.engine.failed_reloads,
    name = taken.script and taken.script.name }
end

--- Waits until another script process works ("loaded", and its pid), the engine has counted one that did not load
-- ("failed"), or the container stops ("stop"); nil when the time is over.
function reloading.wait(pages, before, deadline)
  return following.until_known(pages, deadline, function(taken)
    local session = taken.script and taken.script.session
    if taken.engine.failed_reloads ~= before.failed_reloads then
      return "failed"
    elseif taken.engine.stop_reason ~= "" then
      return "stop"
    elseif session and session.inbox_inode ~= before.inode and session.pid == taken.engine.script_pid
      and taken.engine.script_state == "working" and not taken.engine.is_reloading then
      return "loaded", session.pid
    end
  end)
end

--- What is told of the other ends.
reloading.texts = {
  failed = "the script could not be loaded anew: its messages say why; the old one stays",
  stop = "the container is stopping",
  late = "the script is still being loaded",
}

return reloading
