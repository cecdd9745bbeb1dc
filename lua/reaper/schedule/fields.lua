--- The text of a schedule: the five fields of crontab(5), or a word with an "@".
--
-- What is taken is what cronie takes, but for what crons read in different ways, or take without doing what it seems to
-- say:
--
--   5/15     is refused, as in cronie; other crons take it for 5, or for 5-59/15
--   fri-mon  is refused; other crons refuse it, or never fire. But a range may end with Sunday (fri-sun, 5-0), and
--            begin with it as 7
--   */90     is refused: a step is at most the field's greatest value. cronie warns
--   5~15     is refused; in cronie it is a random number
--   @every   is refused: a number of seconds says that

local check = require "reaper.runtime.check"

local fields = {}

local LONGEST = 1000 -- bytes of a text; every minute in a list takes 170
local SHOWN = 40 -- bytes of a wrong part in a message

local function numbers_of(words, first)
  local numbers = {}
  for word in words:gmatch "%a+" do
    numbers[word] = first
    first = first + 1
  end
  return numbers
end

local layout = {
  { key = "minute", name = "minute", low = 0, high = 59 },
  { key = "hour", name = "hour", low = 0, high = 23 },
  { key = "day", name = "day-of-month", low = 1, high = 31 },
  { key = "month", name = "month", low = 1, high = 12, first = "jan", last = "dec",
    names = numbers_of("jan feb mar apr may jun jul aug sep oct nov dec", 1) },
  { key = "weekday", name = "day-of-week", low = 0, high = 7, first = "sun", last = "sat",
    names = numbers_of("sun mon tue wed thu fri sat", 0) },
}

local words = {
  ["@hourly"] = "0 * * * *",
  ["@daily"] = "0 0 * * *",
  ["@midnight"] = "0 0 * * *",
  ["@weekly"] = "0 0 * * 0",
  ["@monthly"] = "0 0 1 * *",
  ["@yearly"] = "0 0 1 1 *",
  ["@annually"] = "0 0 1 1 *",
}

local known_words = { "@reboot" }
for word in pairs(words) do
  known_words[#known_words + 1] = word
end
table.sort(known_words)

local function shown(part)
  part = part:gsub("\t", " ")
  return #part > SHOWN and part:sub(1, SHOWN) .. "…" or part
end

-- nil, and a message that names the field, the wrong part and what would be right.
local function wrong(field, part, why, ...)
  return nil, ("%s: \"%s\" %s"):format(field.name, shown(part), why:format(...))
end

-- "; did you mean 'mon'?" for Monday.
local function name_hint(field, word)
  local short = word:lower():sub(1, 3)
  return field.names and field.names[short] and ("; did you mean '%s'?"):format(short) or ""
end

-- A number or a name of the field, which stands in `part`; or nil, message.
local function read_value(field, part, word)
  local number = word:find "^%d+$" and tonumber(word) or field.names and field.names[word:lower()]
  if number and number >= field.low and number <= field.high then
    return math.tointeger(number)
  end
  return wrong(field, part, "%sis not a number from %d to %d%s%s", word ~= part and ("has \"%s\", which "):format(
    shown(word)) or "", field.low, field.high, field.names and (" or a name from %s to %s"):format(field.first,
    field.last) or "", name_hint(field, word))
end

-- For "22-6": that 22-23,0-6 would be right.
local function backwards(field, part, from, to)
  local named = from:find "%a"
  return wrong(field, part, "goes backwards; two ranges such as \"%s-%s,%s-%s\" would be right", shown(from),
    named and field.last or field.names == nil and field.high or field.names[field.last],
    named and field.first or field.low, shown(to))
end

-- The first and last value of "*", "3" or "1-5"; or nil, message.
local function read_range(field, part, range)
  if range == "*" then
    return field.low, field.high
  end
  local from, to = range:match "^([^-]*)%-(.*)$"
  local first, why = read_value(field, part, from or range)
  local last = first
  if first and to then
    last, why = read_value(field, part, to)
  end
  if not (first and last) then
    return nil, why
  end
  if field.key == "weekday" and to then -- Sunday is 0 and 7
    first = first == 7 and last < 7 and 0 or first
    last = last == 0 and first > 0 and 7 or last
  end
  if first > last then
    return backwards(field, part, from, to)
  end
  return first, last
end

local function read_step(field, part, range, step)
  local number = step:find "^%d+$" and tonumber(step)
  if not number or number < 1 or number > field.high then
    return wrong(field, part, "has a step that is not a number from 1 to %d", field.high)
  elseif range ~= "*" and not range:find("-", 1, true) then
    return wrong(field, part, "has a step but no range; \"%s-%d/%d\" would be right", shown(range), field.high, number)
  end
  return math.tointeger(number)
end

-- Adds what one part of the list means to the set. True; or nil, message.
local function read_part(field, part, set)
  local range, step = part:match "^([^/]*)/(.*)$"
  local first, last = read_range(field, part, range or part)
  if not first then
    return nil, last
  end
  local every, why = 1, nil
  if step then
    every, why = read_step(field, part, range, step)
  end
  if not every then
    return nil, why
  end
  for value = first, last, every do
    set[field.key == "weekday" and value % 7 or value] = true
  end
  return true
end

-- The values of a field as a set; or nil, message.
local function read_field(field, text)
  if text:find "^," or text:find ",$" or text:find(",,", 1, true) then
    return wrong(field, text, "has an empty part; a number, a range or * is to stand beside each comma")
  end
  local set = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local ok, why = read_part(field, part, set)
    if not ok then
      return nil, why
    end
  end
  return set
end

local function starred(text)
  return text:sub(1, 1) == "*"
end

local function read_five(texts)
  local found = {
    either = not (starred(texts[3]) or starred(texts[5])),
    real_time = starred(texts[1]) or starred(texts[2]),
  }
  for i, field in ipairs(layout) do
    local set, why = read_field(field, texts[i])
    if not set then
      return nil, why
    end
    found[field.key] = set
  end
  return found
end

local function read_word(word)
  if word:lower() == "@reboot" then
    return { at_start = true }
  elseif words[word:lower()] then
    return fields.read(words[word:lower()])
  elseif word:lower() == "@every" then
    return nil, "\"@every\" is not taken; a number of seconds in place of the text would be right, such as 300"
  end
  return nil, ("\"%s\" is none of %s%s"):format(shown(word), table.concat(known_words, ", "),
    check.hint(word:lower(), known_words))
end

-- What makes a text unfit to be looked at, or nil.
local function unfit(text)
  local byte = text:match "[^\t\x20-\x7e]"
  if #text > LONGEST then
    return ("it has %d bytes; at most %d expected"):format(#text, LONGEST)
  elseif byte then
    return ("it has a byte 0x%02x; letters, digits, spaces and * , - / @ expected"):format(byte:byte())
  end
end

--- What a text means: sets `minute`, `hour`, `day`, `month` and `weekday` (0 is Sunday); `either`: the day of the month
-- or that of the week suffices; `real_time`: the minute or the hour begins with "*". For @reboot only `at_start`.
-- Gives nil, message for a malformed text.
function fields.read(text)
  local why = unfit(text)
  if why then
    return nil, why
  end
  local texts = {}
  for word in text:gmatch "[^ \t]+" do
    texts[#texts + 1] = word
  end
  local word = texts[1] and texts[1]:sub(1, 1) == "@" and texts[1]
  if word and (#texts == 1 or word:lower() == "@every") then
    return read_word(word)
  elseif #texts ~= #layout then
    return nil, ("\"%s\" has %s; five expected: minute hour day-of-month month day-of-week"):format(shown(text),
      #texts == 1 and "1 field" or #texts .. " fields")
  end
  return read_five(texts)
end

return fields
