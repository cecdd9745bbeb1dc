--- Values of any kind as the log has them: as JSON, or as text on one line. Nothing here raises, whatever a value is.

local core = require "reaper.core"

local fields = {}

local DEPTH_MAX = 8 -- tables in tables
local ENOUGH = 8192 -- bytes; a line is cut long before
local C1 = "\xc2[\x80-\x9f]" -- control characters of 8 bits, as UTF-8 has them

local metatable_of = debug.getmetatable -- a script may take the library away

local json_escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Replaces each byte that is no UTF-8, as src/common/log.c does.
local function mend(text, replace)
  local parts, at = {}, 1
  while true do
    local whole, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, whole and -1 or bad - 1)
    if whole then
      return table.concat(parts)
    end
    parts[#parts + 1] = replace(text:sub(bad, bad))
    at = bad + 1
  end
end

local function replacement()
  return "\u{fffd}"
end

--- A text in which each byte that is no UTF-8 has become U+FFFD.
function fields.valid(text)
  return utf8.len(text) and text or mend(text, replacement)
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("\\x%02x"):format(byte:byte())
  end))
end

--- A string as JSON has it. Each byte that is no UTF-8 becomes U+FFFD.
function fields.json_text(text)
  text = fields.valid(text):gsub('[%c"\\]', function(c)
    return json_escapes[c] or ("\\u%04x"):format(c:byte())
  end)
  return '"' .. text:gsub(C1, function(c)
    return ("\\u%04x"):format(utf8.codepoint(c))
  end) .. '"'
end

--- A text on one line: control characters, and bytes that are no UTF-8, are "\n", "\r", "\t" or "\x" and their value.
function fields.escape(text)
  text = text:gsub("%c", function(c)
    return c:find "[\n\r\t]" and json_escapes[c] or hex(c)
  end):gsub(C1, hex)
  return utf8.len(text) and text or mend(text, hex)
end

--- What tostring gives, or what the value is where its __tostring raises.
function fields.to_text(value)
  local ok, text = pcall(tostring, value)
  return ok and text or ("(a %s whose __tostring fails)"):format(type(value))
end

-- The keys that a table itself has, with their names, in the order of the names.
local function named_keys(t)
  local list = {}
  for key in next, t do
    list[#list + 1] = { key = key, name = fields.to_text(key) }
  end
  table.sort(list, function(a, b)
    return a.name < b.name
  end)
  return list
end

-- The name, with "_" behind it until none of those before has it.
local function unique(name, taken)
  name = fields.valid(name)
  while taken[name] do
    name = name .. "_"
  end
  taken[name] = true
  return name
end

-- The length of a table whose keys are 1 to its length; or nil.
local function length_of(t)
  local length = rawlen(t)
  local count = 0
  for key in next, t do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      return nil
    end
    count = count + 1
  end
  return count == length and length or nil
end

local function json_number(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value or value == math.huge or value == -math.huge then
    return nil
  end
  return ("%.14g"):format(value)
end

local add_json

local function add(out, text)
  out[#out + 1] = text
  out.size = out.size + #text
end

local function add_list(out, t, length)
  add(out, "[")
  for i = 1, length do
    if out.size > ENOUGH then
      break
    end
    add(out, i > 1 and "," or "")
    add_json(out, rawget(t, i))
  end
  add(out, "]")
end

local function add_members(out, t, taken, before)
  for _, entry in ipairs(named_keys(t)) do
    if out.size > ENOUGH then
      break
    end
    add(out, before .. fields.json_text(unique(entry.name, taken)) .. ":")
    add_json(out, rawget(t, entry.key))
    before = ","
  end
end

local function has_text(t)
  local metatable = metatable_of(t)
  return metatable ~= nil and rawget(metatable, "__tostring") ~= nil
end

local function add_table(out, t)
  if out.inside[t] then
    return add(out, '"(cycle)"')
  elseif out.depth == DEPTH_MAX then
    return add(out, '"(too deep)"')
  end
  out.inside[t], out.depth = true, out.depth + 1
  local length = length_of(t)
  if length then
    add_list(out, t, length)
  else
    add(out, "{")
    add_members(out, t, {}, "")
    add(out, "}")
  end
  out.inside[t], out.depth = nil, out.depth - 1
end

function add_json(out, value)
  if type(value) == "table" and not has_text(value) then
    return add_table(out, value)
  elseif type(value) == "boolean" then
    return add(out, tostring(value))
  end
  add(out, type(value) == "number" and json_number(value) or fields.json_text(fields.to_text(value)))
end

local function new_output()
  return { size = 0, depth = 0, inside = {} }
end

-- What has a blank, a quote or a control character, and what is empty, is quoted as in JSON, so that it is one value to
-- a reader.
local function text_value(value)
  local text
  if type(value) == "table" and not has_text(value) then
    local out = new_output()
    add_table(out, value)
    text = table.concat(out)
  else
    text = fields.to_text(value)
  end
  if text == "" or text:find('[%s"=%c]') or text:find(C1) or not utf8.len(text) then
    return fields.json_text(text)
  end
  return text
end

local function render_json(t)
  local out = new_output()
  out.inside[t] = true
  add_members(out, t, { time = true, level = true, message = true }, ",")
  return table.concat(out)
end

local function render_text(t)
  local out = new_output()
  for _, entry in ipairs(named_keys(t)) do
    if out.size <= ENOUGH then
      add(out, " " .. text_value(entry.name) .. "=" .. text_value(rawget(t, entry.key)))
    end
  end
  return table.concat(out)
end

--- A table of fields in the form of the log, in the order of their names. One that is too long for any line may be
-- left unfinished.
function fields.render(t)
  local json = core.log_form()
  return json and render_json(t) or render_text(t)
end

return fields
