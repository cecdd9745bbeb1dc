--- Statuses for ends that the kernel does not report.

local core = require "reaper.core"

local status = {}

local NOT_FOUND, NOT_EXECUTABLE = 127, 126
local ENOENT, ENOTDIR = 2, 20

--- The status of what nobody has seen end.
status.unknown = setmetatable({ kind = "unknown", ok = false, core = false, exit_code = 255 }, {
  __tostring = function()
    return "unknown"
  end,
})

--- A start that came to no process, as an end with the code that a shell would give (spawn_exit_code in
-- src/common/spawn.c).
function status.not_started(errno)
  return core.status(((errno == ENOENT or errno == ENOTDIR) and NOT_FOUND or NOT_EXECUTABLE) << 8)
end

return status
