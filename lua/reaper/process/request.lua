--- The table that reaper.spawn and reaper.run take: its keys, checked, and what the kernel is asked for.

local core = require "reaper.core"
local check = require "reaper.runtime.check"

local request = {}

local spawn_keys = {
  "name", "env", "clear_env", "cwd", "user", "group", "umask", "nice", "rlimit", "oom_score_adj", "session", "fds",
  "stdin", "stdout", "stderr",
}

local limit_names = {}
for name in pairs(core.limits) do
  limit_names[#limit_names + 1] = name
end
table.sort(limit_names)

local function read_words(where, spec)
  local argv = {}
  for i = 1, #spec do
    local word = spec[i]
    if math.type(word) == "integer" then
      word = tostring(word)
    end
    argv[i] = check.text(where, ("[%d]"):format(i), word)
  end
  if #argv == 0 then
    check.fail(where, "[1]", "a command")
  end
  return argv
end

local function add_variables(where, variables, env)
  for name, value in pairs(env) do
    variables[name] = check.variable(where, name, value) or nil
  end
end

-- Socket activation and the watchdog are meant for COMMAND, and REAPER_NAME would be a parent's.
local not_inherited = { "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_USEC", "REAPER_NAME" }

-- The environment as "NAME=value", in the order of the names.
local function read_env(where, spec)
  local variables = {}
  if not spec.clear_env then
    for _, line in ipairs(core.environment()) do
      local name, value = line:match("^([^=]+)=(.*)$")
      if name then
        variables[name] = value
      end
    end
    for _, name in ipairs(not_inherited) do
      variables[name] = nil
    end
    for _, name in ipairs(core.process_variables) do
      variables[name] = nil
    end
  end
  if spec.user ~= nil then
    local name, home = core.find_user(spec.user)
    if name then
      variables.HOME = home
      variables.USER, variables.LOGNAME = name ~= "" and name or nil, name ~= "" and name or nil
    end
  end
  if spec.env ~= nil then
    add_variables(where, variables, check.type(where, "env", spec.env, "table"))
  end
  variables.REAPER_NAME = spec.name
  local list = {}
  for name, value in pairs(variables) do
    list[#list + 1] = name .. "=" .. value
  end
  table.sort(list)
  return list
end

local function read_limit(where, name, value)
  local soft, hard = value, value
  if type(value) == "table" then
    soft, hard = value[1], value[2]
  end
  local function amount(given)
    if given == math.huge then
      return -1
    end
    return check.integer(where, "rlimit." .. name, given, 0, math.maxinteger)
  end
  return amount(soft), amount(hard)
end

local function read_limits(where, rlimit)
  local flat = {}
  if rlimit == nil then
    return flat
  end
  check.type(where, "rlimit", rlimit, "table")
  check.keys(where .. " rlimit", rlimit, limit_names, false)
  for name, value in pairs(rlimit) do
    local soft, hard = read_limit(where, name, value)
    table.move({ core.limits[name], soft, hard }, 1, 3, #flat + 1, flat)
  end
  return flat
end

-- A number names a user or a group, too.
local function id_text(value)
  return math.type(value) == "integer" and tostring(value) or value
end

--- Checks the keys and the plain values of a spawn table; `extra` are further keys.
-- @return a copy of it
function request.check(where, given, extra)
  check.type(where, "options", given, "table")
  local known = table.move(spawn_keys, 1, #spawn_keys, 1, {})
  table.move(extra, 1, #extra, #known + 1, known)
  check.keys(where, given, known, true)
  local spec = {}
  for key, value in pairs(given) do
    spec[key] = value
  end
  spec.user, spec.group = id_text(spec.user), id_text(spec.group)
  for _, key in ipairs { "name", "cwd", "user", "group" } do
    if spec[key] ~= nil then
      check.text(where, key, spec[key])
    end
  end
  if spec.name and (#spec.name == 0 or #spec.name >= core.NAME_SIZE) then
    check.refuse(where, "name", ("1 to %d bytes expected"):format(core.NAME_SIZE - 1))
  end
  for _, key in ipairs { "session", "clear_env", "capture" } do
    if spec[key] ~= nil then
      check.type(where, key, spec[key], "boolean")
    end
  end
  return spec
end

local function optional_integer(where, spec, key, least, most)
  return spec[key] ~= nil and check.integer(where, key, spec[key], least, most) or nil
end

--- What core.spawn takes, without descriptors. Raises for wrong values.
function request.make(where, spec)
  return {
    argv = read_words(where, spec),
    env = read_env(where, spec),
    limits = read_limits(where, spec.rlimit),
    name = spec.name,
    cwd = spec.cwd,
    user = spec.user,
    group = spec.group,
    umask = optional_integer(where, spec, "umask", 0, 511),
    nice = optional_integer(where, spec, "nice", -20, 19),
    oom_score_adj = optional_integer(where, spec, "oom_score_adj", -1000, 1000),
    session = spec.session and 1 or 0,
  }
end

return request
