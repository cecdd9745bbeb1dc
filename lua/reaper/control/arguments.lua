--- The words of reaperctl's command line: options, which may stand anywhere before "--", and the rest.

local core = require "reaper.core"
local failure = require "reaper.control.failure"

local arguments = {}

--- Parsers of values: the value; or nil and what is expected.
function arguments.positive(text)
  local number = text:find "^%d+$" and math.tointeger(tonumber(text))
  if number and number > 0 and number <= 0x7fffffff then
    return number
  end
  return nil, "a positive number"
end

function arguments.natural(text)
  local number = text:find "^%d+$" and math.tointeger(tonumber(text))
  if number then
    return number
  end
  return nil, "a number from 0 on"
end

function arguments.seconds(text)
  if text:find "^%d+%.?%d*$" then
    return tonumber(text)
  end
  return nil, "seconds, such as 2.5"
end

local function name_of_letter(options, letter)
  for name, option in pairs(options) do
    if option.letter == letter then
      return name
    end
  end
  failure.usage(("there is no option -%s; --help lists them"):format(letter))
end

local function check_name(options, name)
  if options[name] then
    return
  end
  local names = {}
  for known in pairs(options) do
    names[#names + 1] = known
  end
  table.sort(names)
  local nearest = core.nearest(name, names)
  failure.usage(("there is no option --%s%s; --help lists them"):format(name,
    nearest and ("; did you mean --%s?"):format(nearest) or ""))
end

-- Puts the option into `given`. `value` is what is written behind it in the same word; else the next word is taken.
local function take(options, given, name, value, rest)
  local option = options[name]
  if not option.value then
    if value then
      failure.usage(("--%s takes no value"):format(name))
    end
    given[name] = true
    return
  end
  value = value or table.remove(rest, 1)
  if not value then
    failure.usage(("--%s needs a value: %s"):format(name, option.value))
  end
  given[name] = value
end

-- "-jp7" is -j and -p 7.
local function take_letters(options, given, letters, rest)
  while letters ~= "" do
    local name = name_of_letter(options, letters:sub(1, 1))
    letters = letters:sub(2)
    if options[name].value then
      return take(options, given, name, letters ~= "" and letters or nil, rest)
    end
    take(options, given, name, nil, rest)
  end
end

--- Reads the words. `options` has, by name: letter (or none), value (what it is called in messages; none: a flag) and
-- parse.
-- @return the values by name, as they were written, and the list of the words that are no options
function arguments.read(words, options)
  local given, others, rest = {}, {}, table.move(words, 1, #words, 1, {})
  while rest[1] do
    local word = table.remove(rest, 1)
    if word == "--" then
      table.move(rest, 1, #rest, #others + 1, others)
      break
    elseif word:find "^%-%-" then
      local name, value = word:match "^%-%-([^=]*)=?(.*)$"
      check_name(options, name)
      take(options, given, name, word:find("=", 1, true) and value or nil, rest)
    elseif word:find "^%-." then
      take_letters(options, given, word:sub(2), rest)
    else
      others[#others + 1] = word
    end
  end
  return given, others
end

--- Parses the values, in their place.
function arguments.parse(given, options)
  for name, value in pairs(given) do
    local parse = options[name].parse
    if parse then
      local parsed, expected = parse(value)
      if parsed == nil then
        failure.usage(("--%s %s: %s expected"):format(name, value, expected))
      end
      given[name] = parsed
    end
  end
end

return arguments
