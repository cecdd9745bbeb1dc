--- Arguments of public functions: wrong ones raise, naming the argument and what was expected.

local core = require "reaper.core"

local check = {}

-- The type as Lua's own messages name it.
local function got(value)
  return value == nil and "no value" or math.type(value) == "float" and "number" or type(value)
end

--- Raises "bad argument 'name' to 'function' (expected, got …)" at the caller of the public function.
function check.fail(where, name, expected, value, level)
  error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(name, where, expected, got(value)), (level or 2) + 1)
end

function check.type(where, name, value, wanted, level)
  if type(value) ~= wanted then
    check.fail(where, name, wanted, value, (level or 2) + 1)
  end
  return value
end

--- A string without a zero byte, which no system call could take.
function check.text(where, name, value, level)
  check.type(where, name, value, "string", (level or 2) + 1)
  if value:find("\0", 1, true) then
    error(("bad argument '%s' to '%s' (it contains a zero byte)"):format(name, where), (level or 2) + 1)
  end
  return value
end

--- A number of seconds: not negative, not nan; infinite only where `infinite` says so.
function check.seconds(where, name, value, infinite)
  if type(value) ~= "number" then
    check.fail(where, name, "a number of seconds", value, 3)
  end
  if value ~= value or value < 0 or (value == math.huge and not infinite) then
    error(("bad argument '%s' to '%s' (%s is negative or no number of seconds)"):format(name, where, value), 3)
  end
  return value
end

function check.integer(where, name, value, least, most, level)
  local number = math.tointeger(value)
  if type(value) ~= "number" or not number or number < least or number > most then
    local expected = ("an integer from %d to %d"):format(least, most)
    if type(value) ~= "number" then
      check.fail(where, name, expected, value, (level or 2) + 1)
    end
    error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(name, where, expected, value), (level or 2) + 1)
  end
  return number
end

--- A signal by name or number; gives the number.
function check.signal(where, name, value, level)
  local number, message = core.signal(value)
  if not number or number == 0 then
    error(("bad argument '%s' to '%s' (%s)"):format(name, where, message or "0 is not a signal"), (level or 2) + 1)
  end
  return number
end

--- Raises for the first key of `t` that is not in the list; `positional`: a sequence may stand beside the keys.
function check.keys(where, t, known, positional, level)
  local set = {}
  for _, key in ipairs(known) do
    set[key] = true
  end
  for key in pairs(t) do
    if not set[key] and not (positional and math.type(key) == "integer" and key >= 1 and key <= #t) then
      local nearest = type(key) == "string" and core.nearest(key, known)
      local hint = nearest and ("; did you mean '%s'?"):format(nearest) or ""
      error(("unknown key '%s' in '%s'%s"):format(tostring(key), where, hint), (level or 2) + 1)
    end
  end
end

return check
