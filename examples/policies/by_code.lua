-- What the exit code means decides, and somebody is told when it is over:  reaper-lua by_code.lua
-- ./work is the service; ./alert gets its name and what happened, and may take its time.
local restart = require "reaper.restart"
local supervisor = require "reaper.supervisor"

supervisor.run {
  { name = "work", command = { "./work" },
    restart = restart.by_code {
      [0] = restart.never, -- it is done
      [75] = 30, -- EX_TEMPFAIL of sysexits.h: what it needs is away, try again in 30 s
      [78] = restart.never, -- EX_CONFIG: the same would happen again
      SIGKILL = restart.backoff { initial = 1, max = 60 }, -- perhaps out of memory: give the machine time
      default = restart.limit("on-failure", { max = 5, window = 60 }),
    } },
}

function on_service(name, state, detail)
  if state == "failed" then -- the container ends when this has returned
    local status, message = reaper.run { "./alert", name, detail }
    reaper.log(status and status.ok and "info" or "error", "alert: " .. tostring(status or message))
  end
end
