--- reaper.log(level, message[, fields]): one line on stderr, as text or JSON (--log-format).

local core = require "reaper.core"
local check = require "reaper.check"

local log = { json = core.json }

local levels = { "error", "warning", "info", "debug", "trace" }

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function json_text(text)
  if not utf8.len(text) then
    text = text:gsub("[\128-\255]", "?")
  end
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    return escapes[c] or ("\\u%04x"):format(c:byte())
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
  if text == "" or text:find('[%s"=%c]') then
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
      parts[#parts + 1] = " " .. tostring(key) .. "=" .. text_value(fields[key])
    end
  end
  return table.concat(parts)
end

local function write(_, level, message, fields)
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
  core.log(level, (tostring(message):gsub("\0", "\\0")), fields and render(fields) or "")
end

return setmetatable(log, { __call = write })
