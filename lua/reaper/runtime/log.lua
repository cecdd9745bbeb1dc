--- Lines on stderr, as text or JSON (--log-format): our own, and those of reaper.log(level, message[, fields]).

local core = require "reaper.core"
local check = require "reaper.runtime.check"
local output = require "reaper.runtime.output"

-- log(level, message[, fields]) is for our own messages: one line each, whatever the names in them hold.
local log = { json = core.json }

local levels = { "error", "warning", "info", "debug", "trace" }

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Each byte that is no UTF-8 becomes U+FFFD, as in src/common/log.c.
local function valid(text)
  local parts, at = {}, 1
  while true do
    local whole, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, whole and -1 or bad - 1)
    if whole then
      return table.concat(parts)
    end
    parts[#parts + 1] = "\u{fffd}"
    at = bad + 1
  end
end

local C1 = "\xc2[\x80-\x9f]" -- control characters of 8 bits, as UTF-8 has them

local function json_text(text)
  if not utf8.len(text) then
    text = valid(text)
  end
  text = text:gsub('[%c"\\]', function(c)
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end)
  return '"' .. text:gsub(C1, function(c)
    return ("\\u%04x"):format(utf8.codepoint(c))
  end) .. '"'
end

local function json_value(value)
  if math.type(value) == "integer" or type(value) == "boolean" then
    return tostring(value)
  elseif type(value) == "number" and value == value and value ~= math.huge and value ~= -math.huge then
    return ("%.14g"):format(value)
  end
  return json_text(tostring(value))
end

local function text_value(value)
  local text = tostring(value)
  if text == "" or text:find('[%s"=%c]') or text:find(C1) or not utf8.len(text) then
    return json_text(text)
  end
  return text
end

local function sorted_keys(fields)
  local keys = {}
  for key in pairs(fields) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  return keys
end

--- The fields in the form of the log, in the order of their names.
local function render(fields)
  local parts = {}
  for _, key in ipairs(sorted_keys(fields)) do
    if log.json then
      parts[#parts + 1] = "," .. json_text(tostring(key)) .. ":" .. json_value(fields[key])
    else
      parts[#parts + 1] = " " .. text_value(key) .. "=" .. text_value(fields[key])
    end
  end
  return table.concat(parts)
end

local function write(level, message, fields, as_it_is)
  check.type("reaper.log", "level", level, "string")
  local known = false
  for _, name in ipairs(levels) do
    known = known or name == level
  end
  if not known then
    check.refuse("reaper.log", "level", ("'%s' is none of %s%s"):format(level, table.concat(levels, ", "),
      check.hint(level, levels)))
  end
  if fields ~= nil then
    check.type("reaper.log", "fields", fields, "table")
  end
  -- A zero byte would end the line early.
  core.log(level, (tostring(message):gsub("\0", "\\0")), fields and render(fields) or "", as_it_is)
end

--- What may have several lines: a message with a traceback.
function log.with_traceback(message)
  write("error", message, nil, true)
end

-- ---- Lines of services. ----

local second, second_text -- the last one that was written, as making its text is slow

local function time_text()
  local now = core.time()
  local whole = math.floor(now)
  if whole ~= second then
    second, second_text = whole, os.date("!%Y-%m-%dT%H:%M:%S", whole)
  end
  return ("%s.%03dZ"):format(second_text, (now - whole) * 1000 // 1)
end

--- A function(line) that writes a line of a service to reaper-lua's stdout, or to its stderr for the stream "stderr",
-- with its name in front or as a JSON object.
function log.lines(name, stream)
  check.type("reaper.log.lines", "name", name, "string")
  stream = stream == nil and "stdout" or check.type("reaper.log.lines", "stream", stream, "string")
  local to = output[stream]
  if not to then
    check.refuse("reaper.log.lines", "stream", "\"stdout\" or \"stderr\" expected")
  end
  local prefix = name:gsub("%c", "?") .. ": "
  local fields = ('"service":%s,"stream":"%s"'):format(json_text(name), stream)
  return function(line)
    if log.json then
      return to:write(('{"time":"%s",%s,"message":%s}\n'):format(time_text(), fields, json_text(line)))
    end
    to:write(prefix .. line .. "\n")
  end
end

--- The table reaper.log, whose messages are written as they are.
log.public = setmetatable({ lines = log.lines }, {
  __call = function(_, level, message, fields)
    write(level, message, fields, true)
  end,
})

return setmetatable(log, {
  __call = function(_, level, message, fields)
    write(level, message, fields, false)
  end,
})
