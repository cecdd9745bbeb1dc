--- reaperctl stop NAME….

return require "reaper.control.steering".command("stop", "stopped")
