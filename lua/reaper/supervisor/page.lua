--- What reaperctl is shown of the services: rows in the script process's page (src/common/pages.h), and events.

local core = require "reaper.core"
local log = require "reaper.runtime.log"
local process = require "reaper.process"

local page = {}

-- A program that has loaded the library has no page.
local show_service = core.show_service or function() end
local show_services = core.show_services or function() end
local show_event = core.show_event or function() end
local open_ring = core.open_ring or function() end

local MOST_SERVICES, MOST_RINGS = 512, 64 -- PAGE_SERVICES and PAGE_RINGS of src/common/pages.h
local UNKNOWN = -2 -- PAGE_STATUS_UNKNOWN of src/common/pages.h

local function raw_status(status)
  return status and (status.raw or UNKNOWN) or nil
end

-- Where its output goes, in words; "" where that is reaper-lua's own.
local function output_of(spec)
  local to = spec.spawn.stdout
  if to == nil or to == "inherit" then
    return ""
  elseif type(to) == "string" then
    return to
  end
  return type(to) == "function" and "a function of the script" or "a file of the script"
end

local function row_of(service)
  return {
    name = service.name, state = service.state, detail = service.said or service.detail, since = service.since,
    pid = service.pid, leader = service.leader, status = raw_status(service.status),
    started_at = service:has_process() and service.past.started_at or nil,
    due_at = service.state == "backoff" and service.due or nil,
    next_run = service.calendar and service.state == "scheduled" and service.calendar:next_run() or nil,
    restarts = service.past.restarts, history = service.past.history, output = output_of(service.spec),
    ring = service.ring,
    autostart = service.spec.autostart and not service.calendar, ready = service:is_satisfied(),
    alive = service:is_alive(), done = service.is_done,
    fatal = service.state == "failed" and service.spec.when_failed == "exit",
  }
end

local function row_of_main(main)
  local status = main:status_table()
  return {
    name = "main", state = status.state, detail = status.detail, since = main.since, pid = status.pid,
    leader = process.main.pid, started_at = status.pid and main.since or nil, restarts = 0,
    status = raw_status(status.status), is_main = true, autostart = true, ready = main:is_satisfied(),
    alive = main:is_alive(), done = status.state == "finished", fatal = status.state == "failed",
  }
end

local function index_of(group, service)
  for i, other in ipairs(group) do
    if other == service then
      return i
    end
  end
end

--- The service, or COMMAND, is shown as it is now.
function page.show(group, service)
  if service == group.main then
    return show_service(#group + 1, row_of_main(service))
  end
  local index = index_of(group, service)
  if index then
    show_service(index, row_of(service))
  end
end

-- Those with log = true get rings for their lines, or go on with those that they had. A service that could get none is
-- told of once.
local function open_rings(group)
  local names, without = {}, {}
  for _, service in ipairs(group) do
    names[service.name] = service.spec.log or nil
  end
  for _, service in ipairs(group) do
    local ring = nil
    if service.spec.log then
      ring = open_ring(service.name, names)
      without[#without + 1] = ring == false and service.name or nil
    end
    service.ring = ring or nil
  end
  if without[1] and without[1] ~= group.without_ring then
    group.without_ring = without[1]
    log("warning", ("log: %d services at most keep their last lines; reaperctl logs has none of %s"):format(MOST_RINGS,
      table.concat(without, ", ")))
  end
end

-- Those for which the page has no room are told of once.
local function tell_of_hidden(group)
  if #group > MOST_SERVICES and not group.has_told_of_hidden then
    group.has_told_of_hidden = true
    log("warning", ("%d services at most are shown to reaperctl, which takes no orders for the other %d"):format(
      MOST_SERVICES, #group - MOST_SERVICES))
  end
end

--- All are shown.
function page.show_all(group)
  open_rings(group)
  tell_of_hidden(group)
  show_services(#group + (group.main and 1 or 0))
  for _, service in ipairs(group) do
    page.show(group, service)
  end
  if group.main then
    page.show(group, group.main)
  end
end

--- A state of a service, or of one that the script does not have any more, is told to those who follow the events.
function page.tell(name, state, detail)
  show_event("service", name, state, detail and tostring(detail))
end

return page
