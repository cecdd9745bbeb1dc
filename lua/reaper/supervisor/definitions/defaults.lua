--- The table `defaults`: keys of services that hold for all that do not have them.

local check = require "reaper.runtime.check"
local values = require "reaper.supervisor.definitions.values"

local defaults = {}

-- What belongs to one service alone.
local not_shared = { name = true, command = true, after = true, schedule = true, fds = true, terminal = true }

-- Of these tables a service's own keys stand beside those of the defaults; other tables take the place of the default.
local merged = { env = true, rlimit = true, stop = true }

-- ---- Checks. ----

-- The values as one service would have them whose kind they all fit.
local function as_service(given)
  local spec = values.copy(given, 1)
  spec.command = { "true" }
  if spec.timezone ~= nil or spec.overlap ~= nil then
    spec.schedule, spec.oneshot = "@daily", nil
  end
  if spec.watchdog ~= nil and spec.ready == nil then
    spec.ready = { notify = true }
  end
  return spec
end

--- Checks the table, so that what is wrong in it is said of it, and not of the first service that it holds for.
-- `known` are the keys of services; read(name, spec) checks those of one, and raises for what is wrong.
function defaults.read(given, known, read)
  if given == nil then
    return {}
  end
  check.type(values.WHERE, "defaults", given, "table")
  local shared = {}
  for _, key in ipairs(known) do
    if not not_shared[key] then
      shared[#shared + 1] = key
    elseif given[key] ~= nil then
      check.refuse(values.WHERE, "defaults." .. key, "it belongs to one service alone, and cannot be a default")
    end
  end
  values.table("defaults", given, shared)
  if given.oneshot ~= nil then
    check.type(values.WHERE, "defaults.oneshot", given.oneshot, "boolean")
  end
  read("defaults", as_service(given))
  return given
end

-- ---- For one service. ----

-- Defaults that are meant for one kind of service only, and that mean nothing for others: they are passed by.
local of_kind = {
  restart = "lasting", backoff = "lasting", ready = "lasting", health = "lasting", watchdog = "lasting",
  timeout = "one-shot", timezone = "scheduled", overlap = "scheduled",
}

local function is_meant(key, spec, is_oneshot)
  local kind, is_scheduled = of_kind[key], spec.schedule ~= nil
  if key == "oneshot" then
    return not is_scheduled
  elseif kind == "lasting" then
    return not is_oneshot and not is_scheduled
  elseif kind == "one-shot" then
    return is_oneshot or is_scheduled
  end
  return kind == nil or is_scheduled
end

local function merge(own, default)
  local found = values.copy(own, 1)
  for key, value in pairs(default) do
    if found[key] == nil then
      found[key] = value
    end
  end
  return found
end

--- A copy of the keys of a service, with those of the defaults that hold for it.
function defaults.apply(spec, given)
  local found = values.copy(spec, 1)
  local is_oneshot = spec.oneshot
  if is_oneshot == nil then
    is_oneshot = given.oneshot
  end
  for key, value in pairs(given) do
    if found[key] == nil and is_meant(key, spec, is_oneshot) then
      found[key] = value
    elseif merged[key] and type(found[key]) == "table" then
      found[key] = merge(found[key], value)
    end
  end
  return found
end

return defaults
