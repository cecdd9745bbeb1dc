--- The engine's settings, as a table gives them: to reaper.configure and to reaper.start.

local core = require "reaper.core"
local check = require "reaper.runtime.check"

local settings = {}

-- What the value of a key may be; texts are read as the command line reads them.
local kinds = {
  grace = "seconds", hook_timeout = "seconds", script_timeout = "seconds",
  kill_group = "flag", leave_orphans = "flag", warn = "flag", quiet = "flag", verbose = "count",
  map_exit = "pairs", rewrite = "pairs",
  parent_death = "signal", hook_memory = "size", user = "text", log_format = "text", log_time = "flag",
  termination_log = "text",
  env = "variables",
}

local expected = {
  seconds = { "a number of seconds", number = true },
  flag = { "a boolean", boolean = true, string = true, number = true },
  count = { "a boolean or a number from 0 to 3", boolean = true, string = true, number = true },
  pairs = { "table", table = true }, variables = { "table", table = true },
  signal = { "a signal's name or number", string = true, number = true },
  size = { "a number of bytes or a text such as \"64M\"", string = true, number = true },
  text = { "a text", string = true, number = true },
}

settings.names = {}
for name in pairs(kinds) do
  settings.names[#settings.names + 1] = name
end
table.sort(settings.names)

local function text_of(where, key, value)
  if type(value) == "boolean" then
    return value and "1" or "0"
  elseif math.type(value) and math.tointeger(value) then
    return ("%d"):format(value)
  elseif type(value) == "number" then
    return ("%.9f"):format(value)
  end
  return check.type(where, key, value, "string")
end

-- Adds the pairs of a table as "from:to". Two names of one signal, or two forms of one code, raise: nobody could say
-- which of them would win.
local function add_pairs(where, key, value, list)
  local seen = {}
  for from, to in pairs(value) do
    if type(from) == "boolean" or to == true then
      check.refuse(where, key, "a signal or exit code expected on both sides, or false for 0; got true")
    end
    if key == "map_exit" and (type(from) == "string" or type(to) == "string") then
      check.refuse(where, key, ("exit codes are numbers, got \"%s\""):format(type(from) == "string" and from or to))
    end
    local left, right = text_of(where, key, from), text_of(where, key, to == false and 0 or to)
    local same = key == "rewrite" and core.signal(left) or left
    if seen[same] then
      check.refuse(where, key, ("'%s' and '%s' are one and the same"):format(seen[same], left))
    end
    seen[same] = left
    list[#list + 1] = { key, left .. ":" .. right }
  end
end

-- Adds each variable as "NAME=value", or "NAME" for one that is to be taken away, in the order of the names.
local function add_variables(where, key, value, list)
  local texts = {}
  for name, text in pairs(value) do
    text = check.variable(where, name, text)
    texts[#texts + 1] = text and name .. "=" .. text or name
  end
  table.sort(texts)
  for _, text in ipairs(texts) do
    list[#list + 1] = { key, text }
  end
end

--- The keys and texts of a table, as core.configure takes them. Raises for values of a wrong type.
-- @return { { key, text }, … } in the order of the keys; those of a key with pairs come one by one
function settings.texts(where, given)
  check.type(where, "settings", given, "table")
  local keys = {}
  for key in pairs(given) do
    keys[#keys + 1] = check.type(where, "key", key, "string")
  end
  table.sort(keys)
  local list = {}
  for _, key in ipairs(keys) do
    local value, kind = given[key], kinds[key]
    if not kind then
      check.refuse(where, key, select(2, core.check_setting(key, "")))
    elseif kind == "seconds" and type(value) == "string" then
      check.refuse(where, key, ("\"%s\" is not a number of seconds (a decimal that is not negative, such as 2.5), "
        .. "but a text"):format(value))
    elseif not expected[kind][type(value)] then
      check.fail(where, key, expected[kind][1], value)
    elseif kind == "pairs" then
      add_pairs(where, key, value, list)
    elseif kind == "variables" then
      add_variables(where, key, value, list)
    else
      list[#list + 1] = { key, text_of(where, key, value) }
    end
  end
  return list
end

-- What is COMMAND's only. Who sets a user without COMMAND expects that what the script starts has no rights, and it
-- would have all of them. With --check, COMMAND may come later.
local of_command = {
  user = function(text)
    return core.check_setting("user", text) and ("it is the user of COMMAND, and there is none; what the script starts "
      .. "has a user of its own: user = \"%s\" in the service, or in reaper.spawn"):format(text)
  end,
  env = function()
    return "it is the environment of COMMAND, and there is none; what the script starts has an env of its own, in the "
      .. "service or in reaper.spawn"
  end,
}

local function check_command(key, text)
  local why = of_command[key] and not core.has_command and not core.checking and of_command[key](text)
  if why then
    check.refuse("reaper.configure", key, why)
  end
end

local sizes, total = {}, 0 -- of the variables that were changed, by name

-- The engine keeps what was changed, so there is a limit.
local function change_variable(text)
  local name = text:match "^[^=]*"
  local size = #text + 1
  local new_total = total - (sizes[name] or 0) + size
  if new_total > core.VARIABLES_SIZE_MAX then
    check.refuse("reaper.configure", "env." .. name, ("all variables together are longer than %d bytes"):format(
      core.VARIABLES_SIZE_MAX))
  end
  sizes[name], total = size, new_total
  core.change_variable(text)
end

local function configure_one(key, text)
  check_command(key, text)
  if kinds[key] == "variables" then
    return change_variable(text)
  end
  local ok, why = core.configure(key, text)
  if not ok then
    check.refuse("reaper.configure", key, why)
  end
end

--- reaper.configure{ key = value, … }: the command line's settings, from the script or program. Raises for a wrong one;
-- what stands before it is in force. What the command line says itself has the last word.
function settings.configure(given)
  for _, setting in ipairs(settings.texts("reaper.configure", given)) do
    configure_one(setting[1], setting[2])
  end
end

return settings
