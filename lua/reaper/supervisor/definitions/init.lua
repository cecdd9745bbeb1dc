--- What supervisor.run is given: checked, with defaults, in the order of the starts.

local check = require "reaper.runtime.check"
local in_order = require "reaper.supervisor.definitions.order"
local main = require "reaper.supervisor.definitions.main"
local process = require "reaper.process"
local service = require "reaper.supervisor.definitions.service"
local values = require "reaper.supervisor.definitions.values"

local WHERE = values.WHERE

local definitions = {}

local strategies = { one_for_one = "one_for_one", one_for_all = "one_for_all", rest_for_one = "rest_for_one" }

-- The services, and what the list says of COMMAND, or nil.
local function read_list(given)
  local shared = service.read_defaults(given.defaults)
  local list, of_main = {}, nil
  for i = 1, #given do
    if type(given[i]) == "table" and given[i].main ~= nil then
      of_main = main.read(i, given[i], of_main)
    else
      list[#list + 1] = service.read(i, given[i], shared)
    end
  end
  if #list == 0 then
    check.refuse(WHERE, "services", "at least one service expected")
  end
  return list, of_main
end

-- One process at a time has the foreground of a terminal, and reads what is typed.
local function check_terminal(list)
  local owner
  for _, spec in ipairs(list) do
    local name = spec.name .. ".terminal"
    if spec.terminal and process.main then
      check.refuse(WHERE, name, "COMMAND has the terminal; without COMMAND a service can have it")
    elseif spec.terminal and owner then
      check.refuse(WHERE, name, ("'%s' has the terminal; one service can have it"):format(owner))
    end
    owner = spec.terminal and spec.name or owner
  end
end

--- Checks all of it; raises for what is wrong.
-- @return { strategy =, intensity =, period =, main =, [1…] = services in the order of their starts }
function definitions.read(given)
  check.type(WHERE, "services", given, "table")
  check.keys(WHERE, given, { "strategy", "intensity", "period", "defaults" }, true)
  local list, of_main = read_list(given)
  check_terminal(list)
  local group = in_order(list)
  group.main = main.complete(of_main, group)
  group.strategy = check.choose(WHERE, "strategy", given.strategy == nil and "one_for_one" or given.strategy,
    strategies)
  group.intensity = given.intensity ~= nil and check.integer(WHERE, "intensity", given.intensity, 0, 1000) or nil
  group.period = values.seconds("period", given.period, 5, true)
  return group
end

return definitions
