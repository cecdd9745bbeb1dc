--- What a script process saves for the next one, should it be lost: plain values by name.

local core = require "reaper.core"
local log = require "reaper.runtime.log"

local store = {}

local saved -- name → value; nil before the first look
local has_warned = false -- that nothing can be saved
local texts = {} -- name → the value as Lua text

-- A value as Lua text.
local function literal(value)
  if type(value) ~= "table" then
    return ("%q"):format(value)
  end
  local parts, count = {}, #value
  for i = 1, count do
    parts[i] = literal(value[i])
  end
  for key, inner in pairs(value) do
    if math.type(key) ~= "integer" or key < 1 or key > count then
      parts[#parts + 1] = ("[%s]=%s"):format(literal(key), literal(inner))
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function look()
  if not saved then
    local chunk = load("return " .. (core.stored and core.stored() or "{}"), "=store", "t", {})
    saved = chunk and chunk() or {}
    for name, value in pairs(saved) do
      texts[name] = ("[%q]=%s"):format(name, literal(value))
    end
  end
  return saved
end

--- What was saved last under the name, by this script process or by an earlier one; or nil.
function store.get(name)
  return look()[name]
end

--- Saves a value under each name: a string, number, boolean or a table of such; false: nothing any more. Only these
-- are made into text again. A program is never replaced, so there it does nothing.
function store.set(values)
  if not core.store then
    return
  end
  look()
  for name, value in pairs(values) do
    saved[name] = value or nil
    texts[name] = value and ("[%q]=%s"):format(name, literal(value)) or nil
  end
  local parts = {}
  for _, text in pairs(texts) do
    parts[#parts + 1] = text
  end
  local ok, why = core.store("{" .. table.concat(parts, ",") .. "}")
  if not ok and not has_warned then
    has_warned = true
    log("warning", ("what the script process keeps for the next one is lost (%s): after a crash of the script, that "
      .. "does not know its services"):format(why))
  end
end

return store
