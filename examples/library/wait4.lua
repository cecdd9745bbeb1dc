-- A program that wants no second process: it adopts the orphans below it and collects them in its own loop. Nothing
-- happens in the background then: no signal is forwarded, nothing is stopped at the end, and wait4(-1) takes the
-- status of any child, so it must not run while io.popen or os.execute wait for theirs.
--     lua5.4 examples/library/wait4.lua

local reaper = require "reaper"

assert(reaper.set_child_subreaper(true)) -- process 1 adopts them anyway

for code = 1, 3 do
  os.execute(("(sleep 0.%d; exit %d) & exit 0"):format(code, code))
end

repeat
  -- The program's own work; here it has none.
  reaper.sleep(0.05)
  local pid, status = reaper.wait4(-1, reaper.WNOHANG) -- 0 when none has ended, nil when there is no child
  if pid and pid > 0 then
    print("reaped", pid, status)
  end
until not pid
