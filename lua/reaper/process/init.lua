--- Processes, for the rest of the program: what their files offer, in one table.

local core = require "reaper.core"
local adopted = require "reaper.process.adopted"
local main = require "reaper.process.main"
local object = require "reaper.process.object"
local others = require "reaper.process.others"
local spawn = require "reaper.process.spawn"
local status = require "reaper.process.status"

local process = {
  spawn = spawn.child,
  spawn_service = spawn.service,
  run = spawn.run,

  kill = others.kill,
  all = others.processes,
  watch_other = others.watch,

  children = object.all,
  ended = object.ended,

  adopt = adopted.add,
  adopted_outputs = adopted.outputs_of,
  pass_outputs_on = adopted.pass_outputs_on,
  take_ready = adopted.take_ready,
  keep_ready = adopted.keep_ready,
  release_ready = adopted.release_ready,

  main = nil, -- reaper.main, once there is a COMMAND
  main_started = main.started,
  main_has_run = function()
    return main.has_run
  end,
  -- Of the last end of COMMAND: whether it was sent TERM, INT or QUIT before, and whether the stop had begun.
  main_was_asked = false,
  main_ended_in_stop = false,

  unknown = status.unknown,
  not_started = status.not_started,
}

local EPIPE, ENOTCONN = 32, 107

--- True when a start has failed with that errno since the engine does not listen any more: this script process has been
-- replaced.
function process.is_replaced(errno)
  return (errno == EPIPE or errno == ENOTCONN) and not core.request(core.ORDER_STATS)
end

--- There is a COMMAND.
function process.make_main()
  process.main = main.make()
end

return process
