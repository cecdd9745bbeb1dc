--- reaperctl reload [NAME…]: services that load their configuration; without a name the script, which is loaded anew.

local failure = require "reaper.control.failure"
local reloading = require "reaper.control.reloading"
local snapshot = require "reaper.control.snapshot"
local steering = require "reaper.control.steering"
local text = require "reaper.control.text"

local reload_services = steering.command("reload", nil, "reloaded")

local function reload_script(options)
  local pages = snapshot.open(options)
  local deadline = steering.deadline(options)
  local before = reloading.begin(pages)
  -- The old script process may end before it can say more than that it has begun.
  local code = steering.order(pages, nil, "reload", {}, deadline, true)
  if code ~= 0 or options["no-wait"] then
    return code
  end
  local found, pid = reloading.wait(pages, before, deadline)
  if found == "loaded" then
    print(("script %s: loaded anew (pid %d)"):format(text.plain(before.name), pid))
    return 0
  end
  steering.complain(reloading.texts[found or "late"])
  return found and failure.NO or failure.NO_ANSWER
end

return function(options, names)
  return names[1] and reload_services(options, names) or not names[1] and reload_script(options)
end
