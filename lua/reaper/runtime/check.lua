--- Arguments of public functions: wrong ones raise, naming the argument and what was expected.

local caller = require "reaper.runtime.caller"

local check = { raise = caller.raise }

-- Restart policies are plain Lua and load without reaper/core.so. This table then takes the place of it, and knows
-- signals as Linux numbers them everywhere but on MIPS, Alpha and SPARC.
local plain = {}

local signal_names = [[HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP
  TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS]]

function plain.signal(value)
  local word = tostring(value):upper():gsub("^SIG", "")
  local number = 0
  for name in signal_names:gmatch "%w+" do
    number = number + 1
    if name == word or value == number then
      return number
    end
  end
  local steps = math.tointeger(tonumber(word:match "^RTMIN%+(%d+)$"))
  if steps and steps <= 30 then
    return 34 + steps
  end
  return nil, ("\"%s\" is not a signal"):format(value)
end

function plain.nearest() end

local has_core, core = pcall(require, "reaper.core")
if not has_core then
  core = core:find("module 'reaper.core' not found", 1, true) and plain or error(core, 0)
end

-- The type as Lua's own messages name it.
local function got(value)
  return value == nil and "no value" or type(value)
end

--- Raises "bad argument 'name' to 'function' (why)".
function check.refuse(where, name, why)
  check.raise(("bad argument '%s' to '%s' (%s)"):format(name, where, why))
end

--- Raises "bad argument 'name' to 'function' (expected, got …)".
function check.fail(where, name, expected, value)
  check.refuse(where, name, ("%s expected, got %s"):format(expected, got(value)))
end

function check.type(where, name, value, wanted)
  if type(value) ~= wanted then
    check.fail(where, name, wanted, value)
  end
  return value
end

--- A string without a zero byte, which no system call could take.
function check.text(where, name, value)
  check.type(where, name, value, "string")
  if value:find("\0", 1, true) then
    check.refuse(where, name, "it contains a zero byte")
  end
  return value
end

--- A number of seconds: not negative, not nan; infinite only where `infinite` says so.
function check.seconds(where, name, value, infinite)
  if type(value) ~= "number" then
    check.fail(where, name, "a number of seconds", value)
  end
  if value ~= value or value < 0 or (value == math.huge and not infinite) then
    check.refuse(where, name, value .. " is negative or no number of seconds")
  end
  return value
end

--- A number from `least` to `most`.
function check.number(where, name, value, least, most)
  local expected = ("a number from %g to %g"):format(least, most)
  if type(value) ~= "number" then
    check.fail(where, name, expected, value)
  end
  if not (value >= least and value <= most) then
    check.refuse(where, name, ("%s expected, got %s"):format(expected, value))
  end
  return value
end

function check.integer(where, name, value, least, most)
  local expected = ("an integer from %d to %d"):format(least, most)
  if type(value) ~= "number" then
    check.fail(where, name, expected, value)
  end
  local number = math.tointeger(value)
  if not number or number < least or number > most then
    check.refuse(where, name, ("%s expected, got %s"):format(expected, value))
  end
  return number
end

--- A signal by name or number; gives the number.
function check.signal(where, name, value)
  local number, message = core.signal(value)
  if not number or number == 0 then
    check.refuse(where, name, number and "0 is not a signal" or message)
  end
  return number
end

--- A variable of an environment; gives its value as a text, or false for one that is to be taken away.
function check.variable(where, name, value)
  if type(name) ~= "string" then
    check.refuse(where, "env", ("NAME = value expected, such as { HOME = \"/\" }, got [%s] = %s"):format(name,
      type(value) == "string" and ("%q"):format(value) or tostring(value)))
  end
  check.text(where, "env", name)
  if name == "" or name:find("=", 1, true) then
    check.refuse(where, "env", ("'%s' is not a name of a variable"):format(name))
  end
  if type(value) == "number" then
    value = tostring(value)
  end
  return value ~= false and check.text(where, "env." .. name, value)
end

--- "; did you mean 'x'?" with the word of the list that was probably meant, or "".
function check.hint(word, known)
  local nearest = type(word) == "string" and core.nearest(word, known)
  return nearest and ("; did you mean '%s'?"):format(nearest) or ""
end

--- Raises for the first key of `t` that is not in the list; `positional`: a sequence may stand beside the keys.
function check.keys(where, t, known, positional)
  local set = {}
  for _, key in ipairs(known) do
    set[key] = true
  end
  for key in pairs(t) do
    if not set[key] and not (positional and math.type(key) == "integer" and key >= 1 and key <= #t) then
      check.raise(("unknown key '%s' in '%s'%s"):format(tostring(key), where, check.hint(key, known)))
    end
  end
end

--- A table of options with known keys; an empty one for nil.
function check.options(where, options, known)
  options = options == nil and {} or check.type(where, "options", options, "table")
  check.keys(where, options, known)
  return options
end

function check.optional_integer(where, options, key, least)
  return options[key] ~= nil and check.integer(where, key, options[key], least, math.maxinteger) or nil
end

function check.seconds_or(where, options, key, default)
  return check.seconds(where, key, options[key] == nil and default or options[key], true)
end

--- What stands for one of the words, or an error that names the nearest.
function check.choose(where, name, value, choices)
  local words = {}
  for word in pairs(choices) do
    words[#words + 1] = word
  end
  table.sort(words)
  if choices[check.type(where, name, value, "string")] == nil then
    check.refuse(where, name, ("\"%s\" is none of %s%s"):format(value, table.concat(words, ", "),
      check.hint(value, words)))
  end
  return choices[value]
end

return check
