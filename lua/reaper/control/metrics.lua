--- reaperctl metrics: counters and states as Prometheus reads them.

local exposition = require "reaper.control.exposition"
local snapshot = require "reaper.control.snapshot"

return function(options)
  io.write(exposition.text(snapshot.take(snapshot.open(options))))
  return 0
end
