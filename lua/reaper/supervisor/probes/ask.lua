--- Asks whether all is well with a service, by what its `ready` or `health` names: exec, http or tcp.

local command = require "reaper.supervisor.probes.command"
local network = require "reaper.supervisor.probes.network"
local timers = require "reaper.runtime.timers"

-- Asks once: answer(true), or answer(false, why), later; note(why) is called when a server is there, but has not
-- answered yet. Gives a function that breaks it off.
local function ask_once(service, options, note, answer)
  if options.exec then
    return command.ask(service, options.exec, options.timeout, answer)
  end
  return network.ask(options.http or options.tcp, options.timeout, note, answer)
end

--- Asks for the first time after so many seconds, and again as long as step(ok, why) gives the seconds until then.
-- `note`, if given, is called with what a server that is there has not done yet. Gives a function that ends it.
return function(service, options, first, step, note)
  local stop
  local function ask()
    stop = ask_once(service, options, note, function(ok, why)
      local again = step(ok, why)
      stop = again and timers.after(again, ask)
    end)
  end
  stop = timers.after(first, ask)
  return function()
    if stop then
      stop()
    end
  end
end
