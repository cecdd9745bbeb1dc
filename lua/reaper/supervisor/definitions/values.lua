--- Checks that the definitions of services share. What is wrong raises an error that names the service, the key and
-- what would be right.

local check = require "reaper.runtime.check"

local values = {}

--- The function that the messages name.
values.WHERE = "supervisor.run"

--- A table with known keys.
function values.table(name, value, known)
  check.type(values.WHERE, name, value, "table")
  check.keys(values.WHERE .. " " .. name, value, known)
  return value
end

--- A number of seconds, or the default for nil.
function values.seconds(name, value, default, infinite)
  if value == math.huge and not infinite then
    check.refuse(values.WHERE, name, "an infinite time would never come; a number of seconds expected")
  end
  return check.seconds(values.WHERE, name, value == nil and default or value, infinite)
end

--- The same where 0 would end at once what has just begun.
function values.positive_seconds(name, value, default, infinite)
  if value == 0 then
    check.refuse(values.WHERE, name, "more than 0 seconds expected")
  end
  return values.seconds(name, value, default, infinite)
end

--- A list: a table whose only keys are 1, 2, …; `more` are others that it may have, too.
function values.list(name, value, more)
  check.type(values.WHERE, name, value, "table")
  check.keys(values.WHERE .. " " .. name, value, more or {}, true)
  return value
end

--- A fresh list of names of services; an empty one for nil.
function values.names(name, value)
  local names = {}
  for i = 1, #(value == nil and {} or values.list(name, value)) do
    names[i] = check.type(values.WHERE, ("%s[%d]"):format(name, i), value[i], "string")
  end
  return names
end

--- The words of a command, as a fresh list. `more` are keys that may stand beside the words.
function values.command(name, value, more)
  values.list(name, value, more)
  local words = {}
  for i = 1, #value do
    words[i] = check.text(values.WHERE, ("%s[%d]"):format(name, i),
      math.type(value[i]) and tostring(value[i]) or value[i])
  end
  if #words == 0 then
    check.refuse(values.WHERE, name, "it has no words; { \"command\", \"argument\", … } expected")
  elseif words[1] == "" then
    check.refuse(values.WHERE, name .. "[1]", "it is empty; the name or the path of a program expected")
  end
  return words
end

--- A copy of tables down to the depth: a script may change its tables later, and what was checked counts.
function values.copy(value, depth)
  if type(value) ~= "table" or depth == 0 then
    return value
  end
  local fresh = {}
  for key, inner in pairs(value) do
    fresh[key] = values.copy(inner, depth - 1)
  end
  return fresh
end

return values
