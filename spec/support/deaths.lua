-- Lua programs in which orphans die in a known order, and which count what they are told of it.

local container = require "spec.support.container"
local program = require "spec.support.program"

local deaths = {}

-- A storm is more than one read gives, more than one packet holds (178), and more than the socket takes from an engine
-- that nobody reads from (some 1,100): the rest waits in the engine's backlog.
deaths.storm = 2500

-- A program that has started the engine with these keys. `storm(n)` makes n orphans, of which the i-th exits with
-- i % 256, and returns when the last is dead; STORM is deaths.storm. `check(status)` counts those that come in that
-- order.
function deaths.program(keys, body)
  return ([[
    io.stdout:setvbuf "line"
    local reaper = require "reaper"
    local STORM <const>, seen, wrong = %d, 0, 0
    local function check(status)
      seen = seen + 1
      if status.kind ~= "exit" or status.code ~= seen %% 256 then wrong = wrong + 1 end
    end
    local function storm(count)
      assert(os.execute(("%s orphans %%d --sequence >{folder}/storm"):format(count)))
    end
    assert(reaper.start { enable_child_subreaper = true, %s })
    %s
  ]]):format(deaths.storm, container.helper, keys, body)
end

-- Runs one to its end: what it printed.
function deaths.printed(mode, keys, body)
  return program.printed(deaths.program(keys, body), { mode = mode })
end

return deaths
