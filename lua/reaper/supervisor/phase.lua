--- How far the group of services is: group.phase, one of
--
--   "loading"    the engine has not sent START yet: nothing is started, and nothing is saved
--   "cancelled"  the same, but the script has asked for the end already
--   "running"    services are started, and restarted by their policies
--   "leaving"    the container ends, but it is not the services' turn yet: nothing is started any more
--   "stopping"   it is their turn: those that nobody needs any more are stopped
--   "down"       all are down: the engine learns it when on_service has returned and all that they wrote is out
--
-- A phase never follows a later one.

local phase = {}

local rank = { loading = 1, cancelled = 2, running = 3, leaving = 4, stopping = 5, down = 6 }

--- A new group is loading.
phase.first = "loading"

--- Changes the phase, unless the group is in a later one already. The only function that does.
function phase.advance(group, to)
  if rank[to] > rank[group.phase] then
    group.phase = to
  end
end

--- True when the engine has sent START.
function phase.has_started(group)
  return rank[group.phase] >= rank.running
end

--- True when the end was asked for, so that no service is started any more.
function phase.is_ending(group)
  return group.phase == "cancelled" or rank[group.phase] >= rank.leaving
end

--- True when the engine has asked the services to stop.
function phase.is_their_turn(group)
  return rank[group.phase] >= rank.stopping
end

return phase
