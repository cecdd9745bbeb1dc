--- The order in which the services are started.

local check = require "reaper.runtime.check"
local values = require "reaper.supervisor.definitions.values"

local WHERE = values.WHERE

local function by_name(list)
  local found, names = {}, {}
  for _, spec in ipairs(list) do
    if found[spec.name] then
      check.raise(("%s: there are two services '%s'"):format(WHERE, spec.name))
    end
    found[spec.name] = spec
    names[#names + 1] = spec.name
  end
  for _, spec in ipairs(list) do
    for _, other in ipairs(spec.after) do
      if not found[other] then
        check.raise(("%s: '%s' is to start after '%s', which is no service%s"):format(WHERE, spec.name, other,
          check.hint(other, names)))
      elseif found[other].schedule then
        check.raise(("%s: '%s' is to start after '%s', which runs by a schedule and is never ready"):format(WHERE,
          spec.name, other))
      end
    end
  end
  return found
end

-- The part of the path that goes round.
local function cycle_of(path)
  local first = 1
  while path[first] ~= path[#path] do
    first = first + 1
  end
  return table.concat(path, " after ", first)
end

--- The services in their own order, but each behind those that it comes after.
return function(list)
  local found = by_name(list)
  local ordered, marks, path = {}, {}, {}
  local function visit(spec)
    if marks[spec.name] == "done" then
      return
    end
    path[#path + 1] = spec.name
    if marks[spec.name] == "open" then
      check.raise(("%s: the services wait for each other: %s"):format(WHERE, cycle_of(path)))
    end
    marks[spec.name] = "open"
    for _, other in ipairs(spec.after) do
      visit(found[other])
    end
    marks[spec.name] = "done"
    path[#path] = nil
    ordered[#ordered + 1] = spec
  end
  for _, spec in ipairs(list) do
    visit(spec)
  end
  return ordered
end
