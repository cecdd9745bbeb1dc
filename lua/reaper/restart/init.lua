--- The module reaper.restart: restart policies, made of builders or named after other systems.

local restart = require "reaper.restart.policies"
require "reaper.restart.presets"

return restart
