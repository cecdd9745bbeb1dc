-- Starts COMMAND again when it fails: at most five times, after a pause that doubles.
local failures, stopping = 0, false

function on_signal(name)
  stopping = stopping or name == "SIGTERM" or name == "SIGINT"
end

function on_reap(_, status, _, info)
  if not info.main or status.ok or stopping or failures == 5 then
    return -- the default: reaper-lua stops, with the exit code of COMMAND
  end
  failures = failures + 1
  reaper.log("warning", "COMMAND failed: " .. tostring(status), { failures = failures })
  reaper.sleep(0.1 * 2 ^ failures)
  reaper.main:start()
end
