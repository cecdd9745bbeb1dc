--- reaperctl start NAME….

return require "reaper.control.steering".command("start", "started")
