--- JSON with the keys in the order in which they are given, and without a limit of its size.

local fields = require "reaper.runtime.log_fields"

local json = {}

local Text = {} -- what is JSON already

local function encoded(text)
  return setmetatable({ text = text }, Text)
end

local function encode(value)
  if getmetatable(value) == Text then
    return value.text
  elseif value == nil then
    return "null"
  elseif math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif type(value) == "number" then
    return ("%.14g"):format(value)
  elseif type(value) == "boolean" then
    return tostring(value)
  end
  return fields.json_text(value)
end

--- An object: json.object("key", value, …). A key whose value is nil is left out.
function json.object(...)
  local parts = {}
  for i = 1, select("#", ...), 2 do
    local key, value = select(i, ...)
    if value ~= nil then
      parts[#parts + 1] = fields.json_text(key) .. ":" .. encode(value)
    end
  end
  return encoded("{" .. table.concat(parts, ",") .. "}")
end

--- A list.
function json.list(list)
  local parts = {}
  for i, value in ipairs(list) do
    parts[i] = encode(value)
  end
  return encoded("[" .. table.concat(parts, ",") .. "]")
end

--- The text of what the functions above have made.
function json.text(value)
  return encode(value)
end

--- Seconds since 1970 as RFC 3339 has them, in UTC with milliseconds.
function json.time(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds // 1) .. (".%03dZ"):format(seconds % 1 * 1000 // 1)
end

return json
