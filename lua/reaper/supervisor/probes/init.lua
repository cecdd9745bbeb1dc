--- Probes: is a service ready, is it healthy? Each belongs to one service, and fires "ready" or "unhealthy" there.

local command = require "reaper.supervisor.probes.command"
local health = require "reaper.supervisor.probes.health"
local readiness = require "reaper.supervisor.probes.readiness"

return { kill = command.kill, readiness = readiness, watch_health = health }
