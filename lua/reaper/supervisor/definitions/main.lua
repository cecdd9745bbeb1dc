--- COMMAND beside services: when it is started.

local check = require "reaper.runtime.check"
local process = require "reaper.process"
local values = require "reaper.supervisor.definitions.values"

local WHERE = values.WHERE

local main = {}

--- Reads the entry { main = true, after = { … } }. `before` is an earlier one, or nil.
function main.read(index, given, before)
  local where = ("[%d]"):format(index)
  check.keys(("%s %s"):format(WHERE, where), given, { "main", "after" })
  if check.type(WHERE, where .. ".main", given.main, "boolean") == false then
    check.refuse(WHERE, where .. ".main", "true expected")
  elseif before then
    check.refuse(WHERE, where .. ".main", "COMMAND stands in the list already")
  elseif not process.main then
    check.refuse(WHERE, where .. ".main", "there is no COMMAND; reaper-lua SCRIPT -- COMMAND expected")
  end
  return { after = given.after ~= nil and values.names(where .. ".after", given.after) or nil }
end

-- Those that start by themselves and stay, or end well.
local function those_that_start(group)
  local names = {}
  for _, spec in ipairs(group) do
    if spec.autostart and not spec.schedule then
      names[#names + 1] = spec.name
    end
  end
  return names
end

--- What holds for COMMAND: { after = names, is_default = whether the list does not say it }; nil without a COMMAND.
function main.complete(found, group)
  if not process.main then
    return nil
  elseif not found or not found.after then
    return { after = those_that_start(group), is_default = true }
  end
  local names = {}
  for _, spec in ipairs(group) do
    names[#names + 1], names[spec.name] = spec.name, spec
  end
  for _, name in ipairs(found.after) do
    if not names[name] then
      check.raise(("%s: COMMAND is to start after '%s', which is no service%s"):format(WHERE, name,
        check.hint(name, names)))
    elseif names[name].schedule then
      check.raise(("%s: COMMAND is to start after '%s', which runs by a schedule and is never ready"):format(WHERE,
        name))
    end
  end
  return found
end

return main
