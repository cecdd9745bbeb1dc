--- What the next script process has to know of the services, should this one be lost or replaced.

local page = require "reaper.supervisor.page"
local phase = require "reaper.supervisor.phase"
local store = require "reaper.runtime.store"

local memory = {}

local function key_of(name)
  return "service " .. name
end

local function of_group(group)
  local restart_set = {}
  for service, what in pairs(group.restart_set) do
    restart_set[service.name] = what
  end
  return {
    is_ending = phase.is_ending(group), code = group.code, times = group.times, excess = group.excess,
    has_begun = group.has_begun, restart_set = restart_set,
  }
end

--- Saves what has changed: something of the group, and the service, if one is given, which is shown so, too.
function memory.save(group, service)
  if service then
    page.show(group, service)
  end
  if not phase.has_started(group) then
    return
  end
  group.has_begun = group.has_begun or service ~= nil
  local values = { supervisor = of_group(group) }
  if service then
    values[key_of(service.name)] = service:memory()
  end
  store.set(values)
end

--- Saves all, also the names of the services.
function memory.save_all(group)
  local names = {}
  local values = { services = names, supervisor = of_group(group) }
  for _, service in ipairs(group) do
    names[#names + 1] = service.name
    values[key_of(service.name)] = service:memory()
  end
  for name, remains in pairs(group.removed) do
    names[#names + 1] = name
    values[key_of(name)] = remains.known
  end
  store.set(values)
  page.show_all(group)
end

--- Saves what is known of a service that the script does not have any more.
function memory.save_removed(name, known)
  store.set { [key_of(name)] = known }
end

--- Forgets a service that the script does not have any more.
function memory.forget(name)
  store.set { [key_of(name)] = false }
end

--- What an earlier script process has saved: of the group, and `services` by their names; or nil.
function memory.recall()
  local saved = store.get "supervisor"
  if saved then
    saved.services = {}
    for _, name in ipairs(store.get "services") do
      saved.services[name] = store.get(key_of(name)) or nil
    end
  end
  return saved
end

return memory
