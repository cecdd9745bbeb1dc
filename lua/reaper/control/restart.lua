--- reaperctl restart NAME….

return require "reaper.control.steering".command("restart", "started")
