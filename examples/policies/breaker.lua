-- A circuit breaker:  reaper-lua breaker.lua
-- After so many failures in a row the service rests; then one start shows whether it works again.
local supervisor = require "reaper.supervisor"

local FAILURES = 3 -- in a row open the breaker
local REST = tonumber(os.getenv "REST" or 60) -- seconds until the next try
local STABLE = tonumber(os.getenv "STABLE" or 10) -- a shorter run is a failure, in seconds

-- A restart policy has no state: what it has to know is in the event.
local function failures_in_a_row(event)
  local count, lifetime = 0, event.lifetime
  while lifetime and lifetime < STABLE do
    lifetime = event.lifetimes[#event.lifetimes - count] -- of the run before
    count = count + 1
  end
  return count
end

local function breaker(event)
  if failures_in_a_row(event) >= FAILURES then
    return REST -- and again after each try that fails
  end
  return 0.1
end

supervisor.run {
  { name = "work", command = { "./work" }, restart = breaker },
}
