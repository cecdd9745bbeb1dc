--- Looks after the health of a service as Docker's HEALTHCHECK does: `retries` failures in a row are too many; those
-- within `start_period` seconds of its start do not count until it was healthy once. And a service that has a watchdog
-- has to give signs of life. Both fire "unhealthy".

local ask = require "reaper.supervisor.probes.ask"
local core = require "reaper.core"

local function nothing() end

local function watch_probe(service)
  local health = service.spec.health
  if not health then
    return nothing
  end
  local failures, was_healthy = 0, false
  return ask(service, health, health.interval, function(ok, why)
    if ok then
      failures, was_healthy = 0, true
    elseif was_healthy or core.now() - service.past.started_at >= health.start_period then
      failures = failures + 1
    end
    if failures < health.retries then
      return health.interval
    end
    service:fire("unhealthy", ("health: %d failure%s: %s"):format(failures, failures == 1 and "" or "s", why))
  end)
end

--- A service runs from now on. Gives a function that stops all of it.
return function(service)
  local stop_probe, stop_watchdog = watch_probe(service), service.readiness:watch_life() or nothing
  return function()
    stop_probe()
    stop_watchdog()
  end
end
