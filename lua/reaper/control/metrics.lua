--- reaperctl metrics: counters and states as Prometheus reads them.

local exposition = require "reaper.control.exposition"
local failure = require "reaper.control.failure"
local snapshot = require "reaper.control.snapshot"

return function(options, words)
  if words[1] then
    failure.usage(("'metrics' takes no names, such as '%s'"):format(words[1]))
  end
  io.write(exposition.text(snapshot.take(snapshot.open(options))))
  return 0
end
