---@meta reaper.supervisor

-- Types of the module reaper.supervisor; see types/reaper.lua.
-- luacheck: ignore 111 112 113 131 211 212 241 631

-- ## Services
--
-- `local supervisor = require "reaper.supervisor"`. Each change of a state is told to `on_service`.

---When a service counts as started: exactly one of the first five keys.
---@class reaper.ready
---@field notify? boolean READY=1 on $NOTIFY_SOCKET (sd_notify(3))
---@field fd? integer a newline on this descriptor (s6)
---@field exec? string[] a command that exits 0
---@field line? string a Lua pattern that a line of its output matches; needs one that is "inherit" or a function
---@field delay? number it has lived for so many seconds
---@field interval? number seconds between two tries of `exec`; default 1
---@field timeout? number not ready within so many seconds is a failed start; default 60, with `delay` none

---As Docker's HEALTHCHECK. An unhealthy service is stopped and restarted by its policy, as a failure.
---@class reaper.health
---@field exec string[] a command that exits 0 when it is healthy
---@field interval? number seconds from the start, and from one end of it to the next time; default 30
---@field timeout? number seconds that it may take; default 30
---@field retries? integer failures in a row that are too many; default 3
---@field start_period? number failures within so many seconds of the start do not count until one was none; default 0

---How a service is stopped.
---@class reaper.service_stop
---@field signal? reaper.signal default TERM
---@field grace? number seconds before KILL; default 5

---One service. All keys of `reaper.spawn` but the words of the command may stand beside these.
---@class reaper.service
---@field name string 1 to 50 bytes without a slash
---@field command string[] what to run
---@field after? string[] names of services that are to be ready before
---@field restart? reaper.restart_choice default "on-failure"
---@field backoff? reaper.backoff_options the delay; `restart` then only says whether
---@field stop? reaper.service_stop how it is stopped
---@field ready? reaper.ready default: at once
---@field health? reaper.health default: never asked
---@field when_failed? "exit"|"ignore" when it fails for good: the container ends with its exit code (default), or not
---@field autostart? boolean false: it waits for `supervisor.start`; default true

---The services, and what holds for all.
---@class reaper.services
---@field [integer] reaper.service in the order of their starts, as far as `after` leaves it open
---@field strategy? "one_for_one"|"one_for_all"|"rest_for_one" who is restarted together (OTP, stdlib, supervisor)
---@field intensity? integer more restarts than this within the period: give up; default: no limit (OTP: 1)
---@field period? number seconds; default 5

---What is known of a service.
---@class reaper.service_status
---@field name string of the service
---@field state reaper.service_state now
---@field since number seconds ago
---@field pid? integer while it has a process
---@field restarts integer so far
---@field status? reaper.status of its last end; exit code 127 or 126 where it could not be started
---@field detail? string why, as `on_service` was told: the reason of the last end, or its status

---The module.
---@class reaper.supervisor
local supervisor = {}

---Supervises services from the start of the container on. To be called once, while the script is loaded or in
---on_start. Whatever begins the stop (TERM, INT, QUIT, `reaper.exit`, os.exit, the end of COMMAND): COMMAND is stopped
---first, within the container's grace; then the services, those that others need after these, each by its own
---signal and within its own grace; nothing is started any more; then on_stop comes, and all else is stopped. A second
---TERM or INT kills. The exit code is that of COMMAND or of `reaper.exit`, else 0. When all services have finished, the
---container ends with 0. A script that cannot stop its services (it is lost six times, or says nothing for 10 s longer
---than its services may take) leaves that to the engine, which stops all at once. So does a Lua program that ends
---without `reaper.exit`.
---@param services reaper.services what to run
function supervisor.run(services) end

---Starts a service that has finished or failed, or was not started yet. Gives nil, message when it is up, or when all are
---being stopped.
---@param name string of the service
---@return boolean? done
---@return string? message
function supervisor.start(name) end

---Stops a service, which stays so. Does not wait. Gives nil, message when it is down.
---@param name string of the service
---@return boolean? done
---@return string? message
function supervisor.stop(name) end

---Stops a service and starts it again, whatever its restart policy says. Does not wait. Gives nil, message when all are
---being stopped.
---@param name string of the service
---@return boolean? done
---@return string? message
function supervisor.restart(name) end

---What is known of one service; without a name a list of all, in the order of their starts.
---@param name? string of the service
---@return reaper.service_status|reaper.service_status[] status
function supervisor.status(name) end

---Stops all services, dependants first, and then the container.
---@param code? integer the exit code; default 0
function supervisor.shutdown(code) end

return supervisor
